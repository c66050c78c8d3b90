-- Rows of a bucket as NDJSON or CSV, for load and dump.
--
-- A row is {key, value, ttl, expires_at_ms, content_type}. NDJSON:
--     {"k":"a","v":"1","expires_at_ms":1893456000000,"content_type":"text/plain"}
-- with k64 and v64 (base64url) for bytes that are not UTF-8; `ttl` (seconds) is read too. What GET
-- /v1/kv/BUCKET answers is read as well: its last line {"end":true,...} is no row. CSV has a header
-- and the columns key, value, expires_at_ms.
local csv = require "loam.cli.parts.csv"
local failure = require "loam.cli.parts.failure"
local json = require "loam.json"

local rows = {}

local MEMBERS = { k = true, k64 = true, v = true, v64 = true, ttl = true, expires_at_ms = true,
  content_type = true, seq = true }

--- The format of a file: what was asked for, else what its name says, else ndjson.
---@param asked? string
---@param path? string
---@return string
function rows.format(asked, path)
  if asked then
    return asked
  end
  return path and path:lower():find("%.[ct]sv$") and "csv" or "ndjson"
end

local function number_of(source, name, value, line_number)
  local number = tonumber(value)
  if type(value) == "boolean" or not number or not (number >= 0 and number <= 2 ^ 53) then
    source:fail(("%s is a number of at least 0, got %s"):format(name, tostring(value)), line_number)
  end
  return number
end

-- ---- NDJSON ----

local function bytes_of(source, object, name)
  local bytes, message = json.get_bytes(object, name)
  if not bytes then
    source:fail(message or ("%s or %s64 is missing"):format(name, name))
  end
  return bytes
end

local function check_members(source, object)
  for name in pairs(object) do
    if not MEMBERS[name] then
      source:fail(("unknown member '%s'; a row has k or k64, v or v64, and may have ttl, "
        .. "expires_at_ms, content_type"):format(tostring(name)))
    end
  end
end

local function row_of(source, object)
  check_members(source, object)
  local row = {
    key = bytes_of(source, object, "k"), value = bytes_of(source, object, "v"),
    content_type = object.content_type, line = source.line_number,
  }
  if object.ttl ~= nil then
    row.ttl = number_of(source, "ttl", object.ttl)
  end
  if object.expires_at_ms ~= nil then
    row.expires_at_ms = number_of(source, "expires_at_ms", object.expires_at_ms)
  end
  if row.content_type ~= nil and type(row.content_type) ~= "string" then
    source:fail("content_type is a string")
  end
  return row
end

local function next_object(source)
  local line
  repeat
    line = source:line()
    if not line then
      return nil
    end
  until line:find("%S")
  local object, message = json.decode(line)
  if message then
    source:fail("no JSON: " .. message)
  elseif type(object) ~= "table" or object == json.null or json.is_list_text(line) then
    source:fail("a row is a JSON object")
  end
  return object
end

local function ndjson_reader(source)
  return function()
    local object = next_object(source)
    if not object then
      return nil
    elseif object["end"] == true then
      return nil
    elseif object.error then
      source:fail("the server ended this scan with an error: " .. tostring(object.error))
    end
    return row_of(source, object)
  end
end

local function member(name, bytes)
  if json.is_utf8(bytes) then
    return "\"" .. name .. "\":" .. json.encode(bytes)
  end
  return "\"" .. name .. "64\":\"" .. json.base64url(bytes) .. "\""
end

-- The members of a row in braces; a row of a scan without values has no v.
local function ndjson_text(row, has_seq)
  local parts = { member("k", row.key), row.value and member("v", row.value) }
  if has_seq and row.seq then
    parts[#parts + 1] = ("\"seq\":%.0f"):format(row.seq)
  end
  if row.expires_at_ms then
    parts[#parts + 1] = ("\"expires_at_ms\":%.0f"):format(row.expires_at_ms)
  end
  if row.content_type then
    parts[#parts + 1] = "\"content_type\":" .. json.encode(row.content_type)
  end
  return "{" .. table.concat(parts, ",") .. "}\n"
end

-- ---- CSV ----

local function quoted_list(names)
  return "'" .. table.concat(names, "', '") .. "'"
end

-- The index of a column given by name or number; nil when an optional one is not there.
local function column(source, header, word, is_optional)
  local number = tonumber(word)
  if not header then
    if number and number >= 1 and number % 1 == 0 then
      return number
    end
    failure.usage("without a header a column is its number from 1, got '%s'", word)
  end
  for at, name in ipairs(header) do
    if name == word then
      return at
    end
  end
  if number and number >= 1 and number <= #header and number % 1 == 0 then
    return number
  elseif not is_optional then
    source:fail(("no column '%s'; there are %s"):format(word, quoted_list(header)), 1)
  end
end

local function columns_of(source, header, given)
  local default = header and { "key", "value" } or { "1", "2" }
  return {
    key = column(source, header, given.key_column or default[1]),
    value = column(source, header, given.value_column or default[2]),
    ttl = (given.ttl_column or header)
      and column(source, header, given.ttl_column or "ttl", not given.ttl_column),
    expires_at_ms = (given.expires_column or header) and column(source, header,
      given.expires_column or "expires_at_ms", not given.expires_column),
  }
end

local function csv_field(source, fields, name, at, first_line)
  local text = fields[at]
  if not text then
    source:fail(("the %s is column %d, and this record has %d"):format(name, at, #fields),
      first_line)
  end
  return text
end

local function csv_reader(source, given)
  local separator = given.separator or ","
  local header, columns, width
  if not given.no_header then
    header = csv.read(source, separator)
    if not header then
      return function() return nil end
    end
    width = #header
  end
  columns = columns_of(source, header, given)
  return function()
    local fields, line = csv.read(source, separator)
    if not fields then
      return nil
    elseif width and #fields ~= width then
      source:fail(("the header has %d columns, this record %d"):format(width, #fields), line)
    end
    local row = {
      key = csv_field(source, fields, "key", columns.key, line),
      value = csv_field(source, fields, "value", columns.value, line), line = line,
    }
    for _, name in ipairs { "ttl", "expires_at_ms" } do
      local text = columns[name] and fields[columns[name]]
      if text and text ~= "" then
        row[name] = number_of(source, name, text, line)
      end
    end
    return row
  end
end

local function csv_text(row, separator)
  local expires = row.expires_at_ms and ("%.0f"):format(row.expires_at_ms) or ""
  return csv.record({ row.key, row.value, expires }, separator)
end

-- ---- Both ----

--- A row as one line of NDJSON, with its sequence number.
function rows.text(row)
  return ndjson_text(row, true)
end

--- Returns a function that gives one row after the other, nil at the end, and raises failures with
--- file and line.
---@param source loam.cli.source
---@param format string
---@param given table  separator, no_header, key_column, value_column, ttl_column, expires_column
function rows.reader(source, format, given)
  return (format == "csv" and csv_reader or ndjson_reader)(source, given)
end

--- Returns a function that gives the text of a row, and the text that stands in front of all.
---@param format string
---@param given table  separator, no_header
function rows.writer(format, given)
  if format == "ndjson" then
    return function(row) return ndjson_text(row) end, ""
  end
  local separator = given.separator or ","
  local header = given.no_header and ""
    or csv.record({ "key", "value", "expires_at_ms" }, separator)
  return function(row) return csv_text(row, separator) end, header
end

return rows
