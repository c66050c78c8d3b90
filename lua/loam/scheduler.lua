-- Runs handlers in pooled coroutines, so that one that must wait lets the others go on.
--
--     scheduler.spawn(fn, a, b, c)     -- from the poll loop: runs fn until it ends or waits
--     local result = scheduler.wait()  -- in fn: gives control back; returns what wake() is given
--     scheduler.wake(task, result)     -- from the poll loop: fn goes on
--
-- A coroutine that has ended its work waits in the pool for the next; a handler that never waits
-- costs one resume. User code may run coroutines of its own inside a task: those cannot wait here
-- (their yield would reach the user's resume), so can_wait() says no and callers block instead.
local protected_call = require "loam.protected_call"

local scheduler = {}
local PARKED = {} -- What a coroutine yields between two pieces of work.
local POOL_MAX = 1024

local pool, pool_size = {}, 0
local current
local ready = {} -- Tasks that gave way and go on after the batch.

local function body(fn, a, b, c)
  while true do
    protected_call("task", fn, a, b, c)
    fn, a, b, c = coroutine.yield(PARKED)
  end
end

local function step(task, a, b, c, d)
  local before = current
  current = task
  local is_ok, what = coroutine.resume(task, a, b, c, d)
  current = before
  if not is_ok then
    error(what, 0) -- body() catches everything: this is a mistake of ours.
  end
  if what == PARKED and pool_size < POOL_MAX then
    pool_size = pool_size + 1
    pool[pool_size] = task
  end
end

--- Runs fn(a, b, c) as a task until it ends or waits.
function scheduler.spawn(fn, a, b, c)
  local task
  if pool_size > 0 then
    task = pool[pool_size]
    pool[pool_size] = nil
    pool_size = pool_size - 1
  else
    task = coroutine.create(body)
  end
  step(task, fn, a, b, c)
end

--- The running task, nil outside.
function scheduler.current()
  return current
end

--- Says whether wait() may be called here.
---@return boolean
function scheduler.can_wait()
  return current ~= nil and coroutine.running() == current
end

--- Waits until wake() is called for this task; returns its arguments.
function scheduler.wait()
  assert(scheduler.can_wait(), "nothing to wait in")
  return coroutine.yield()
end

--- Lets a waiting task go on.
function scheduler.wake(task, a, b, c)
  step(task, a, b, c)
end

--- Lets everybody else have a turn: long work calls it now and then.
function scheduler.give_way()
  if scheduler.can_wait() then
    ready[#ready + 1] = current
    coroutine.yield()
  end
end

--- Says whether tasks gave way: the poll loop then must not sleep.
function scheduler.has_ready()
  return #ready > 0
end

--- Lets those go on that gave way before this call.
function scheduler.run_ready()
  local list = ready
  ready = {}
  for at = 1, #list do
    step(list[at])
  end
end

return scheduler
