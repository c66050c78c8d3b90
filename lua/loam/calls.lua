-- The requests that run now, in every worker, and how one is ended.
--
-- A worker keeps its own in a table; nothing is shared while they run. Who wants the list asks all
-- workers over the board (core/host/board.c): each answers at its next turn. One that is busy for
-- longer than the patience here is told as silent. Plain GETs and PUTs never show up: they are over
-- before anybody could ask.
--
-- A call that sleeps, waits for its client or has given way ends at once, a scan at its next block,
-- a writer when the commit that it waits for has its outcome: nobody would learn that otherwise. A
-- handler that only computes cannot be ended: compiled code asks nobody. Thread: the worker's.
local answer = require "loam.answer"
local ffi = require "ffi"
local json = require "loam.json"
local log = require "loam.log"
local C = require "loam.native"
local scheduler = require "loam.scheduler"

local calls = {}
local methods = {}
local metatable = { __name = "calls", __index = methods }
local ROWS_MAX = 1000 -- Of one worker's answer.
local TURN_SECONDS = 0.005
local TURNS, ASKS = 100, 3

--- The calls of a worker. given: host, shared, index, worker_count, abandon(req, made) = answers a
--- request whose task was left behind.
function calls.new(given)
  return setmetatable({
    _host = given.host, _shared = given.shared, _index = given.index,
    _worker_count = given.worker_count, _answered = 0, _abandon = given.abandon,
    -- Weak: a request whose task failed in the middle is forgotten, too.
    _running = setmetatable({}, { __mode = "k" }),
    _buffer = ffi.gc(ffi.new("loam_buffer"), C.loam_buffer_free),
  }, metatable)
end

--- The running task has begun with a request.
function methods:add(req)
  req.task = scheduler.current()
  self._running[req] = true
end

--- A request has ended.
function methods:remove(req)
  self._running[req] = nil
end

local function row_of(self, req, now_ms)
  return {
    id = req.id, worker = self._index, method = req.method, target = log.escape(req.target),
    peer = req.peer, token = req.grant and req.grant.id, bytes_sent = req.bytes_sent,
    rows_done = req.rows_done,
    running_ms = math.floor(now_ms - req.started_ms),
    state = req.is_killed and "ending" or req.bytes_sent and "streaming" or "running",
  }
end

local function kill(self, id)
  for req in pairs(self._running) do
    if req.id == id then
      local made = answer.error(req, 503, "ended by an administrator", { code = "CANCELLED" })
      made.is_answer = true -- It is raised.
      req.is_killed = true
      scheduler.kill(req.task, made, function() self._abandon(req, made) end)
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
  for req in pairs(self._running) do
    if #rows < ROWS_MAX then
      rows[#rows + 1] = row_of(self, req, now_ms)
    end
  end
  local text = json.encode { rows = rows, is_killed = is_killed }
  C.host_board_answer(self._host, self._index, number, text, #text)
end

-- The answers to one question: {rows, is_killed, silent}; nil when another one came between.
local function gather(self, number)
  local found = { rows = json.array(), is_killed = false, silent = json.array() }
  for index = 1, self._worker_count do
    local told, reply = read(self, index)
    if told > number then
      return nil
    elseif told < number then
      found.silent[#found.silent + 1] = index
    else
      found.is_killed = found.is_killed or reply.is_killed
      for _, call in ipairs(reply.rows) do
        found.rows[#found.rows + 1] = call
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
