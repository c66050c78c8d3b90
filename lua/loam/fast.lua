-- The built-in GET of a plain key, without making a Lua string.
--
-- worker.lua offers every request here first. What is not a GET or HEAD of /v1/kv/<known
-- bucket>/<key> without a query, or what the engine cannot answer plainly, goes the general way.
-- The path is compared in C memory and the value goes from the engine's block to the socket in C,
-- so a run of such requests stays in one JIT trace.
local ffi = require "ffi"
local gate = require "loam.gate"
local known_buckets = require "loam.known_buckets"
local C = require "loam.native"

local fast = {}
local PREFIX_SIZE = known_buckets.PREFIX_SIZE
local HEAD = 2 -- GET is 1.
local READ = gate.READ

local err = ffi.new("loam_error")
local sending = ffi.new("struct host_sending", { is_encoded = 1, etag = C.HOST_ETAG_SEQ })

--- Returns try(request) -> boolean. options: db, buckets (loam.known_buckets), names (admission:
--- the text for host_admit), count(status) = called for each answer, allows(request, right) of
--- loam.gate or nil.
function fast.new(options)
  local db, find, count = options.db, options.buckets.find, options.count
  local names, names_size, allows = options.names, #options.names, options.allows

  return function(request)
    if request.method > HEAD or request.has_query ~= 0 then
      return false
    end
    local path, path_size = request.path, request.path_size
    local bucket = find(path, path_size)
    if not bucket or C.host_admit(request, names, names_size) ~= 0
      or allows and not allows(request, READ) then
      return false
    end
    local skip = PREFIX_SIZE + bucket.size
    local status = C.host_send_value(request, db, bucket.id, path + skip, path_size - skip,
      sending, err)
    if status < 0 then
      return false
    end
    count(status)
    return true
  end
end

return fast
