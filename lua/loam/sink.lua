-- Sends answers through core/http.
--
-- A streamed answer waits (its task yields) while the client is slow; worker.lua wakes it by
-- WRITABLE or CLOSED events through sink.wake(). A client that is gone raises GONE out of the
-- stream function, which ends it wherever it was. Thread: the worker's.
local answer = require "loam.answer"
local ffi = require "ffi"
local log = require "loam.log"
local C = require "loam.native"
local protected_call = require "loam.protected_call"
local scheduler = require "loam.scheduler"

local sink = {}
local HEADERS_CAPACITY = 16384
local headers = ffi.new("char[?]", HEADERS_CAPACITY)
local waiting = {} -- Slot of a request -> the task that waits to write.
local GONE = setmetatable({ is_answer = true },
  { __tostring = function() return "client gone" end })

-- Writes the header block. Returns its size; or nil and what is wrong.
local function add_headers(list)
  local used = 0
  for name, value in pairs(list) do
    local values = type(value) == "table" and value or { value }
    for _, one in ipairs(values) do
      local shown, text = tostring(name), tostring(one)
      local size = C.http_header_add(headers, used, HEADERS_CAPACITY, shown, #shown, text, #text)
      if size < 0 then
        return nil, ("header '%s' is refused: its name, its bytes or its size"):format(shown)
      end
      used = size
    end
  end
  return used
end

local function refuse(req, what)
  log.error(("%s %s (request %s): %s"):format(req.method, req.path, req.id, what))
  return answer.error(req, 500, "internal error", { code = "SCRIPT" })
end

local function send_whole(req, made)
  local size, problem = add_headers(made.headers)
  if not size then
    made = refuse(req, problem)
    size = add_headers(made.headers)
  end
  local code = C.http_respond(req._p, req._generation, made.status, headers, size, made.body,
    #made.body)
  if code == C.LOAM_INVALID then
    made = refuse(req, "core/http refuses the answer")
    size = add_headers(made.headers)
    C.http_respond(req._p, req._generation, made.status, headers, size, made.body, #made.body)
  elseif code == C.LOAM_NO_MEMORY then
    C.http_respond_abort(req._p, req._generation)
  end
  return made.status
end

-- Returns the write function of a stream. It takes a string, or bytes in C memory and their number:
-- what only passes through becomes no Lua string.
local function writer(req)
  local p, generation = req._p, req._generation
  req.bytes_sent = 0
  return function(bytes, size)
    if not size and type(bytes) ~= "string" then
      error("write takes a string, got " .. type(bytes), 2)
    end
    size = tonumber(size or #bytes)
    if size == 0 then
      return
    end
    scheduler.check()
    req.bytes_sent = req.bytes_sent + size
    local code = C.http_respond_write(p, generation, bytes, size)
    while code == 0 do
      local slot = p.slot
      waiting[slot] = scheduler.current()
      local is_gone = scheduler.wait(function() waiting[slot] = nil end)
      waiting[slot] = nil
      if not is_gone then
        return
      end
      code = C.LOAM_CANCELLED
    end
    if code < 0 then
      error(GONE, 0)
    end
  end
end

local function send_stream(req, made)
  local p, generation = req._p, req._generation
  local size, problem = add_headers(made.headers)
  if not size then
    return send_whole(req, refuse(req, problem))
  end
  local code = C.http_respond_begin(p, generation, made.status, headers, size, made.size or -1)
  if code == C.LOAM_INVALID then
    return send_whole(req, refuse(req, "core/http refuses the answer"))
  end
  local is_ok, raised = code == 0, GONE
  if is_ok then
    is_ok, raised = protected_call(req, made.stream, writer(req))
  end
  if is_ok then
    C.http_respond_end(p, generation)
    return made.status
  end
  -- Nobody may take half an answer for a whole one.
  C.http_respond_abort(p, generation)
  return raised == GONE and 499 or raised and raised.status or 500
end

--- Sends an answer. Returns the status for the books (499 when the client left in the middle) and
--- the bytes of its body.
function sink.send(req, made)
  if made.bytes_sent then
    return made.status, made.bytes_sent
  end
  req.finish = made.finish
  local status = made.stream and send_stream(req, made) or send_whole(req, made)
  if made.finish then
    made.finish()
  end
  return status, req.bytes_sent or req.method == "HEAD" and 0 or #(made.body or "")
end

--- Ends the answer of a request whose task will not: with `made`, or, when some of another one has
--- left, without its end. Returns what send() does.
function sink.abandon(req, made)
  if req.finish then
    req.finish()
  end
  if req.bytes_sent then
    C.http_respond_abort(req._p, req._generation)
    return made.status, req.bytes_sent
  end
  return sink.send(req, made)
end

--- Lets the task go on that waits to write to a request, if one does.
---@param slot number
---@param is_gone boolean
function sink.wake(slot, is_gone)
  local task = waiting[slot]
  if task then
    waiting[slot] = nil
    scheduler.wake(task, is_gone)
  end
end

return sink
