-- What a worker does every so often: looks for commits at a disk that hangs, takes the engine's
-- log, looks whether files have changed. Called by loam.worker.
local ffi = require "ffi"
local guards = require "loam.guards"
local log = require "loam.log"
local C = require "loam.native"

local chores = {}
local DEV_INTERVAL_MS = 300
local LOG_INTERVAL_MS = 500
local LOG_LINES = 32
local LOG_LEVELS_MAX = 3
local TOKENS_INTERVAL_MS = 500
local DEADLINES_INTERVAL_MS = 500

local lines = ffi.new("loam_log_line[?]", LOG_LINES)

--- Writes what the engine has to tell.
function chores.take_log(worker)
  local count = tonumber(C.loam_log_take(worker.db, lines, LOG_LINES))
  for at = 0, count - 1 do
    local line = lines[at]
    local level = math.min(math.max(line.level, 0), LOG_LEVELS_MAX)
    log.write(level, ffi.string(line.text), { from = "engine" }, tonumber(line.at_ms))
  end
end

-- A disk that hangs finishes nothing that would wake us, and deadlines pass all the same.
local function take_stalled(worker)
  if worker.commits.pending + worker.fast_put.pending() > 0 then
    worker.commits:take()
    local now_ms = C.host_monotonic_ms()
    worker.commits:give_up(now_ms)
    worker.fast_put.give_up(now_ms)
  end
end

local function every(worker, interval_ms, fn)
  local function again()
    fn()
    if not worker.is_draining then
      worker.timers:start(interval_ms, again)
    end
  end
  worker.timers:start(interval_ms, again)
end

--- Starts them. watch_app() is called where app.lua may change.
function chores.start(worker, watch_app)
  every(worker, DEADLINES_INTERVAL_MS, function() take_stalled(worker) end)
  if worker.index == 1 then
    every(worker, LOG_INTERVAL_MS, function() chores.take_log(worker) end)
  end
  if worker.gate and worker.gate.path then
    every(worker, TOKENS_INTERVAL_MS, function() guards.refresh(worker) end)
  end
  if worker.config.dev and worker.config.app then
    every(worker, DEV_INTERVAL_MS, watch_app)
  end
end

return chores
