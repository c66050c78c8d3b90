-- Counts failed log-ins per address, in a bounded table.
--
-- Two tables take turns: the one of this minute and the one before. Each holds at most so many
-- addresses, so a flood from many makes it forget early and never grow. An IPv6 address counts as
-- its /64, of which one customer has all. Each worker counts for itself.
local failed_logins = {}
local methods = {}
local metatable = { __name = "failed_logins", __index = methods }
local WINDOW_MS = 60000
local ADDRESSES_MAX = 4096

--- Counts up to `limit` failures per minute; 0 = no limit.
function failed_logins.new(limit)
  return setmetatable({ _limit = limit, _now = {}, _before = {}, _count = 0, _since_ms = 0 },
    metatable)
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

local function turn(self, now_ms)
  if now_ms - self._since_ms >= WINDOW_MS or self._count >= ADDRESSES_MAX then
    local is_old = now_ms - self._since_ms >= 2 * WINDOW_MS
    self._before = is_old and {} or self._now
    self._now, self._count, self._since_ms = {}, 0, now_ms
  end
end

--- Counts one failure. Returns how many there were, this one included, and whether that is above
--- the limit.
---@param peer string
---@param now_ms number
function methods:add(peer, now_ms)
  if self._limit == 0 then
    return 0, false
  end
  turn(self, now_ms)
  local address = failed_logins.address_of(peer)
  local found = self._now[address]
  if not found then
    self._count = self._count + 1
  end
  self._now[address] = (found or 0) + 1
  -- What is left of the minute before counts by its share in the sliding minute.
  local share = math.max(0, 1 - (now_ms - self._since_ms) / WINDOW_MS)
  local count = self._now[address] + (self._before[address] or 0) * share
  return count, count > self._limit
end

return failed_logins
