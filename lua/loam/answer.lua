-- What handlers return: answers, made here and nowhere else.
--
-- An answer is {status, headers, body} with a metatable that tells it from a table that a user's
-- handler returns as JSON. `body` is a string, or absent when `stream` is a function(write) that
-- produces it. Errors have one form: {"error", "code", "request_id"}, plus "limit" and "value"
-- where a limit was hit, and "outcome" where the server could not do a write. Engine texts lose
-- their directories on the way out.
local ffi = require "ffi"
local json = require "loam.json"
local C = require "loam.native"

local answer = {}
local metatable = { __name = "answer" }

answer.JSON = "application/json"
answer.NDJSON = "application/x-ndjson"

-- The status of each engine code. 412 carries what is there now; see routes/kv.lua.
local STATUS = {
  NOT_FOUND = 404, EXISTS = 412, MISMATCH = 412, CONFLICT = 409, INVALID = 400, TOO_LARGE = 413,
  CLOSED = 503, READ_ONLY = 503, BUSY = 503, STALLED = 503, TIMEOUT = 504, BUDGET = 504,
  CANCELLED = 503, NO_SPACE = 507, IO = 500, CORRUPT = 500, UNKNOWN_OUTCOME = 503,
  EXPIRED_CURSOR = 410, DENIED = 403, SCRIPT = 422, UNSUPPORTED = 501, NO_MEMORY = 503,
}

-- Codes of answers that no engine call gave.
local CODE_OF_STATUS = {
  [400] = "INVALID", [403] = "DENIED", [404] = "NOT_FOUND", [405] = "INVALID", [409] = "CONFLICT",
  [412] = "MISMATCH", [413] = "TOO_LARGE", [422] = "INVALID", [500] = "SCRIPT", [503] = "BUSY",
}

--- Makes an answer; headers is {name = value}.
function answer.new(status, body, headers)
  return setmetatable({ status = status, headers = headers or {}, body = body or "" }, metatable)
end

--- Says whether a value was made here.
function answer.is(value)
  return getmetatable(value) == metatable
end

--- An answer whose body is a value as JSON, with a line end for people at a terminal.
function answer.json(status, value, headers)
  headers = headers or {}
  headers["Content-Type"] = headers["Content-Type"] or answer.JSON
  headers["X-Content-Type-Options"] = "nosniff"
  return answer.new(status, json.encode(value) .. "\n", headers)
end

--- An answer whose body comes in pieces: stream(write) calls write(text), or write(bytes, size) for
--- C memory, and returns. write() waits while the client is slow and raises when it is gone.
--- finish(), when given, is called at the end, however that came.
function answer.stream(status, headers, stream, finish)
  local made = answer.new(status, nil, headers)
  made.stream, made.finish = stream, finish
  return made
end

--- What stands for an answer that is out already, with so many bytes of body.
function answer.sent(status, bytes)
  local made = answer.new(status)
  made.bytes_sent = bytes
  return made
end

--- An error as an answer; extra members (limit, value, index) go beside the three that are always
--- there.
---@param req table  gives the request's id
---@param status number
---@param text string
---@param extra? table  also `code`, `headers`
function answer.error(req, status, text, extra)
  local body = { error = text, code = CODE_OF_STATUS[status] or "INVALID", request_id = req.id }
  local headers
  for name, value in pairs(extra or {}) do
    if name == "headers" then
      headers = value
    else
      body[name] = value
    end
  end
  return answer.json(status, body, headers)
end

--- Raises an answer out of any depth of a handler; protected_call hands it to the dispatcher.
function answer.raise(made)
  made.is_answer = true
  error(made, 0)
end

--- Raises 400 with a text.
function answer.refuse(req, text, ...)
  answer.raise(answer.error(req, 400, select("#", ...) > 0 and text:format(...) or text))
end

--- Raises 413 naming the limit, its value and what came.
function answer.refuse_size(req, what, came, limit, value)
  local text = ("%s: %s came, %s is %s"):format(what, came, limit, value)
  answer.raise(answer.error(req, 413, text, { limit = limit, value = value }))
end

--- A text of the engine without the directories in it. The slash of "Input/output error", which the
--- system says for EIO, is none of a path.
---@param text string
---@return string
function answer.public_text(text)
  text = text:gsub("Input/output", "Input\1output"):gsub("[^%s'\"=(]*/([^%s/'\"]*)", "%1")
  return (text:gsub("Input\1output", "Input/output"))
end

-- Seconds: what the engine predicts; a store that is read-only stays so until somebody reopens it.
local function retry_after(failure)
  local wait_ms = failure.code == "READ_ONLY" and 10000 or 1000
  if failure.stall_ms and failure.stall_ms > 0 then
    wait_ms = failure.stall_ms
  end
  return tostring(math.max(1, math.ceil(wait_ms / 1000)))
end

-- What a program needs to know about a call that the server could not do.
local function tell(extra, status, failure)
  if status == 503 then
    extra.headers = extra.headers or {}
    extra.headers["Retry-After"] = retry_after(failure)
  end
  if status >= 500 then
    extra.outcome = failure.outcome
    extra.stall_ms = failure.code == "STALLED" and failure.stall_ms or nil
  end
end

--- The answer to a failed engine call: failure is {code = "STALLED", text, stall_ms, outcome,
--- status}, the last in place of the code's own; is_public when the text is not the engine's. A
--- write that the server could not do says whether it may be there all the same: outcome
--- "not_committed" or "unknown".
function answer.failure(req, failure, extra)
  extra = extra or {}
  extra.code = failure.code
  local status = extra.status or failure.status or STATUS[failure.code] or 500
  extra.status = nil
  tell(extra, status, failure)
  local text = failure.text ~= "" and failure.text or answer.code_text(failure.code)
  return answer.error(req, status, failure.is_public and text or answer.public_text(text), extra)
end

local code_texts = {}
for number = -1, -32, -1 do
  local name = ffi.string(C.loam_code_name(number))
  code_texts[name] = ffi.string(C.loam_code_text(number))
end

--- A few words for a code, "corrupt data".
function answer.code_text(code)
  return code_texts[code] or code
end

--- Turns what a user's handler returned into an answer: string | table (JSON) | status, body,
--- headers | iterator (NDJSON) | nothing (204) | nil, err, CODE.
function answer.from_results(req, first, second, third)
  if answer.is(first) then
    return first
  elseif type(first) == "number" then
    return answer.from_status(first, second, third)
  elseif first == nil and second ~= nil then
    return answer.from_failure(req, second, third)
  elseif first == nil then
    return answer.new(204)
  end
  return answer.from_body(200, first, {})
end

--- The answer to nil, err, CODE: what a failed kv call gives, returned as it came. A text of the
--- handler's own goes out as it is.
function answer.from_failure(req, failure, code)
  code = type(failure) == "table" and failure.code or code
  if not STATUS[code] then
    error(tostring(failure), 0)
  end
  local given = type(failure) == "table" and failure or {}
  return answer.failure(req, { code = code, text = tostring(failure),
    is_public = type(failure) == "string", stall_ms = given.stall_ms, outcome = given.outcome })
end

--- An answer of a status and any kind of body.
function answer.from_status(status, body, headers)
  if status % 1 ~= 0 or status < 200 or status > 599 then
    error(("a handler returned status %s: 200 to 599"):format(tostring(status)), 0)
  elseif headers ~= nil and type(headers) ~= "table" then
    error("a handler returned headers that are no table", 0)
  end
  local copy = {}
  for name, value in pairs(headers or {}) do
    copy[name] = value
  end
  if body == nil then
    return answer.new(status, "", copy)
  end
  return answer.from_body(status, body, copy)
end

local function has_type(headers)
  for name in pairs(headers) do
    if type(name) == "string" and name:lower() == "content-type" then
      return true
    end
  end
  return false
end

local function is_callable(value)
  return type(value) == "function" or type(value) == "table" and (getmetatable(value) or {}).__call
end

--- An answer whose body is a string, a table, or an iterator.
function answer.from_body(status, body, headers)
  local made
  local kind = "application/octet-stream"
  if type(body) == "string" then
    made = answer.new(status, body, headers)
    kind = json.is_utf8(body) and "text/plain; charset=utf-8" or kind
  elseif is_callable(body) then
    made = answer.stream(status, headers, answer.lines_of(body))
    kind = answer.NDJSON
  elseif type(body) == "table" then
    made = answer.new(status, json.encode(body) .. "\n", headers)
    kind = answer.JSON
  elseif type(body) == "number" or type(body) == "boolean" then
    made = answer.new(status, json.encode(body), headers)
    kind = answer.JSON
  else
    error("a handler returned a " .. type(body) .. " as a body", 0)
  end
  if not has_type(headers) then
    headers["Content-Type"] = kind
  end
  return made
end

--- A stream function that writes each result of an iterator as one line: JSON for tables, {"k","v"}
--- for pairs of strings, as kv.scan gives them.
function answer.lines_of(iterator)
  return function(write)
    for first, second in iterator do
      local item = first
      if second ~= nil then
        item = {}
        json.set_bytes(item, "k", tostring(first))
        if type(second) == "string" then
          json.set_bytes(item, "v", second)
        else
          item.v = second
        end
      end
      write(json.encode(item) .. "\n")
    end
  end
end

return answer
