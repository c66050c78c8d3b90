-- What is written down about requests: the access log, slow requests, the audit log.
--
--     local notes = assert(notes.open(config))           -- nil, nil when nothing is asked for
--     notes:start(req)                                   -- while the handle lives
--     notes:finish(req, route, status, seconds, bytes)
--
-- Nothing here holds a token's secret: headers are not logged, and tokens never come in URLs.
-- Control bytes are escaped, so one request is one line. The audit log has every call of routes of
-- the roles admin, deploy and exec and every refusal; the access log has every request, or one in N
-- and all that fail or are slow. Thread: the worker's.
local ffi = require "ffi"
local json = require "loam.json"
local line_file = require "loam.line_file"
local log = require "loam.log"
local C = require "loam.native"

local notes = {}
local refused = ffi.new("struct http_refused")
local methods = {}
local metatable = { __name = "notes", __index = methods }
local AUDITED = { admin = true, deploy = true, exec = true }
local REFUSED = { [401] = true, [403] = true, [429] = true } -- The gate has written these down.
local SERVER_FAULT = 500
local MONTHS = { "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov",
  "Dec" }

local function open_file(config, name)
  if config[name] == "" then
    return nil
  end
  local file, message = line_file.open(config[name])
  if not file then
    error({ text = name .. ": " .. message }, 0)
  end
  return file
end

--- Opens what the configuration asks for. Returns nil when that is nothing; or nil and one line.
---@param config table
function notes.open(config)
  local is_ok, access, audit = pcall(function()
    return open_file(config, "access_log"), open_file(config, "audit_log")
  end)
  if not is_ok then
    return nil, type(access) == "table" and access.text or tostring(access)
  elseif not access and not audit and config.slow_log_ms == 0 then
    return nil
  end
  return setmetatable({
    _access = access, _audit = audit, _format = config.access_log_format,
    _sample = config.access_log_sample, _seen = 0, _slow_ms = config.slow_log_ms,
  }, metatable)
end

local function is_next(self)
  self._seen = self._seen + 1
  return self._seen % self._sample == 0
end

--- Says whether a plain request takes the general way, to be written down: start() follows then.
function methods:wants()
  self._is_wanted = self._access ~= nil and is_next(self)
  return self._is_wanted
end

--- The parts of a traceparent header that is well-formed; nil otherwise.
---@param text? string
---@return string? trace_id, string? parent_id
function notes.trace_of(text)
  local version, trace, parent = (text or ""):match("^(%x%x)%-(%x+)%-(%x+)%-%x%x")
  if not version or version == "ff" or #trace ~= 32 or #parent ~= 16 or trace:find("^0+$")
    or parent:find("^0+$") or text:find("%u") then
    return nil
  end
  return trace, parent
end

--- Takes from a request what is gone when its answer was sent.
function methods:start(req)
  req.noted = {
    id = req.id,
    peer = req.peer,
    target = req.target,
    version = req._p and req._p.version_minor or 1,
    trace = notes.trace_of(req.headers["traceparent"]),
    is_sampled = self._access ~= nil and (self._is_wanted or is_next(self)),
  }
  self._is_wanted = false
end

local function now_text(ms)
  return os.date("!%Y-%m-%dT%H:%M:%S", math.floor(ms / 1000)) .. (".%03dZ"):format(ms % 1000)
end

local function access_row(req, route, status, seconds, bytes)
  local noted = req.noted
  return {
    time = now_text(C.host_now_ms()), request_id = noted.id, peer = noted.peer, method = req.method,
    target = log.escape(noted.target), route = route.name, status = status, bytes = bytes,
    duration_ms = math.floor(seconds * 1e6 + 0.5) / 1000, token = req.grant and req.grant.id,
    trace_id = noted.trace,
  }
end

-- As the common log format has it, in UTC.
local function clock_text(ms)
  local now = os.date("!*t", math.floor(ms / 1000))
  return ("%02d/%s/%d:%02d:%02d:%02d +0000"):format(now.day, MONTHS[now.month], now.year, now.hour,
    now.min, now.sec)
end

local function common_line(req, status, bytes)
  local noted = req.noted
  local target = log.escape(noted.target):gsub('"', "%%22")
  return ('%s - %s [%s] "%s %s HTTP/1.%d" %d %s'):format(
    noted.peer:match("^(.*):%d+$") or noted.peer, req.grant and req.grant.id or "-",
    clock_text(C.host_now_ms()), req.method, target, noted.version, status,
    bytes and ("%.0f"):format(bytes) or "-")
end

--- Adds a line to the audit log: who, what, result.
---@param req table
---@param route? table
---@param status number
---@param why? string
function methods:audit(req, route, status, why)
  if not self._audit then
    return
  end
  local noted = req.noted or {}
  self._audit:add(json.encode {
    time = now_text(C.host_now_ms()), request_id = noted.id or req.id,
    peer = noted.peer or req.peer, token = req.grant and req.grant.id,
    note = req.grant and req.grant.note and log.escape(req.grant.note) or nil, method = req.method,
    path = log.escape(req.path), route = route and route.name or "none", status = status, why = why,
  })
  self._audit:flush()
end

local function warn_slow(req, route, status, seconds)
  local noted = req.noted
  log.warn("slow request", req.method, noted.target, { status = status, route = route.name,
    request_id = noted.id, duration_ms = math.floor(seconds * 1000 + 0.5),
    trace_id = noted.trace or "-" })
end

--- Writes down a request whose answer was sent.
function methods:finish(req, route, status, seconds, bytes)
  local is_slow = self._slow_ms > 0 and seconds * 1000 >= self._slow_ms
  if AUDITED[route.role] and not REFUSED[status] then
    self:audit(req, route, status)
  end
  if self._access and (req.noted.is_sampled or is_slow or status >= SERVER_FAULT) then
    local is_common = self._format == "common"
    self._access:add(is_common and common_line(req, status, bytes)
      or json.encode(access_row(req, route, status, seconds, bytes)))
  end
  if is_slow then
    warn_slow(req, route, status, seconds)
  end
end

-- The access line of a request that core/http refused: what it asked for was never understood.
local function refused_line(self, prefix, row)
  local now_ms = C.host_now_ms()
  local peer = ffi.string(row.peer)
  if self._format == "common" then
    return ('%s - - [%s] "-" %d -'):format(peer:match("^(.*):%d+$") or peer, clock_text(now_ms),
      row.status)
  end
  return json.encode { time = now_text(now_ms), request_id = ("%s-%.0f"):format(prefix, row.serial),
    peer = peer, route = "none", status = row.status, why = ffi.string(row.reason) }
end

--- Writes down what core/http has refused since the last time, sampled like all others.
function methods:take_refused(http)
  while self._access and C.http_worker_refused(http, refused) == 1 do
    if is_next(self) then
      self._access:add(refused_line(self, ffi.string(C.http_worker_prefix(http)), refused))
    end
  end
end

--- To be called at the end of each turn of the poll loop.
function methods:flush()
  if self._access then
    self._access:flush()
  end
end

--- After log rotation.
function methods:reopen()
  for _, file in ipairs { self._access or false, self._audit or false } do
    if file then
      file:reopen()
    end
  end
end

--- Writes the rest and closes the files.
function methods:close()
  for _, file in ipairs { self._access or false, self._audit or false } do
    if file then
      file:close()
    end
  end
end

return notes
