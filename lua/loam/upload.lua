-- Bodies that come in pieces, for routes with is_stream: uploads of any size in flat memory.
--
--     for piece in req.read do ... end        -- in the handler: waits for the client
--
-- core/http hands out one piece at a time and reads no further until it is taken, so a client is
-- never faster than the handler. worker.lua tells of pieces and of clients that left; read() then
-- raises an answer with status 499, which ends the handler wherever it was. A small body is there
-- whole and comes as one piece. Thread: the worker's.
local answer = require "loam.answer"
local ffi = require "ffi"
local C = require "loam.native"
local scheduler = require "loam.scheduler"

local upload = {}
local SIZE_MAX = 2 ^ 53
local open = {} -- Slot of a request -> what is known of its body.

local function find(slot, generation)
  local body = open[slot]
  return body and body.generation == generation and body or nil
end

--- The head of such a request is there: its body is to come in pieces.
function upload.begin(p, generation)
  local code = C.http_request_stream(p, generation, SIZE_MAX)
  open[p.slot] = { generation = generation, is_gone = code ~= 0 }
end

local function wake(body)
  local task = body.task
  if task then
    body.task = nil
    scheduler.wake(task)
  end
end

--- A piece has come.
function upload.on_piece(event)
  local body = find(event.request.slot, event.generation)
  if body then
    body.data, body.size, body.is_last = event.data, event.size, event.is_last ~= 0
    wake(body)
  end
end

--- The client has left, or its body was refused. Says whether the request is one of these, whose
--- handler ends the handle.
function upload.on_closed(slot, generation)
  local body = find(slot, generation)
  if not body then
    return false
  end
  body.is_gone = true
  wake(body)
  return true
end

--- The request has been answered.
function upload.forget(slot, generation)
  if find(slot, generation) then
    open[slot] = nil
  end
end

local function leave(req)
  answer.raise(answer.error(req, 499, "the client left", { code = "CANCELLED" }))
end

-- The next piece of a body, nil at its end.
local function take(req, body)
  while not body.data do
    if body.is_done then
      return nil
    elseif body.is_gone then
      leave(req)
    end
    body.task = scheduler.current()
    scheduler.wait(function() body.task = nil end)
  end
  local piece = ffi.string(body.data, body.size)
  body.data, body.is_done = nil, body.is_last
  C.http_request_consume(req._p, req._generation)
  return piece ~= "" and piece or nil
end

--- Returns the function that gives one piece of a request's body after the other, nil at its end.
function upload.reader(req)
  local body = req._p and find(req._p.slot, req._generation)
  if body then
    return function() return take(req, body) end
  end
  local is_read = false
  return function()
    if is_read or req.body == "" then
      return nil
    end
    is_read = true
    return req.body
  end
end

return upload
