-- The built-in GET of a plain key, without making a Lua string.
--
-- worker.lua offers every request here first. What is not a GET or HEAD of /v1/kv/<known
-- bucket>/<key> without a query, or what the engine cannot answer plainly, goes the general way.
-- The path is compared in C memory and the value goes from the engine's block to the socket in C,
-- so a run of such requests stays in one JIT trace. Buckets of the last few requests are remembered
-- until any bucket changes.
local ffi = require "ffi"
local C = require "loam.native"

local fast = {}
local REMEMBERED_MAX = 8
local PREFIX_SIZE = 8 -- "/v1/kv/" and the "/" behind the bucket, besides its name.

ffi.cdef "int memcmp(const void *a, const void *b, size_t size);"

-- "/v1/" and "/kv/", which overlap in one byte, as the numbers they are in memory.
local word = ffi.new("union { char bytes[4]; uint32_t number; }")
ffi.copy(word.bytes, "/v1/", 4)
local FIRST = word.number
ffi.copy(word.bytes, "/kv/", 4)
local SECOND = word.number
local u32_pointer = ffi.typeof("const uint32_t *")

local err = ffi.new("loam_error")

--- Returns {try(request) -> boolean, remember(name, id)}. options: db, store, shared, names
--- (admission: the text for host_admit, "" = everything), count(status) = called for each answer.
function fast.new(options)
  local db, shared, count = options.db, options.shared, options.count
  local names, names_size = options.names, #options.names
  local buckets, bucket_count = {}, 0
  local epoch = shared.bucket_epoch

  local function forget()
    buckets, bucket_count = {}, 0
    epoch = shared.bucket_epoch
  end

  -- Returns the remembered bucket of a path, or nil.
  local function bucket_of(path, path_size)
    for at = 1, bucket_count do
      local bucket = buckets[at]
      local size = bucket.size
      if path_size >= PREFIX_SIZE + size and path[size + 7] == 47
        and C.memcmp(path + 7, bucket.name, size) == 0 then
        return bucket
      end
    end
  end

  local function try(request)
    local method = request.method
    if method > 2 or request.has_query ~= 0 then
      return false
    end
    local path, path_size = request.path, request.path_size
    if path_size < PREFIX_SIZE + 1 then
      return false
    end
    if ffi.cast(u32_pointer, path)[0] ~= FIRST or ffi.cast(u32_pointer, path + 3)[0] ~= SECOND then
      return false
    end
    if epoch ~= shared.bucket_epoch then
      forget()
    end
    local bucket = bucket_of(path, path_size)
    if not bucket or names_size > 0 and C.host_admit(request, names, names_size) ~= 0 then
      return false
    end
    local skip = PREFIX_SIZE + bucket.size
    local status = C.host_send_value(request, db, bucket.id, path + skip, path_size - skip, 0, err)
    if status < 0 then
      return false
    end
    count(status)
    return true
  end

  local function remember(name, id)
    if epoch ~= shared.bucket_epoch then
      forget()
    end
    if bucket_count < REMEMBERED_MAX then
      bucket_count = bucket_count + 1
      -- The name stays alive in its own memory: C compares it.
      local bytes = ffi.new("char[?]", #name + 1)
      ffi.copy(bytes, name)
      buckets[bucket_count] = { name = bytes, size = #name, id = id }
    end
  end

  return { try = try, remember = remember }
end

return fast
