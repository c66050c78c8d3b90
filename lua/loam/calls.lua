-- The requests that run now, in every worker, and how one is ended.
--
-- A worker keeps its own in a table; nothing is shared while they run. Who wants the list asks all
-- workers over the board (core/host/board.c): each answers at its next turn. One that is busy for
-- longer than the patience here is told as silent. Plain GETs and PUTs never show up: they are over
-- before anybody could ask. Thread: the worker's.
local ffi = require "ffi"
local json = require "loam.json"
local log = require "loam.log"
local C = require "loam.native"
local sink = require "loam.sink"

local calls = {}
local methods = {}
local metatable = { __name = "calls", __index = methods }
local ROWS_MAX = 1000 -- Of one worker's answer.
local TURN_SECONDS = 0.005
local TURNS, ASKS = 100, 3

--- The calls of a worker. given: host, shared, index, worker_count.
function calls.new(given)
  return setmetatable({
    _host = given.host, _shared = given.shared, _index = given.index,
    _worker_count = given.worker_count, _answered = 0,
    -- Weak: a request whose task failed in the middle is forgotten, too.
    _running = setmetatable({}, { __mode = "k" }),
    _buffer = ffi.gc(ffi.new("loam_buffer"), C.loam_buffer_free),
  }, metatable)
end

--- A request has begun.
function methods:add(req, started_ms)
  self._running[req] = started_ms
end

--- A request has ended.
function methods:remove(req)
  self._running[req] = nil
end

local function row_of(self, req, started_ms, now_ms)
  return {
    id = req.id, worker = self._index, method = req.method, target = log.escape(req.target),
    peer = req.peer, token = req.grant and req.grant.id, bytes_sent = req.bytes_sent,
    running_ms = math.floor(now_ms - started_ms),
    state = req.is_killed and "ending" or req.bytes_sent and "streaming" or "running",
  }
end

-- Marks the request for its end: a stream ends with its next write, or now when it waits for its
-- client.
local function kill(self, id)
  for req in pairs(self._running) do
    if req.id == id then
      req.is_killed = true
      sink.wake(req._p.slot, true)
      return true
    end
  end
  return false
end

local function read(self, place)
  local number = C.host_board_read(self._host, place, self._buffer)
  return number, number > 0 and json.decode(ffi.string(self._buffer.data, self._buffer.size)) or {}
end

--- Answers what was asked since the last time. For WAKE events.
function methods:answer()
  if self._shared.question_count == self._answered then
    return
  end
  local number, question = read(self, 0)
  self._answered = number
  local is_killed = question.kill ~= nil and kill(self, question.kill)
  local rows, now_ms = json.array(), C.host_monotonic_ms()
  for req, started_ms in pairs(self._running) do
    if #rows < ROWS_MAX then
      rows[#rows + 1] = row_of(self, req, started_ms, now_ms)
    end
  end
  local text = json.encode { rows = rows, is_killed = is_killed }
  C.host_board_answer(self._host, self._index, number, text, #text)
end

-- The answers to one question: {rows, is_killed, silent}; nil when another one came between.
local function gather(self, number)
  local found = { rows = json.array(), is_killed = false, silent = json.array() }
  for index = 1, self._worker_count do
    local told, answer = read(self, index)
    if told > number then
      return nil
    elseif told < number then
      found.silent[#found.silent + 1] = index
    else
      found.is_killed = found.is_killed or answer.is_killed
      for _, row in ipairs(answer.rows) do
        found.rows[#found.rows + 1] = row
      end
    end
  end
  return found
end

--- Asks all workers; waits. Returns {rows, is_killed, silent = indexes of workers that did not
--- answer in time}; or nil when others ask all the time.
---@param question table  {} or {kill = request id}
---@param sleep function
function methods:ask(question, sleep)
  local text = json.encode(question)
  for _ = 1, ASKS do
    local number = C.host_board_ask(self._host, text, #text)
    local found
    for _ = 1, number > 0 and TURNS or 0 do
      sleep(TURN_SECONDS)
      found = gather(self, number)
      if not found or #found.silent == 0 then
        break
      end
    end
    if found then
      return found
    end
  end
end

return calls
