-- The built-in PUT of a plain key: from the request to the commit queue and back without Lua
-- strings, tables or coroutines.
--
-- worker.lua offers PUT requests here; core/host/put.c says whether one is plain. The tag of a
-- commit is TAG_BASE plus the request's slot, which stays taken until the answer, so loam.commits
-- can give the completion back here. A commit that fails is answered in Lua.
local ffi = require "ffi"
local gate = require "loam.gate"
local known_buckets = require "loam.known_buckets"
local C = require "loam.native"

local fast_put = {}
local PREFIX_SIZE = known_buckets.PREFIX_SIZE
local PUT = 4
local WRITE = gate.WRITE
local SLOTS = 65536
local DURABILITIES = { sync = C.LOAM_SYNC, interval = C.LOAM_INTERVAL, os = C.LOAM_OS }

-- Tags of loam.commits count up from 1 and never get here.
fast_put.TAG_BASE = 2 ^ 52
local TAG_BASE = fast_put.TAG_BASE

local err = ffi.new("loam_error")

local function make_put(options)
  local put = ffi.new("struct host_put")
  put.queue = options.queue
  put.batch = options.batch
  put.commit.durability = DURABILITIES[options.config.durability]
  put.commit.deadline_ms = options.config.write_deadline_ms
  put.key_bytes_max = options.config.key_bytes_max
  put.value_bytes_max = options.config.value_bytes_max
  return put
end

--- Returns {try(request) -> boolean, finish(completion, slot), remember_type(name, id), pending()}.
--- options: queue, buckets, names, config, count(status), fail(request, generation, completion),
--- allows(request, right) of loam.gate or nil.
function fast_put.new(options)
  local batch = ffi.gc(C.loam_batch_new(), C.loam_batch_free)
  options.batch = batch
  local put = make_put(options)
  local find, count, fail = options.buckets.find, options.count, options.fail
  local names, names_size, allows = options.names, #options.names, options.allows
  local requests = ffi.new("struct http_request *[?]", SLOTS)
  local generations = ffi.new("uint32_t[?]", SLOTS)
  local pending = 0
  local type_name -- Keeps the memory behind put.type_name.

  local function try(request)
    local slot = request.slot
    if request.method ~= PUT or request.has_query ~= 0 or slot >= SLOTS then
      return false
    end
    local path, path_size = request.path, request.path_size
    local bucket = find(path, path_size)
    if not bucket or C.host_admit(request, names, names_size) ~= 0
      or allows and not allows(request, WRITE) then
      return false
    end
    local skip = PREFIX_SIZE + bucket.size
    put.bucket = bucket.id
    local generation = request.generation
    local status = C.host_put_submit(request, put, path + skip, path_size - skip, TAG_BASE + slot,
      err)
    if status < 0 then
      return false
    elseif status > 0 then
      count(status)
      return true
    end
    requests[slot] = request
    generations[slot] = generation
    pending = pending + 1
    return true
  end

  local function finish(completion, slot)
    pending = pending - 1
    local status = C.host_put_finish(requests[slot], generations[slot], completion)
    C.loam_buffer_free(completion.outcome.previous)
    if status < 0 then
      fail(requests[slot], generations[slot], completion)
    else
      count(status)
    end
  end

  local function remember_type(name, id)
    type_name = ffi.new("char[?]", #name + 1)
    ffi.copy(type_name, name)
    put.type_name, put.type_size, put.content_type = type_name, #name, id
  end

  return { try = try, finish = finish, remember_type = remember_type,
    pending = function() return pending, batch end }
end

return fast_put
