-- Timers of a worker: sleep() of handlers, every() and after() of app.lua.
--
-- core/http counts the time and gives one TIMER event per timer; here its number leads to what is
-- to be done. Callbacks run as tasks, so they may wait; a repeated one is started again when it has
-- ended, so it never overlaps itself. Thread: the worker's.
local C = require "loam.native"
local protected_call = require "loam.protected_call"
local scheduler = require "loam.scheduler"

local timers = {}
local methods = {}
local metatable = { __name = "timers", __index = methods }
local DELAY_MAX_MS = 2147483000

--- Timers of an http_worker.
function timers.new(http)
  return setmetatable({ _http = http, _actions = {} }, metatable)
end

--- Calls action() from the poll loop after delay_ms. Returns the timer's number.
function methods:start(delay_ms, action)
  delay_ms = math.min(math.max(0, math.ceil(delay_ms)), DELAY_MAX_MS)
  local id = C.http_timer_start(self._http, delay_ms)
  if id < 0 then
    error("no memory for a timer", 0)
  end
  self._actions[id] = action
  return id
end

--- Stops a timer; one that fired already is left alone.
function methods:stop(id)
  if self._actions[id] then
    self._actions[id] = nil
    C.http_timer_stop(self._http, id)
  end
end

--- Handles a TIMER event.
function methods:fire(id)
  local action = self._actions[id]
  self._actions[id] = nil
  if action then
    action()
  end
end

--- Lets `seconds` pass for the running task.
function methods:sleep(seconds)
  if not scheduler.can_wait() then
    error("sleep works in handlers and timers, not in coroutines of your own", 2)
  end
  local task = scheduler.current()
  local id = self:start(seconds * 1000, function()
    scheduler.wake(task)
  end)
  scheduler.wait(function() self:stop(id) end)
end

--- Starts what app.every and app.after declared. Returns a function that stops them all.
---@param list table[]  {seconds, fn, is_repeated}
function methods:run_all(list)
  local is_stopped = false
  local ids = {}
  local function start(at, timer)
    ids[at] = self:start(timer.seconds * 1000, function()
      ids[at] = nil
      scheduler.spawn(function()
        scheduler.set_subject("a timer of app.lua")
        local _ = not is_stopped and timers.call(timer)
        if timer.is_repeated and not is_stopped then
          start(at, timer)
        end
      end)
    end)
  end
  for at, timer in ipairs(list) do
    start(at, timer)
  end
  return function()
    is_stopped = true
    for _, id in pairs(ids) do
      self:stop(id)
    end
  end
end

--- Calls the function of a declared timer; its error is logged.
function timers.call(timer)
  return protected_call("timer", timer.fn)
end

return timers
