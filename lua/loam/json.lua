-- JSON in and out.
--
-- Decoding is lua-cjson behind a check of our own (core/host/json_check.c): it takes what other
-- readers understand otherwise, equal members and bytes behind a NUL among it. Encoding is
-- our own: the packaged cjson 2.1.0 writes 14 digits, so sequence numbers above 10^14 would come
-- out wrong, and it lets bytes through that are not UTF-8. Keys of objects are sorted: equal tables
-- are equal texts.
local cjson = require "cjson"
local ffi = require "ffi"
local C = require "loam.native"

local json = {}
local DEPTH_MAX = 64
local OK = 0

local decoder = cjson.new()
decoder.decode_max_depth(DEPTH_MAX)
decoder.decode_invalid_numbers(false)

json.null = cjson.null
json.depth_max = DEPTH_MAX

local problem_at = ffi.new("double[1]")
local array_metatable = { __name = "json.array" }

--- Marks a table as a list, so that an empty one is written [].
function json.array(list)
  return setmetatable(list or {}, array_metatable)
end

--- Says whether bytes are valid UTF-8.
---@param text string
---@return boolean
function json.is_utf8(text)
  return C.host_is_utf8(text, #text) == 1
end

local scratch = ffi.gc(ffi.new("loam_buffer"), C.loam_buffer_free)

local function encode_string(text)
  if not text:find("[%z\1-\31\"\\\127-\255]") then
    return '"' .. text .. '"'
  end
  scratch.size = 0
  if C.host_json_string(scratch, text, #text) ~= OK then
    error("a string is not valid UTF-8 and has no JSON form", 0)
  end
  return ffi.string(scratch.data, scratch.size)
end

local function encode_number(number)
  if number % 1 == 0 and number > -2 ^ 53 and number < 2 ^ 53 then
    return ("%d"):format(number)
  end
  if number ~= number or number == math.huge or number == -math.huge then
    error("the number " .. tostring(number) .. " has no JSON form", 0)
  end
  local short = ("%.14g"):format(number)
  return tonumber(short) == number and short or ("%.17g"):format(number)
end

-- A list has the marker, or keys 1..n and nothing else.
local function list_size(value)
  if getmetatable(value) == array_metatable then
    return #value
  end
  local size = #value
  if size == 0 then
    return nil
  end
  local count = 0
  for _ in pairs(value) do
    count = count + 1
  end
  if count ~= size then
    error("a table with list and other keys has no JSON form", 0)
  end
  return size
end

local encode_value

local function encode_list(value, size, out, depth)
  out[#out + 1] = "["
  for at = 1, size do
    if at > 1 then
      out[#out + 1] = ","
    end
    encode_value(value[at], out, depth)
  end
  out[#out + 1] = "]"
end

-- A function of the module: a closure made for each object would not be compiled.
local function by_text(a, b)
  return tostring(a) < tostring(b)
end

local function encode_object(value, out, depth)
  local names = {}
  for name in pairs(value) do
    if type(name) ~= "string" and type(name) ~= "number" then
      error("a key of type " .. type(name) .. " has no JSON form", 0)
    end
    names[#names + 1] = name
  end
  table.sort(names, by_text)
  out[#out + 1] = "{"
  for at, name in ipairs(names) do
    out[#out + 1] = (at > 1 and "," or "") .. encode_string(tostring(name)) .. ":"
    encode_value(value[name], out, depth)
  end
  out[#out + 1] = "}"
end

function encode_value(value, out, depth)
  local kind = type(value)
  if kind == "string" then
    out[#out + 1] = encode_string(value)
  elseif kind == "number" then
    out[#out + 1] = encode_number(value)
  elseif kind == "boolean" then
    out[#out + 1] = tostring(value)
  elseif value == nil or value == json.null then
    out[#out + 1] = "null"
  elseif kind == "table" then
    if depth >= DEPTH_MAX then
      error(("tables nested deeper than %d have no JSON form"):format(DEPTH_MAX), 0)
    end
    local size = list_size(value)
    if size then
      encode_list(value, size, out, depth + 1)
    else
      encode_object(value, out, depth + 1)
    end
  else
    error("a " .. kind .. " has no JSON form", 0)
  end
end

--- Returns the JSON text of a value. Raises for what has none: functions, NaN, bytes, deep or mixed
--- tables.
---@param value any
---@return string
function json.encode(value)
  local out = {}
  encode_value(value, out, 0)
  return table.concat(out)
end

--- Returns the value of a JSON text, or nil and one line. Objects and lists are both tables.
---@param text string
---@return any value, string? message
function json.decode(text)
  if not json.is_utf8(text) then
    return nil, "the text is not valid UTF-8"
  end
  local problem = C.host_json_problem(text, #text, problem_at)
  if problem ~= nil then
    return nil, ("%s at byte %d"):format(ffi.string(problem), problem_at[0] + 1)
  end
  local is_ok, value = pcall(decoder.decode, text)
  if not is_ok then
    return nil, (tostring(value):gsub("%c", " "))
  end
  return value
end

--- Says whether a decoded text was a list; cjson gives equal tables for [] and {}.
---@param text string
---@return boolean
function json.is_list_text(text)
  return text:find("^%s*%[") ~= nil
end

--- base64url without padding.
---@param bytes string
---@return string
function json.base64url(bytes)
  scratch.size = 0
  assert(C.host_base64url(scratch, bytes, #bytes) == OK, "out of memory")
  return ffi.string(scratch.data, scratch.size)
end

--- Returns the bytes, or nil when the text is not base64url.
---@param text string
---@return string?
function json.base64url_decode(text)
  local out = ffi.new("char[?]", #text + 1)
  local size = C.host_base64url_decode(text, #text, out)
  return size >= 0 and ffi.string(out, size) or nil
end

--- Puts bytes into an object: under `name` when they are UTF-8, else under `name`64.
---@param object table
---@param name string
---@param bytes string
---@param is_base64? boolean  always under `name`64
function json.set_bytes(object, name, bytes, is_base64)
  if not is_base64 and json.is_utf8(bytes) then
    object[name] = bytes
  else
    object[name .. "64"] = json.base64url(bytes)
  end
end

--- Takes bytes from an object that has either member. Returns nil, or nil and one line.
---@param object table
---@param name string
---@return string? bytes, string? message
function json.get_bytes(object, name)
  local plain, coded = object[name], object[name .. "64"]
  if plain ~= nil and coded ~= nil then
    return nil, ("%s and %s64 exclude each other"):format(name, name)
  elseif plain ~= nil then
    if type(plain) ~= "string" then
      return nil, ("%s is a string, got %s"):format(name, type(plain))
    end
    return plain
  elseif coded == nil then
    return nil
  end
  local bytes = type(coded) == "string" and json.base64url_decode(coded) or nil
  if not bytes then
    return nil, name .. "64 is not base64url"
  end
  return bytes
end

return json
