-- Buckets of the last requests, found in a raw path in C memory, without a Lua string.
--
-- Used by loam.fast and loam.fast_put. Forgets all when any bucket was made or dropped, in any
-- worker. One per worker.
local ffi = require "ffi"
local C = require "loam.native"

local known_buckets = {}
local REMEMBERED_MAX = 8
local SLASH = 47

known_buckets.PREFIX_SIZE = 8 -- "/v1/kv/" and the "/" behind the bucket, besides its name.
local PREFIX_SIZE = known_buckets.PREFIX_SIZE

ffi.cdef "int memcmp(const void *a, const void *b, size_t size);"

-- "/v1/" and "/kv/", which overlap in one byte, as the numbers they are in memory.
local word = ffi.new("union { char bytes[4]; uint32_t number; }")
ffi.copy(word.bytes, "/v1/", 4)
local FIRST = word.number
ffi.copy(word.bytes, "/kv/", 4)
local SECOND = word.number
local u32_pointer = ffi.typeof("const uint32_t *")

--- Returns {find(path, path_size) -> {name, size, id} or nil, remember(name, id)}.
---@param shared ffi.cdata*  what host_shared() gives
function known_buckets.new(shared)
  local list, count = {}, 0
  local epoch = shared.bucket_epoch

  local function refresh()
    if epoch ~= shared.bucket_epoch then
      list, count = {}, 0
      epoch = shared.bucket_epoch
    end
  end

  local function find(path, path_size)
    if path_size < PREFIX_SIZE + 1 or ffi.cast(u32_pointer, path)[0] ~= FIRST
      or ffi.cast(u32_pointer, path + 3)[0] ~= SECOND then
      return nil
    end
    refresh()
    for at = 1, count do
      local bucket = list[at]
      local size = bucket.size
      if path_size >= PREFIX_SIZE + size and path[size + 7] == SLASH
        and C.memcmp(path + 7, bucket.name, size) == 0 then
        return bucket
      end
    end
  end

  local function remember(name, id)
    refresh()
    if count < REMEMBERED_MAX then
      count = count + 1
      -- The name stays alive in memory of its own: C compares it.
      local bytes = ffi.new("char[?]", #name + 1)
      ffi.copy(bytes, name)
      list[count] = { name = bytes, size = #name, id = id }
    end
  end

  return { find = find, remember = remember }
end

return known_buckets
