-- Background jobs: compactions and what else runs for long.
local clock = require "kv.clock"
local errors = require "kv.errors"
local ffi = require "ffi"
local handles = require "kv.handles"
local kv = require "kv.root"
local lib = require "kv.lib"
local wait = require "kv.wait"

local job = {}
local C = lib.C
local err = errors.scratch
local info = ffi.new("loam_job_info")
local LIST_SIZE_MAX = 64
local POLL_SECONDS = 0.02
local PROGRESS_MS = 100

local STATES = {
  [C.LOAM_JOB_RUNNING] = "running", [C.LOAM_JOB_DONE] = "done", [C.LOAM_JOB_FAILED] = "failed",
  [C.LOAM_JOB_CANCELLED] = "cancelled",
}

---@class kv.job
---@field id number
local methods = {}
local metatable = { __name = "kv.job", __index = methods }
local describe

--- A loam_job_info as a table.
---@param from ffi.cdata*
---@return table
function job.describe(from)
  local finished_at_ms = tonumber(from.finished_at_ms)
  return {
    id = tonumber(from.id),
    kind = ffi.string(from.kind),
    state = STATES[from.state],
    code = from.code ~= 0 and lib.codes[from.code] or nil,
    text = ffi.string(from.text),
    bytes_done = tonumber(from.bytes_done),
    bytes_total = tonumber(from.bytes_total),
    started_at = tonumber(from.started_at_ms) / 1000,
    finished_at = finished_at_ms > 0 and finished_at_ms / 1000 or nil,
  }
end

describe = job.describe

-- Returns the loam_db of a job's database or raises.
local function pointer(self, call)
  if type(self) ~= "table" or not self._db then
    errors.misuse("%s is a method: call it with a colon, job:%s(...)", call, call)
  end
  return handles.pointer(self._db, call)
end

--- Makes the object of a job id.
---@param db kv.database
---@param id number
---@return kv.job
function job.new(db, id)
  return setmetatable({ id = id, _db = db }, metatable)
end

--- Returns what is known of the job: id, kind, state, code, text, bytes_done, bytes_total,
--- started_at, finished_at.
---@return table? info, kv.error? err, string? code
function methods:info()
  local rc = C.loam_job_get(pointer(self, "info"), self.id, info, err)
  if rc ~= 0 then
    return errors.failure(rc)
  end
  return describe(info)
end

--- What an ended job gives to who waits: its info, or nil, err, CODE.
---@param found table
function job.result(found)
  if found.state == "done" then
    return found
  elseif found.state == "cancelled" then
    return errors.refuse("CANCELLED", "job %d was cancelled", found.id)
  end
  return errors.refuse(found.code or "IO", "%s", found.text)
end

local ended = job.result

-- A handler of a host passes the time asleep.
local function wait_asleep(self, timeout_ms)
  local deadline = timeout_ms > 0 and clock.monotonic() + timeout_ms or math.huge
  while true do
    local found, failure, code = self:info()
    if not found then
      return nil, failure, code
    elseif found.state ~= "running" then
      return ended(found)
    elseif clock.monotonic() >= deadline then
      return errors.refuse("TIMEOUT", "job %d still runs after %d ms", self.id, timeout_ms)
    end
    kv.waiter.sleep(POLL_SECONDS)
  end
end

--- Waits for the end and returns the info. A failed or cancelled job gives nil, err, CODE.
---@param timeout_ms? number  none or 0 = no limit
---@return table? info, kv.error? err, string? code
function methods:wait(timeout_ms)
  local p = pointer(self, "wait")
  if timeout_ms ~= nil and not (type(timeout_ms) == "number" and timeout_ms >= 0) then
    errors.misuse("wait: timeout_ms is a number of at least 0, got %s", tostring(timeout_ms))
  end
  timeout_ms = math.min(math.floor(timeout_ms or 0), 0xffffffff)
  if wait.has("sleep") then
    return wait_asleep(self, timeout_ms)
  end
  local rc = C.loam_job_wait(p, self.id, timeout_ms, info, err)
  self._db:_deliver_log()
  if rc ~= 0 then
    return errors.failure(rc)
  end
  return ended(describe(info))
end

--- Waits for the end as wait() does, and calls on_progress(info) about ten times a second. When
--- that returns false, or raises, the job is cancelled.
---@param on_progress fun(info: table): boolean?
---@return table? info, kv.error? err, string? code
function methods:follow(on_progress)
  if type(on_progress) ~= "function" then
    errors.misuse("follow: takes a function, got %s", errors.what_came(on_progress))
  end
  while true do
    local found, failure, code = self:wait(PROGRESS_MS)
    if found or code ~= "TIMEOUT" then
      return found, failure, code
    end
    found, failure, code = self:info()
    if not found then
      return nil, failure, code
    end
    local is_ok, goes_on = pcall(on_progress, found)
    if not is_ok or goes_on == false then
      self:cancel()
    end
    if not is_ok then
      self:wait()
      error(goes_on, 0)
    end
  end
end

--- Asks the job to stop.
---@return boolean? is_asked, kv.error? err, string? code
function methods:cancel()
  local rc = C.loam_job_cancel(pointer(self, "cancel"), self.id, err)
  if rc ~= 0 then
    return errors.failure(rc)
  end
  return true
end

function metatable.__tostring(self)
  return ("kv.job(%d)"):format(self.id)
end

--- Returns the infos of the latest jobs, newest first.
---@param db kv.database
---@return table[]
function job.list(db)
  local p = handles.pointer(db, "jobs")
  local infos = ffi.new("loam_job_info[?]", LIST_SIZE_MAX)
  local count = tonumber(C.loam_job_list(p, infos, LIST_SIZE_MAX))
  local list = {}
  for index = 1, count do
    list[index] = describe(infos[index - 1])
  end
  return list
end

return job
