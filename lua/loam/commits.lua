-- Commits and slow calls that finish later: what handlers wait for.
--
-- A write goes to the engine's queue; what is not committed at once comes back through the worker's
-- completion queue, whose descriptor is in the poll loop. A slow call goes to core/host/tasks.c and
-- comes back with a WAKE. Both wake the handler's task with the result. Where nothing can wait (a
-- coroutine of the user's own, loading app.lua) the call blocks instead, with the same result.
-- Thread: the worker's.
local batches = require "loam.batches"
local fast_put = require "loam.fast_put"
local ffi = require "ffi"
local C = require "loam.native"
local scheduler = require "loam.scheduler"
local store = require "loam.store"

local commits = {}
local methods = {}
local metatable = { __name = "commits", __index = methods }
local TAKE_MAX = 64
local TAG_BASE = fast_put.TAG_BASE

local hung = ffi.new("loam_completion") -- What becomes of a commit that nobody waits for any more.
local err = ffi.new("loam_error")
local outcome = ffi.new("loam_outcome")

--- Opens the worker's queue. Raises when the engine refuses.
---@param worker ffi.cdata*  struct host_worker
---@param db ffi.cdata*
function commits.open(worker, db)
  local out = ffi.new("loam_completions *[1]")
  if C.loam_completions_open(db, out, err) ~= 0 then
    error(ffi.string(err.text), 0)
  end
  return setmetatable({
    _worker = worker,
    _db = db,
    _queue = out[0],
    _taken = ffi.new("loam_completion[?]", TAKE_MAX),
    _waiting = {},
    _lent = {}, -- Tag of a commit -> the batch that the engine reads until it is taken.
    _until_ms = {}, -- Tag of a commit -> when its handler is told that the disk hangs.
    _next_tag = 0,
    pending = 0,
  }, metatable)
end

--- The queue, for loam.fast_put; what it has submitted comes back to finish_put(completion, slot).
function methods:queue()
  return self._queue
end

--- The descriptor that becomes readable when commits have finished.
function methods:fd()
  return C.loam_completions_fd(self._queue)
end

local function next_tag(self)
  self._next_tag = self._next_tag + 1
  return self._next_tag
end

-- Waits for a tag; what it is woken with is the result.
local function wait_for(self, tag)
  self._waiting[tag] = scheduler.current()
  self.pending = self.pending + 1
  local result, detail, more = scheduler.wait()
  self.pending = self.pending - 1
  return result, detail, more
end

-- Submits or blocks. is_lent: the batch is not copied. Returns the code, and the outcome and error
-- that belong to it, to be read at once; fourth, whether the engine has not given the batch back:
-- take() frees it then.
function methods:commit(batch, how, is_lent)
  if not scheduler.can_wait() then
    return C.loam_write(self._db, batch, how, outcome, err), outcome, err
  end
  scheduler.check()
  local tag = next_tag(self)
  local code = is_lent and C.loam_submit_lent(self._queue, batch, how, tag, outcome, err)
    or C.loam_submit(self._queue, batch, how, tag, outcome, err)
  if code ~= 0 then
    return code, outcome, err
  end
  self._lent[tag] = is_lent and batch or nil
  if how ~= nil and how.deadline_ms > 0 then
    self._until_ms[tag] = C.host_monotonic_ms() + store.patience_ms(how.deadline_ms)
  end
  local completion = wait_for(self, tag)
  return completion.code, completion.outcome, completion.error, self._lent[tag] ~= nil
end

-- A commit has ended that nobody waits for any more.
local function drop(completion, lent)
  C.loam_buffer_free(completion.outcome.previous)
  if lent then
    batches.free(lent)
  end
end

--- Takes what has finished and lets those handlers go on.
function methods:take()
  repeat
    local taken = self._taken
    local count = tonumber(C.loam_completions_take(self._queue, taken, TAKE_MAX))
    for at = 0, count - 1 do
      local tag = tonumber(taken[at].tag)
      if tag >= TAG_BASE then
        self.finish_put(taken[at], tag - TAG_BASE)
      else
        local task, lent = self._waiting[tag], self._lent[tag]
        self._waiting[tag], self._until_ms[tag], self._lent[tag] = nil, nil, nil
        if task then
          scheduler.wake(task, taken[at])
        else
          drop(taken[at], lent)
        end
      end
    end
  until count < TAKE_MAX
end

--- Tells handlers whose commit has been at the disk for too long that its outcome is unknown.
function methods:give_up(now_ms)
  for tag, until_ms in pairs(self._until_ms) do
    if now_ms > until_ms then
      local task = self._waiting[tag]
      self._waiting[tag], self._until_ms[tag] = nil, nil
      hung.code = store.hung(hung.error)
      scheduler.wake(task, hung)
    end
  end
end

--- Makes a slow call; returns the finished task.
function methods:task(task)
  if not scheduler.can_wait() then
    C.host_task_run(self._db, task)
    return task
  end
  scheduler.check()
  task.tag = next_tag(self)
  if C.host_task_submit(self._worker, task, err) ~= 0 then
    C.host_task_run(self._db, task)
    return task
  end
  return wait_for(self, tonumber(task.tag))
end

--- Takes finished slow calls and lets those handlers go on.
function methods:take_tasks()
  while true do
    local task = ffi.new("struct host_task")
    if C.host_task_take(self._worker, task) == 0 then
      return
    end
    local waiting = self._waiting[tonumber(task.tag)]
    self._waiting[tonumber(task.tag)] = nil
    scheduler.wake(waiting, task)
  end
end

--- The waiter of loam.store.
function methods:store_waiter()
  return {
    commit = function(_, batch, how)
      local code, result, detail, is_lent = self:commit(batch, how, true)
      return store.outcome_of(code, detail, result), is_lent
    end,
    task = function(_, task)
      return self:task(task)
    end,
  }
end

local TASK_KINDS = { flush = 1, sync = 2, bucket = 3, drop_bucket = 4, content_type = 5,
  compact = 6 }

--- The waiter of `kv`: same calls, as bindings/kv/wait.lua wants them.
function methods:kv_waiter(sleep)
  return {
    can_wait = scheduler.can_wait,
    sleep = sleep,
    turn = scheduler.give_way,
    write = function(_, batch, how)
      return self:commit(batch, how)
    end,
    call = function(_, kind, name, options)
      local task = ffi.new("struct host_task")
      task.kind = TASK_KINDS[kind]
      if name and #name < ffi.sizeof(task.name) then
        task.name_size = #name
        ffi.copy(task.name, name)
      end
      if options ~= nil then
        ffi.copy(task.bucket_options, options, ffi.sizeof("loam_bucket_options"))
      end
      task = self:task(task)
      if kind == "bucket" or kind == "drop_bucket" then
        C.host_buckets_changed(C.host_worker_host(self._worker))
      end
      local result
      if kind == "bucket" then
        result = task.bucket
      elseif kind == "content_type" then
        result = task.content_type
      elseif kind == "compact" then
        result = tonumber(task.job)
      end
      return task.code, result, task.error
    end,
  }
end

--- Ends the queue; commits that nobody took are lost to their handlers, not to the store.
function methods:close()
  local deadline = C.host_monotonic_ms() + 10000
  while C.loam_completions_close(self._queue, err) == C.LOAM_BUSY do
    C.loam_completions_take(self._queue, self._taken, TAKE_MAX)
    if C.host_monotonic_ms() > deadline then
      for _, batch in pairs(self._lent) do
        ffi.gc(batch, nil) -- The engine may still read it.
      end
      return
    end
  end
end

return commits
