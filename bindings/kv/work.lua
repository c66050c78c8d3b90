-- Long calls whose report or progress is wanted - restore, repair, check, verification of a backup
-- - made by a thread of the library while this one waits or lets other handlers of a host run.
local errors = require "kv.errors"
local ffi = require "ffi"
local job = require "kv.job"
local kv = require "kv.root"
local lib = require "kv.lib"
local wait = require "kv.wait"

local work = {}
local C = lib.C
local POLL_MS = 100
local NAP_SECONDS = 0.02

-- Waits a little: blocking, or asleep where a host lets us.
local function pause(p, info)
  if wait.has("sleep") then
    kv.waiter.sleep(NAP_SECONDS)
    C.loam_work_wait(p, 0, info)
  else
    C.loam_work_wait(p, POLL_MS, info)
  end
end

-- on_progress may raise: the work is released all the same, which cancels it.
local function follow(p, on_progress)
  local info = ffi.new("loam_job_info")
  while true do
    pause(p, info)
    local found = job.describe(info)
    if found.state ~= "running" then
      return found
    elseif on_progress and on_progress(found) == false then
      C.loam_work_cancel(p)
    end
  end
end

local function report_of(p)
  local report = C.loam_work_report(p)
  return report.data ~= nil and ffi.string(report.data, report.size) or ""
end

--- Makes a call to its end. begin(out, err) starts it and returns a code. Returns the report, or
--- nil, err, CODE with the report in err.report.
---@param begin fun(out: ffi.cdata*, err: ffi.cdata*): number
---@param on_progress? fun(info: table): boolean?
---@return string? report, kv.error? err, string? code
function work.run(begin, on_progress)
  local out = ffi.new("loam_work *[1]")
  local rc = begin(out, errors.scratch)
  if rc ~= 0 then
    return errors.failure(rc)
  end
  local p = ffi.gc(out[0], C.loam_work_free)
  local is_ok, found = pcall(follow, p, on_progress)
  local report = is_ok and report_of(p)
  C.loam_work_free(ffi.gc(p, nil))
  if not is_ok then
    error(found, 0)
  end
  local _, failure, code = job.result(found)
  if failure then
    failure.report = report
    return nil, failure, code
  end
  return report
end

return work
