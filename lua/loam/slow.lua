-- Warnings of slow requests on the fast ways, which keep nothing of a request when it is answered.
--
--     local try = slow.watch_get(make_try, count, slow_ms)
--
-- Only with the option slow_log_ms: a GET then costs two looks at the clock and a copy of its
-- target more. PUTs are told by the group, as they are committed. loam.notes tells of all others.
local ffi = require "ffi"
local log = require "loam.log"
local C = require "loam.native"

local slow = {}
local TARGET_MAX = 512
local METHODS = { "GET", "HEAD" }

local id_text = ffi.new("char[64]")
local target = ffi.new("char[?]", TARGET_MAX)

local function warn(method, text, route, duration_ms, more)
  more.route, more.duration_ms = route, math.floor(duration_ms + 0.5)
  log.warn("slow request", method, log.escape(text), more)
end

--- Returns the try() that make_try(count) gives, with a warning of what took slow_ms.
function slow.watch_get(make_try, count, slow_ms)
  local last_status, prefix
  local try = make_try(function(status)
    last_status = status
    count(status)
  end)
  return function(request)
    if not prefix then
      local size = C.http_request_id(request, request.generation, id_text, 64)
      prefix = ffi.string(id_text, math.max(size, 0)):match("^%x+") or "gone"
    end
    local method, serial = request.method, request.serial
    local size = math.min(request.target_size, TARGET_MAX)
    ffi.copy(target, request.target, size)
    local started_ms = C.host_monotonic_ms()
    if not try(request) then
      return false
    end
    local duration_ms = C.host_monotonic_ms() - started_ms
    if duration_ms >= slow_ms then
      warn(METHODS[method], ffi.string(target, size), "kv_get", duration_ms,
        { status = last_status, request_id = ("%s-%.0f"):format(prefix, serial) })
    end
    return true
  end
end

--- Warns of a group of PUTs, while its requests are open.
---@param group ffi.cdata*  struct host_put_group *
function slow.warn_put(group, duration_ms)
  local request = group.requests[0]
  local size = C.http_request_id(request, group.generations[0], id_text, 64)
  local id = size > 0 and ffi.string(id_text, size) or "gone"
  local text = ffi.string(request.target, math.min(request.target_size, TARGET_MAX))
  warn("PUT", text, "kv_put", duration_ms, { request_id = id, group = tonumber(group.count) })
end

return slow
