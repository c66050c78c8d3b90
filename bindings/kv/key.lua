-- Ordered tuples: kv.key.pack("user", 42) makes a key that sorts as its elements do.
--
-- Each element is a tag byte and bytes whose memcmp order is the order of the values:
--     nil      01
--     false    02
--     true     03
--     number   04, then 8 bytes: the IEEE double big-endian, sign bit flipped when it is positive,
--              all bits flipped when it is negative; -0 becomes 0, NaN is refused
--     string   05, then the bytes with 00 written as 00 FF, then 00 01
-- Tuples sort element by element, nil < false < true < numbers < strings, a shorter tuple before a
-- longer one that it begins. pack("a") is a prefix of pack("a", x) and of no other first element,
-- so {prefix = kv.key.pack("a")} scans exactly the tuples that begin with "a".
local errors = require "kv.errors"
local ffi = require "ffi"

local key = {}
local misuse = errors.misuse

local TAG_NIL, TAG_FALSE, TAG_TRUE, TAG_NUMBER, TAG_STRING = "\1", "\2", "\3", "\4", "\5"
local STRING_END = "\0\1"
local NUMBER_SIZE = 8

local number = ffi.new("union { double value; int32_t half[2]; uint8_t bytes[8]; }")
local LOW, HIGH = 0, 1 -- Little-endian halves of a double.

local function flip(is_negative)
  if is_negative then
    number.half[LOW] = bit.bnot(number.half[LOW])
    number.half[HIGH] = bit.bnot(number.half[HIGH])
  else
    number.half[HIGH] = bit.bxor(number.half[HIGH], 0x80000000)
  end
end

local function pack_number(value, index)
  if value ~= value then
    misuse("key.pack: element %d is NaN, which has no order", index)
  end
  number.value = value == 0 and 0 or value -- Not -0.
  flip(value < 0)
  local b = number.bytes
  return TAG_NUMBER .. string.char(b[7], b[6], b[5], b[4], b[3], b[2], b[1], b[0])
end

local function pack_element(value, index)
  local kind = type(value)
  if kind == "string" then
    return TAG_STRING .. value:gsub("%z", "\0\255") .. STRING_END
  elseif kind == "number" then
    return pack_number(value, index)
  elseif kind == "boolean" then
    return value and TAG_TRUE or TAG_FALSE
  elseif kind == "nil" then
    return TAG_NIL
  end
  misuse("key.pack: element %d is a nil, boolean, number or string, got %s", index,
    errors.what_came(value))
end

--- Packs elements (nil, booleans, numbers, strings) into a key that sorts like them.
---@param ... nil|boolean|number|string
---@return string
function key.pack(...)
  local parts = {}
  for index = 1, select("#", ...) do
    parts[index] = pack_element((select(index, ...)), index)
  end
  return table.concat(parts)
end

local function unpack_number(packed, from)
  if #packed < from + NUMBER_SIZE - 1 then
    return nil
  end
  for index = 0, NUMBER_SIZE - 1 do
    number.bytes[NUMBER_SIZE - 1 - index] = packed:byte(from + index)
  end
  flip(number.bytes[7] < 0x80)
  return number.value, from + NUMBER_SIZE
end

local function unpack_string(packed, from)
  local at = from
  while true do
    at = packed:find("\0", at, true)
    local follower = at and packed:byte(at + 1)
    if follower == 1 then
      return (packed:sub(from, at - 1):gsub("%z\255", "\0")), at + 2
    elseif follower ~= 255 then
      return nil
    end
    at = at + 2
  end
end

-- Returns value and the position after it; the position is nil when the bytes are no tuple.
local function unpack_element(packed, from)
  local tag = packed:sub(from, from)
  if tag == TAG_STRING then
    return unpack_string(packed, from + 1)
  elseif tag == TAG_NUMBER then
    return unpack_number(packed, from + 1)
  elseif tag == TAG_NIL then
    return nil, from + 1
  elseif tag == TAG_FALSE or tag == TAG_TRUE then
    return tag == TAG_TRUE, from + 1
  end
  return nil
end

--- Returns the elements of a packed key; `nil, err, "INVALID"` when it is none. Since elements may
--- be nil, so may be the first result: check the third for a key of unknown origin.
---@param packed string
function key.unpack(packed)
  if type(packed) ~= "string" then
    misuse("key.unpack: takes a string, got %s", errors.what_came(packed))
  end
  local elements, count, at = {}, 0, 1
  while at <= #packed do
    local value, past = unpack_element(packed, at)
    if not past then
      return errors.refuse("INVALID", "key.unpack: no tuple element at byte %d", at)
    end
    count = count + 1
    elements[count] = value
    at = past
  end
  return unpack(elements, 1, count)
end

--- Returns the smallest key greater than every key that begins with a prefix, nil when there is
--- none.
---@param prefix string
---@return string?
function key.prefix_end(prefix)
  if type(prefix) ~= "string" then
    misuse("key.prefix_end: takes a string, got %s", errors.what_came(prefix))
  end
  local size = #prefix
  while size > 0 and prefix:byte(size) == 255 do
    size = size - 1
  end
  if size == 0 then
    return nil
  end
  return prefix:sub(1, size - 1) .. string.char(prefix:byte(size) + 1)
end

return key
