-- Counts failed log-ins per address, over all workers (core/host/logins.c).
--
-- The table has a fixed size, so a flood from many addresses makes it forget and never grow. An
-- IPv6 address counts as its /64, of which one customer has all.
local ffi = require "ffi"
local C = require "loam.native"

local failed_logins = {}
local methods = {}
local metatable = { __name = "failed_logins", __index = methods }

--- Counts up to `limit` failures per minute; 0 = no limit. logins: what host_logins_of() gives; a
--- table of its own without it.
function failed_logins.new(limit, logins)
  if logins == nil then
    logins = ffi.gc(C.host_logins_open(), C.host_logins_close)
  end
  return setmetatable({ limit = limit, _logins = logins }, metatable)
end

-- The groups of one side of "::".
local function groups_of(text)
  local groups = {}
  for group in text:gmatch("%x+") do
    groups[#groups + 1] = group
  end
  return groups
end

--- "127.0.0.1:4711" -> "127.0.0.1"; "[2001:db8::1]:80" -> "2001:db8:0:0", the /64.
---@param peer string
---@return string
function failed_logins.address_of(peer)
  local v6 = peer:match("^%[([^%]]+)%]")
  if not v6 then
    return peer:match("^(.*):%d+$") or peer
  elseif v6:find(".", 1, true) then
    return v6 -- An IPv4 address in the clothes of IPv6.
  end
  local left, right = v6:match("^(.-)::(.*)$")
  local first, last = groups_of(left or v6), groups_of(right or "")
  local groups = {}
  for at = 1, 4 do
    groups[at] = first[at] or last[at - (8 - #last)] or "0"
  end
  return table.concat(groups, ":")
end

--- Counts one failure. Returns how many there were, this one included, and whether that is above
--- the limit.
---@param peer string
---@param now_ms number
function methods:add(peer, now_ms)
  if self.limit == 0 then
    return 0, false
  end
  local address = failed_logins.address_of(peer)
  local count = C.host_logins_add(self._logins, address, #address, now_ms)
  return count, count > self.limit
end

return failed_logins
