-- What may be a key, a value, a time to live.
--
-- Keys are strings. Values are strings, string.buffer objects (where this LuaJIT has them) or
-- kv.slice(ptr, size). Numbers are refused on purpose: tostring() of 0.1 or of 1e15 surprises, so
-- the caller says which text it wants.
local errors = require "kv.errors"
local ffi = require "ffi"

local value = {}
local misuse = errors.misuse
local slice_type = ffi.typeof("loam_slice")

-- 3000 years: what is longer is a mistake in units.
local TTL_SECONDS_MAX = 1e11

---@class kv.null  stands for an absent value in the results of mget
value.null = setmetatable({}, {
  __name = "kv.null",
  __tostring = function() return "kv.null" end,
})

--- Wraps bytes in C memory as a value. The caller keeps them alive during the call that takes
--- them.
---@param ptr ffi.cdata*  pointer to the bytes
---@param size number
function value.slice(ptr, size)
  if type(ptr) ~= "cdata" then
    misuse("kv.slice: the first argument is a pointer, got %s", errors.what_came(ptr))
  end
  if type(size) ~= "number" or size < 0 or size % 1 ~= 0 then
    misuse("kv.slice: the size is a whole number of at least 0, got %s", tostring(size))
  end
  return slice_type(ffi.cast("const char *", ptr), size)
end

-- Buffers that were met. The compiler takes a look into this table, but not getmetatable() of a
-- buffer.
local buffers = setmetatable({}, { __mode = "k" })

--- Whether something is a string.buffer.
function value.is_buffer(candidate)
  if buffers[candidate] then
    return true
  elseif type(candidate) ~= "userdata" or getmetatable(candidate) ~= "buffer" then
    return false
  end
  buffers[candidate] = true
  return true
end

--- Raises unless `buffer` is a string.buffer.
function value.check_buffer(call, buffer)
  if not value.is_buffer(buffer) then
    misuse("%s: the buffer is a string.buffer, got %s", call, errors.what_came(buffer))
  end
end

--- Raises unless `key` is a string.
function value.check_key(call, key)
  if type(key) == "string" then
    return
  elseif key == nil then
    misuse("%s: the key is missing", call)
  elseif type(key) == "number" then
    misuse("%s: the key is a string, got the number %s; use tostring() or, to keep numeric order, "
      .. "kv.key.pack()", call, tostring(key))
  end
  misuse("%s: the key is a string, got %s", call, errors.what_came(key))
end

--- Returns pointer and size of a value, or raises. The pointer is valid while the value lives.
function value.bytes(call, bytes)
  local kind = type(bytes)
  if kind == "string" then
    return bytes, #bytes
  elseif kind == "cdata" and ffi.istype(slice_type, bytes) then
    return bytes.data, bytes.size
  elseif kind == "userdata" and value.is_buffer(bytes) then
    return bytes:ref()
  elseif kind == "number" then
    misuse("%s: the value is a string, got the number %s; use tostring() or string.format()",
      call, tostring(bytes))
  elseif kind == "nil" then
    misuse("%s: the value is missing; to remove a key use delete()", call)
  end
  misuse("%s: the value is a string, got %s; encode it first", call, errors.what_came(bytes))
end

--- Returns a TTL in whole milliseconds; 0 stays 0 and means never.
---@param call string
---@param seconds number
function value.ttl_ms(call, seconds)
  if type(seconds) ~= "number" then
    misuse("%s: the TTL is a number of seconds, got %s", call, errors.what_came(seconds))
  elseif not (seconds >= 0 and seconds <= TTL_SECONDS_MAX) then
    misuse("%s: the TTL is 0 (never) to %.0f seconds, got %s", call, TTL_SECONDS_MAX,
      tostring(seconds))
  elseif seconds == 0 then
    return 0
  end
  return math.max(1, math.floor(seconds * 1000 + 0.5))
end

--- Returns a point in time, seconds since the Unix epoch, in whole milliseconds.
function value.expire_at_ms(call, seconds)
  if not (seconds > 0 and seconds <= TTL_SECONDS_MAX) then
    misuse("%s: expire_at is in seconds since 1970, got %s", call, tostring(seconds))
  end
  return math.max(1, math.floor(seconds * 1000 + 0.5))
end

return value
