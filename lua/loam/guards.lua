-- Gives a worker its gate (loam.gate) and its notes (loam.notes), as the configuration asks, and
-- keeps them up to date. Called by loam.worker.
local gate = require "loam.gate"
local log = require "loam.log"
local C = require "loam.native"
local notes = require "loam.notes"

local guards = {}

--- Sets worker.gate and worker.notes, nil where nothing is asked for. Raises one line.
function guards.open(worker)
  local values = worker.config
  local opened, message = notes.open(values)
  worker.notes = opened
  if not message then
    worker.gate, message = gate.open { tokens = values.tokens, admin_listen = values.admin_listen,
      failures_max = values.auth_failures_max, shared = worker.shared,
      logins = C.host_logins_of(worker.host),
      audit = worker.notes and function(...) worker.notes:audit(...) end }
  end
  if message then
    error(message, 0)
  end
end

--- Reads the tokens again when their file is another one. What cannot be read changes nothing.
function guards.refresh(worker, is_forced)
  local is_changed, message = worker.gate:reload(is_forced)
  if message then
    log.error("the old tokens stay:", message)
  elseif is_changed then
    log.info("loaded", worker.gate.path)
  end
end

--- What SIGHUP asks for: tokens again, log files anew.
function guards.reload(worker)
  if worker.gate then
    guards.refresh(worker, true)
  end
  if worker.notes then
    worker.notes:reopen()
  end
end

--- Takes from a request what its notes need, before its answer ends the handle.
function guards.start(worker, req)
  if worker.notes then
    worker.notes:start(req)
  end
end

--- Counts and writes down a request that was answered.
function guards.settle(worker, req, route, status, bytes)
  worker.calls:remove(req)
  local seconds = (C.host_monotonic_ms() - req.started_ms) / 1000
  worker.count(route, req.method, status, seconds)
  if worker.notes then
    worker.notes:finish(req, route, status, seconds, bytes)
  end
end

--- Writes what the turn of the poll loop has added to the logs.
function guards.flush(worker)
  if worker.notes then
    worker.notes:take_refused(worker.http)
    worker.notes:flush()
  end
end

--- Ends the logs.
function guards.close(worker)
  if worker.notes then
    worker.notes:close()
  end
end

return guards
