-- Runs handlers in pooled coroutines, so that one that must wait lets the others go on.
--
--     scheduler.spawn(fn, a, b, c)     -- from the poll loop: runs fn until it ends or waits
--     local result = scheduler.wait()  -- in fn: gives control back; returns what wake() is given
--     scheduler.wake(task, result)     -- from the poll loop: fn goes on
--
-- A task can be told to end (kill): the wait that it is in, or its next one, raises. One that
-- catches this gets no further than its next wait: it is left there for ever, and abandon() does
-- what is left to do. A wait without `detach` is not broken off: its result has an owner only here.
--
-- A coroutine that has ended its work waits in the pool for the next; a handler that never waits
-- costs one resume. User code may run coroutines of its own inside a task: those cannot wait here
-- (their yield would reach the user's resume), so can_wait() says no and callers block instead.
local protected_call = require "loam.protected_call"

local scheduler = {}
local PARKED = {} -- What a coroutine yields between two pieces of work.
local ABANDONED = {} -- What it yields the last time, when nobody will resume it.
local POOL_MAX = 1024

local pool, pool_size = {}, 0
local current
local ready = {} -- Tasks that gave way and go on after the batch.
local ends = {} -- Task that is to end -> {problem, abandon, is_told}.
local detachers = {} -- Task -> what takes it out of what it waits for.

local subjects = {} -- Task -> what it is busy with.
local announce = function() end

local function body(fn, a, b, c)
  while true do
    protected_call("task", fn, a, b, c)
    fn, a, b, c = coroutine.yield(PARKED)
  end
end

local function step(task, a, b, c, d)
  local before = current
  current = task
  announce(subjects[task])
  local is_ok, what = coroutine.resume(task, a, b, c, d)
  current = before
  announce(subjects[before or false])
  if not is_ok then
    error(what, 0) -- body() catches everything: this is a mistake of ours.
  end
  if what == PARKED then
    ends[task], subjects[task] = nil, nil
    if pool_size < POOL_MAX then
      pool_size = pool_size + 1
      pool[pool_size] = task
    end
  elseif what == ABANDONED then
    ends[task], subjects[task] = nil, nil
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

--- Lets fn(subject) know what goes on from now: what a task has said to be busy with, nil between
--- tasks.
function scheduler.watch(fn)
  announce = fn
end

--- Says what the running task is busy with until it ends.
function scheduler.set_subject(subject)
  subjects[current] = subject
  announce(subject)
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

--- Raises when the running task is to end. Long work calls it now and then.
function scheduler.check()
  local task = current
  local told = ends[task]
  if not told or coroutine.running() ~= task then
    return
  elseif not told.is_told then
    told.is_told = true
    error(told.problem, 0)
  end
  told.abandon()
  coroutine.yield(ABANDONED)
end

local function woken(task, detach, ...)
  detachers[task] = nil
  if detach and ends[task] then
    scheduler.check()
  end
  return ...
end

--- Waits until wake() is called for this task; returns its arguments. detach(), when given, sees to
--- it that wake() will not be called any more; then kill() can break the wait off.
---@param detach? function
function scheduler.wait(detach)
  assert(scheduler.can_wait(), "nothing to wait in")
  local task = current
  if detach and ends[task] then
    detach()
    scheduler.check()
  end
  detachers[task] = detach
  return woken(task, detach, coroutine.yield())
end

--- Lets a task end: `problem` is raised in it, now when it waits and can be detached, else at its
--- next wait or check. abandon() is called in its place when it goes on all the same. Not from the
--- task itself.
---@param task thread
---@param problem any
---@param abandon function
function scheduler.kill(task, problem, abandon)
  if ends[task] then
    return
  end
  ends[task] = { problem = problem, abandon = abandon }
  local detach = detachers[task]
  if detach then
    detachers[task] = nil
    detach()
    step(task)
  end
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
    scheduler.check()
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
