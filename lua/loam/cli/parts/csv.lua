-- CSV as RFC 4180 has it: fields in double quotes may hold separators, line breaks and doubled
-- quotes. Bytes are otherwise taken and given as they are. Records end with LF or CR LF; empty
-- lines are skipped. What is malformed is refused with its line, never guessed.
local csv = {}

local BYTE_ORDER_MARK = "\239\187\191"

--- The separator that a word of the command line means; nil when it is none.
function csv.separator(word)
  if word == "tab" or word == "\\t" then
    return "\t"
  end
  return #word == 1 and not word:find("[\"\r\n%z]") and word or nil
end

-- Reads on after an opening quote, over line ends. Returns the field, the line it ends in and the
-- position after the closing quote.
local function quoted_field(source, line, at)
  local parts, first_line = {}, source.line_number
  while true do
    local quote = line:find("\"", at, true)
    if not quote then
      parts[#parts + 1] = line:sub(at) .. "\n"
      line, at = source:line(), 1
      if not line then
        source:fail("the quote that opens here is never closed", first_line)
      end
    elseif line:byte(quote + 1) == 34 then
      parts[#parts + 1] = line:sub(at, quote)
      at = quote + 2
    else
      parts[#parts + 1] = line:sub(at, quote - 1)
      return table.concat(parts), line, quote + 1
    end
  end
end

local function bare_field(source, line, at, separator)
  local finish = line:find(separator, at, true)
  local field = line:sub(at, (finish or #line + 1) - 1)
  if not finish and field:byte(-1) == 13 then
    field = field:sub(1, -2)
  end
  if field:find("\"", 1, true) then
    source:fail("a quote inside a field that does not begin with one")
  end
  return field, finish or #line + 1
end

-- After a quoted field: the separator or the end of the record.
local function after_quote(source, line, at, separator)
  if line:sub(at) == "\r" then
    return #line + 1
  elseif at <= #line and line:sub(at, at) ~= separator then
    source:fail("text after the closing quote of a field")
  end
  return at
end

--- Reads one record: its fields and the number of its first line, or nil at the end.
---@param source loam.cli.source
---@param separator string
---@return string[]? fields, number? line_number
function csv.read(source, separator)
  local line = source:line()
  if line and source.line_number == 1 and line:sub(1, 3) == BYTE_ORDER_MARK then
    line = line:sub(4)
  end
  while line == "" or line == "\r" do
    line = source:line()
  end
  if not line then
    return nil
  end
  local fields, at, first_line = {}, 1, source.line_number
  repeat
    local field
    if line:byte(at) == 34 then
      field, line, at = quoted_field(source, line, at + 1)
      at = after_quote(source, line, at, separator)
    else
      field, at = bare_field(source, line, at, separator)
    end
    fields[#fields + 1] = field
    at = at + 1
  until at > #line + 1
  return fields, first_line
end

--- One record as text.
---@param fields string[]
---@param separator string
---@return string
function csv.record(fields, separator)
  local out = {}
  for at, field in ipairs(fields) do
    if field:find("[\"\r\n]") or field:find(separator, 1, true) or field == "" and #fields == 1
      or at == 1 and field:sub(1, 3) == BYTE_ORDER_MARK then
      field = "\"" .. field:gsub("\"", "\"\"") .. "\""
    end
    out[at] = field
  end
  return table.concat(out, separator) .. "\n"
end

return csv
