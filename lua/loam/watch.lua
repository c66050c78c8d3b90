-- Tells of workers that do not come back to their poll: once when it begins, again whenever that
-- has lasted twice as long, and when it is over. Called by loam.server between two looks at
-- signals, in the main thread, which no handler can hold up.
local log = require "loam.log"

local watch = {}
local methods = {}
local metatable = { __name = "watch", __index = methods }
local ADVICE = "Its other requests wait. A handler that only computes gives others a turn by "
  .. "app.sleep(0), or is ended by the option handler_ms"

--- stalled() gives what loam.turns says; on_stall() is called once for each stall.
function watch.new(stalled, on_stall)
  return setmetatable({ _stalled = stalled, _on_stall = on_stall, _told = {} }, metatable)
end

local function tell(self, one)
  local told = self._told[one.worker]
  if not told then
    told = { next_ms = 0 }
    self._told[one.worker] = told
    self._on_stall()
  end
  told.last_ms = one.ms
  if one.ms >= told.next_ms then
    told.next_ms = 2 * one.ms
    log.error(("worker %d has not turned for %.1f s: %s. %s"):format(one.worker, one.ms / 1000,
      one.what, ADVICE))
  end
end

--- Looks once.
function methods:look()
  local is_stalled = {}
  for _, one in ipairs(self._stalled()) do
    is_stalled[one.worker] = true
    tell(self, one)
  end
  for worker, told in pairs(self._told) do
    if not is_stalled[worker] then
      self._told[worker] = nil
      log.warn(("worker %d turns again, after %.1f s or more"):format(worker,
        told.last_ms / 1000))
    end
  end
end

return watch
