-- Conditional requests and ranges (RFC 9110, 13 and 14), for answers that Lua makes.
--
--     return conditions.answer(req, tag, value, headers)        -- GET: 200, 206, 304, 412 or 416
--     conditions.before_write(req, op, current)                 -- a condition of the engine
--
-- What the fields mean is judged in core/host/conditions.c, which the plain GET uses too. A write
-- is held to its condition by the engine: where that knows none like it (lists, weak tags, both
-- fields), the present tag decides, and the engine sees to it that it still is the present one.
-- Raises 400 for a malformed or repeated field: a condition is never ignored for its looks.
local answer = require "loam.answer"
local ffi = require "ffi"
local C = require "loam.native"

local conditions = {}
local NAMES = { if_match = "If-Match", if_none_match = "If-None-Match", if_range = "If-Range",
  range = "Range" }
local TAG = 'is * or ETags in quotes, as "12", "13"'

local given = ffi.new("struct host_conditions")
local selection = ffi.new("struct host_selection")

-- Fills `given` with what belongs to the request. Returns how many fields there are.
local function collect(req)
  if req._p then
    return C.host_conditions_of(req._p, given)
  end
  local count = 0
  ffi.fill(given, ffi.sizeof(given))
  for member, name in pairs(NAMES) do
    local text = req.headers[name]
    if text then
      given[member].data, given[member].size = text, #text
      count = count + 1
    end
  end
  return count
end

local function refuse(req)
  if given.is_repeated ~= 0 then
    answer.refuse(req, "If-Match, If-None-Match, If-Range and Range come once each")
  end
  answer.refuse(req, "If-Match or If-None-Match is malformed: each " .. TAG)
end

-- ---- GET and HEAD ----

local function unsatisfiable(req, size, headers)
  headers["Content-Range"] = ("bytes */%d"):format(size)
  return answer.error(req, 416, ("Range is bytes=first-last, bytes=first- or bytes=-count of the "
    .. "%d bytes that are there"):format(size), { headers = headers, code = "INVALID" })
end

--- The answer to a GET or HEAD of a value, by the conditions and the range of the request.
---@param req table
---@param tag string  without quotes
---@param value string
---@param headers table  of the answer; becomes its
function conditions.answer(req, tag, value, headers)
  if req.method == "HEAD" then
    headers["Accept-Ranges"] = "bytes"
  end
  if collect(req) == 0 then
    return answer.new(200, value, headers)
  end
  local code = C.host_select(given, tag, #tag, req.method == "GET" and 1 or 0, #value, selection)
  if code ~= 0 then
    refuse(req)
  end
  local status = selection.status
  if status == 304 then
    return answer.new(304, "", headers)
  elseif status == 412 then
    return conditions.failed(req, tag)
  elseif status == 416 then
    return unsatisfiable(req, #value, { ETag = headers.ETag })
  elseif status == 206 then
    local first, size = tonumber(selection.first), tonumber(selection.size)
    headers["Content-Range"] = ("bytes %d-%d/%d"):format(first, first + size - 1, #value)
    return answer.new(206, value:sub(first + 1, first + size), headers)
  end
  return answer.new(200, value, headers)
end

--- The 412 of a condition that does not hold; tag: what is there now, nil when nothing is.
function conditions.failed(req, tag)
  local text = tag and "the key is there with another state" or "the key is absent"
  return answer.error(req, 412, text, { headers = tag and { ETag = '"' .. tag .. '"' } })
end

-- ---- Bodies ----

local function is_coded(req)
  local coding = req.headers["Content-Encoding"]
  return coding ~= nil and coding:lower() ~= "identity"
end

--- The refusal of a body that is a part of something, or packed: values are stored as they come,
--- and nobody would be told. nil for all others.
function conditions.refused_body(req)
  if req.headers["Content-Range"] then
    return answer.error(req, 400, "Content-Range: a value is stored whole, parts are not taken")
  elseif is_coded(req) then
    return answer.error(req, 415, "Content-Encoding: bodies are taken as they are, packed ones are "
      .. "not unpacked", { headers = { ["Accept-Encoding"] = "identity" } })
  end
end

-- ---- Writes ----

-- Whether a field's list holds the tag; nil = nothing is there, which no list holds, not even "*".
local function is_listed(req, field, tag, is_weak)
  local listed = C.host_tag_listed(field.data, field.size, tag or "", tag and #tag or 0,
    is_weak and 1 or 0)
  if listed < 0 then
    refuse(req)
  end
  return tag ~= nil and listed == 1
end

local function text_of(field)
  return field.data ~= nil and ffi.string(field.data, field.size) or nil
end

-- The engine's condition for what it knows by itself; false for everything else.
local function set_plain(op, match, none_match, has_own_tags)
  if match and none_match then
    return false
  elseif (match or none_match) == "*" then
    op.condition = match and "present" or "absent"
    return true
  end
  local seq = not has_own_tags and match and match:match('^"([1-9]%d*)"$')
  if not seq or tonumber(seq) >= 2 ^ 53 then
    return false
  end
  op.condition, op.if_seq = "seq", tonumber(seq)
  return true
end

-- Judges what is there now, and makes the engine see to it that it still is when it commits.
local function set_by_current(req, op, current)
  local tag, seq = current()
  collect(req) -- Other requests had their turn if current() waited.
  local match, none_match = given.if_match, given.if_none_match
  if match.data ~= nil and not is_listed(req, match, tag, false)
    or none_match.data ~= nil and is_listed(req, none_match, tag, true) then
    return conditions.failed(req, tag)
  end
  op.condition, op.if_seq = tag and "seq" or "absent", seq
end

--- Puts what If-Match and If-None-Match ask for into an operation of the engine. current(), for
--- cases that the engine does not know, gives tag and sequence number of what is there, or nil.
--- Returns an answer when a condition does not hold; else nil, and whether current() was asked: a
--- condition that then fails in the engine means that somebody was faster, and another look tells.
---@param req table
---@param op table
---@param current function
---@param has_own_tags? boolean  tags are no sequence numbers
function conditions.before_write(req, op, current, has_own_tags)
  if collect(req) == 0 then
    return nil, false
  elseif given.is_repeated ~= 0 then
    refuse(req)
  end
  local match, none_match = text_of(given.if_match), text_of(given.if_none_match)
  if not match and not none_match or set_plain(op, match, none_match, has_own_tags) then
    return nil, false
  end
  return set_by_current(req, op, current), true
end

local LOOKS_MAX = 16

--- Writes op under the conditions of the request. commit(is_last) gives the outcome of the engine;
--- is_last says that op is not needed again. Returns the outcome; or nil and an answer.
function conditions.write(req, op, current, commit, has_own_tags)
  for _ = 1, LOOKS_MAX do
    local refused, is_looked = conditions.before_write(req, op, current, has_own_tags)
    if refused then
      return nil, refused
    end
    local outcome = commit(not is_looked)
    local is_lost = outcome.code == "EXISTS" or outcome.code == "MISMATCH"
      or outcome.code == "NOT_FOUND"
    if not (is_looked and is_lost) then
      return outcome
    end
  end
  return nil, answer.error(req, 409, "others change this key all the time")
end

return conditions
