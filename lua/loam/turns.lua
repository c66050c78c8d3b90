-- What each worker is at, and which one does not come back to its poll.
--
-- A worker writes when it left its poll and whose handler runs into a struct of core/host; any
-- other thread reads it. A handler that only computes cannot be seen otherwise: compiled loops ask
-- nobody, and neither does C that hangs. Who looks: the main thread (loam.watch) and the routes of
-- loam.routes.health.
local ffi = require "ffi"
local log = require "loam.log"
local C = require "loam.native"

local turns = {}
local WHAT_SIZE = 100

local function write(turn, serial, text, size)
  turn.serial, turn.step_ms = serial, C.host_monotonic_ms()
  turn.size = math.min(size, WHAT_SIZE)
  ffi.copy(turn.what, text, turn.size)
end

--- Returns the function that writes down what goes on: a request, a few words, or nil.
---@param turn ffi.cdata*  struct host_turn
function turns.writer(turn)
  return function(subject)
    turn.step = turn.step + 1
    if subject == nil then
      turn.serial, turn.size = 0, 0
    elseif type(subject) == "string" then
      write(turn, 0, subject, #subject)
    else
      local p = subject._p
      if p.generation == subject._generation then
        write(turn, p.serial, p.target, p.target_size)
      end
    end
  end
end

-- What a worker is at, in words.
local function words(host, index, turn)
  local text = log.escape(ffi.string(turn.what, math.min(turn.size, WHAT_SIZE)))
  if turn.serial == 0 then
    return text ~= "" and text or "the server itself"
  end
  local prefix = ffi.string(C.host_worker_prefix(host, index))
  return ("%s (request %s-%.0f)"):format(text, prefix, turn.serial)
end

--- The workers that have not been at their poll for so long: a list of {worker, ms, what}.
function turns.stalled(host, worker_count, least_ms)
  local found, now_ms = {}, C.host_monotonic_ms()
  for index = 1, worker_count do
    local turn = C.host_turn(host, index)
    local since_ms = turn.since_ms
    if since_ms > 0 and now_ms - since_ms >= least_ms then
      found[#found + 1] = { worker = index, ms = now_ms - since_ms,
        what = words(host, index, turn) }
    end
  end
  return found
end

--- Ends what the user's code of a worker is at, when that has taken so long: see host_interrupt().
--- Again and again, until it is at something else.
function turns.interrupt(host, worker_count, most_ms)
  local now_ms = C.host_monotonic_ms()
  for index = 1, worker_count do
    local turn = C.host_turn(host, index)
    local step = turn.step
    if turn.since_ms > 0 and turn.size > 0 and now_ms - turn.step_ms >= most_ms
      and turn.step == step then
      C.host_interrupt(host, index, step)
    end
  end
end

return turns
