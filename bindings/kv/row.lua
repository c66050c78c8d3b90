-- The row that a scan stands on, without a string made of it: what scan{ rows = true } hands out.
--
--     for row in db:scan{ rows = true } do
--       if row:value_size() > 1000 then large[#large + 1] = row:key() end
--     end
--
-- One object for the whole scan: it shows another row after each step, and none - its methods
-- raise - before the first step, after the last and once the scan is closed. So nothing of it can
-- outlive the block that it reads from. A fresh string costs LuaJIT far more than libloam takes to
-- find the row: rows that are looked at and left behind go by without.
local errors = require "kv.errors"
local ffi = require "ffi"
local value = require "kv.value"

local row = {}
local int64 = ffi.typeof("int64_t")

---@class kv.row
local methods = {}
local metatable = { __name = "kv.row", __index = methods }

local function refuse(self, call)
  if type(self) ~= "table" or not self._place then
    errors.misuse("%s is a method: call it with a colon, row:%s(...)", call, call)
  end
  errors.misuse("%s: the scan stands on no row", call)
end

-- Returns the loam_row; valid until libloam is called.
local function current(self, call)
  local place = type(self) == "table" and self._place
  if not place or place.at == nil then
    refuse(self, call)
  end
  return place.at
end

-- As tonumber(), for what is below 2^63: the compiler needs one instruction, and else four.
local function whole(number)
  return tonumber(ffi.cast(int64, number))
end

---@return string
function methods:key()
  local found = current(self, "key")
  return ffi.string(found.key, found.key_size)
end

--- Returns the value, nil with keys_only.
---@return string?
function methods:value()
  local found = current(self, "value")
  if found.value == nil then
    return nil
  end
  return ffi.string(found.value, found.value_size)
end

---@return number bytes
function methods:key_size()
  return whole(current(self, "key_size").key_size)
end

---@return number bytes
function methods:value_size()
  return whole(current(self, "value_size").value_size)
end

---@return number
function methods:seq()
  return whole(current(self, "seq").seq)
end

--- Returns when the row expires, in seconds since the epoch; nil: never.
---@return number?
function methods:expires_at()
  local expire_at_ms = tonumber(current(self, "expires_at").expire_at_ms)
  return expire_at_ms > 0 and expire_at_ms / 1000 or nil
end

local function append(call, buffer, bytes, size)
  value.check_buffer(call, buffer)
  buffer:putcdata(bytes, size)
  return size
end

--- Appends the key to a string.buffer and returns its size.
---@param buffer userdata  string.buffer
---@return number size
function methods:key_into(buffer)
  local found = current(self, "key_into")
  return append("key_into", buffer, found.key, tonumber(found.key_size))
end

--- Appends the value to a string.buffer and returns its size; nil with keys_only.
---@param buffer userdata  string.buffer
---@return number? size
function methods:value_into(buffer)
  local found = current(self, "value_into")
  if found.value == nil then
    return nil
  end
  return append("value_into", buffer, found.value, tonumber(found.value_size))
end

function metatable.__tostring(self)
  return self._place.at ~= nil and "kv.row" or "kv.row(none)"
end

-- What recognise() compares with: the compiler takes such functions for constants.
local key, value_of, key_size, value_size = methods.key, methods.value, methods.key_size,
  methods.value_size
local seq, expires_at = methods.seq, methods.expires_at
local key_into, value_into = methods.key_into, methods.value_into

--- Looks at every method of a row object and does nothing else: what a turn of a loop has looked at
--- the compiler knows in all later turns. So it finds the methods once for 256 rows, and not for
--- each row.
function row.recognise(shown)
  return shown.key == key and shown.value == value_of and shown.key_size == key_size
    and shown.value_size == value_size and shown.seq == seq and shown.expires_at == expires_at
    and shown.key_into == key_into and shown.value_into == value_into
end

--- Makes the row object of a scan, an object with _place.at: a loam_row, or NULL.
function row.new(scan)
  return setmetatable({ _scan = scan, _place = scan._place }, metatable)
end

return row
