-- One HTTP/1.1 connection to a Loam server, over luasocket, with TLS where the URL says so:
-- keep-alive, pipelining, bodies in pieces.
--
-- send() and receive() are apart, so that several requests can be on their way; answers come in the
-- order of the requests. A failed connection is closed and its pending requests are forgotten:
-- nobody knows what became of them. Called by loam.client.
local sending = require "loam.client.sending"
local socket = require "socket"

local connection = {}

local CONNECT_SECONDS = 10
local PIECE_BYTES = 65536
local HEADERS_MAX = 100
local CHUNK_BYTES_MAX = 2 ^ 31

---@class loam.connection
---@field pending_count number  requests without an answer yet
local methods = {}
local metatable = { __name = "loam.connection", __index = methods }

local function failure(code, text, ...)
  return nil, { code = code, text = text:format(...) }, code
end

--- Makes a connection object; it connects with the first request.
---@param place {host: string, port: number, is_tls: boolean}  as loam.client.url gives it
---@param timeout_seconds number  longest wait for the server to take or to send something
---@param given? {token: string?, ca: string?, is_blind: boolean?}  token: goes with every request;
---   for TLS: ca = file of who signs servers, is_blind = no check of certificates
function connection.new(place, timeout_seconds, given)
  local host, port = place.host, place.port
  local shown = host:find(":", 1, true) and "[" .. host .. "]" or host
  local authority = host:find("^unix:") and "localhost" or ("%s:%d"):format(shown, port)
  given = given or {}
  return setmetatable({
    _host = host, _port = port, _timeout = timeout_seconds, _socket = false, _methods = {},
    _first = 1, _lost_count = 0, _is_cut = false, pending_count = 0, authority = authority,
    _token = given.token or false, _trust = place.is_tls and given or false,
  }, metatable)
end

--- Closes the socket and forgets pending requests. A later request connects again.
function methods:close()
  if self._socket then
    self._socket:close()
    self._socket = false
  end
  self._is_cut = false
  self._methods, self._first, self.pending_count = {}, 1, 0
end

-- Closes after a failure of the socket and returns it.
local function broken(self, what, reason)
  self:close()
  if reason == "timeout" then
    return failure("TIMEOUT", "%s: no answer within %d s while %s", self.authority, self._timeout,
      what)
  end
  local text = reason == "closed" and "the server closed the connection" or reason
  return failure("IO", "%s: %s while %s", self.authority, text, what)
end

-- Nothing of a request has gone out.
local function unsent(code, text, ...)
  local _, err = failure(code, text, ...)
  err.is_unsent = true
  return nil, err, code
end

local function connect_unix(self, path)
  local has_unix, unix = pcall(require, "socket.unix")
  if not has_unix then
    return unsent("UNSUPPORTED", "%s: this luasocket has no Unix sockets", self._host)
  end
  local made = unix()
  made:settimeout(self._timeout)
  local is_connected, reason = made:connect(path)
  if not is_connected then
    made:close()
    return unsent("IO", "cannot connect to %s: %s", self._host, tostring(reason))
  end
  self._socket = made
  return true
end

-- Puts TLS on a fresh connection.
local function secure(self, made)
  local tls_socket = require "loam.client.tls_socket" -- Only here: others need no OpenSSL.
  local wrapped, reason = tls_socket.wrap(made, self._host, self._trust, self._timeout)
  if not wrapped then
    made:close()
    return unsent("IO", "%s: %s", self.authority, reason)
  end
  self._socket = wrapped
  return true
end

local function connect(self)
  local path = self._host:match("^unix:(.+)$")
  if path then
    return connect_unix(self, path)
  end
  local made, reason = socket.tcp()
  if made then
    made:settimeout(CONNECT_SECONDS)
    local is_connected
    is_connected, reason = made:connect(self._host, self._port)
    if is_connected then
      made:setoption("tcp-nodelay", true)
      made:settimeout(self._timeout)
      if self._trust then
        return secure(self, made)
      end
      self._socket = made
      return true
    end
    made:close()
  end
  return unsent("IO", "cannot connect to %s: %s", self.authority, tostring(reason))
end

-- Whether something can be read, with TLS perhaps less than a byte of an answer.
local function is_readable(self)
  if self._trust then
    return not self._socket:is_idle()
  end
  return #socket.select({ self._socket }, nil, 0) > 0
end

-- An idle connection on which something can be read was closed by the server.
local function is_stale(self)
  if self.pending_count > 0 then
    return false
  end
  return is_readable(self)
end

--- Makes sure that there is a connection. The second result tells whether it is an old one.
function methods:ensure()
  if self._socket and is_stale(self) then
    self:close()
  end
  if self._socket then
    return true, true
  end
  self._lost_count = 0
  local is_connected, err, code = connect(self)
  return is_connected, err or false, code
end

local function head_of(self, method, target, headers, body)
  local lines = { ("%s %s HTTP/1.1"):format(method, target), "Host: " .. self.authority }
  if self._token then
    lines[#lines + 1] = "Authorization: Bearer " .. self._token
  end
  for name, value in pairs(headers or {}) do
    lines[#lines + 1] = name .. ": " .. value
  end
  if type(body) == "function" then
    lines[#lines + 1] = "Transfer-Encoding: chunked"
  elseif body or method == "POST" or method == "PUT" then
    lines[#lines + 1] = "Content-Length: " .. #(body or "")
  end
  return table.concat(lines, "\r\n") .. "\r\n\r\n"
end

local function send_body(self, body)
  if type(body) == "string" then
    return sending.bytes(self._socket, body)
  end
  local is_sent, reason = sending.pieces(self._socket, body, function()
    return self.pending_count == 0 and is_readable(self)
  end)
  self._is_cut = reason == "answered"
  return is_sent, reason
end

--- Sends a request. Its answer is what receive() gives after those of the requests before. A body
--- may be a function that gives one piece after the other, nil at the end.
---@param method string
---@param target string  path and query
---@param headers? table<string, string>
---@param body? string|fun(): string?
---@return boolean? is_sent, table? err, string? code
function methods:send(method, target, headers, body)
  if self._lost_count > 0 then
    return broken(self, "answers were awaited", "closed")
  elseif not self._socket then
    local is_there, err, code = self:ensure()
    if not is_there then
      return nil, err, code
    end
  end
  local head = head_of(self, method, target, headers, body)
  local is_sent, reason
  if type(body) == "string" and #body <= PIECE_BYTES then
    is_sent, reason = sending.bytes(self._socket, head .. body)
  else
    is_sent, reason = sending.bytes(self._socket, head)
    if is_sent and body then
      is_sent, reason = send_body(self, body)
    end
  end
  if not is_sent then
    return self:refused(method, reason)
  end
  self._methods[self._first + self.pending_count] = method
  self.pending_count = self.pending_count + 1
  return true
end

--- After a failed send: the server may have said why before it closed. Returns nil, err, CODE.
function methods:refused(method, reason)
  if reason == "closed" and self.pending_count == 0 then
    self._methods[self._first], self.pending_count = method, 1
    local response = self:receive()
    if response and response.status >= 400 then
      local text = self:read_all(response) or ""
      self:close()
      return nil, { code = "IO", status = response.status, body = text,
        text = ("%s: status %d"):format(self.authority, response.status) }, "IO"
    end
  end
  return broken(self, "a request was being sent", reason)
end

local function read_headers(self)
  local headers, count = {}, 0
  while true do
    local line, reason = self._socket:receive("*l")
    if not line then
      return nil, reason
    elseif line == "" then
      return headers
    end
    local name, value = line:match("^([^:%s]+):%s*(.-)%s*$")
    count = count + 1
    if not name or count > HEADERS_MAX then
      return nil, "the answer is no HTTP"
    end
    headers[name:lower()] = value
  end
end

local function read_head(self)
  while true do
    local line, reason = self._socket:receive("*l")
    if not line then
      return nil, reason
    end
    local status = line:match("^HTTP/1%.[01] (%d%d%d)")
    if not status then
      return nil, "the answer is no HTTP"
    end
    local headers
    headers, reason = read_headers(self)
    if not headers then
      return nil, reason
    elseif tonumber(status) >= 200 then
      return tonumber(status), headers
    end
  end
end

local function body_kind(method, status, headers)
  if method == "HEAD" or status == 204 or status == 304 then
    return "none", 0
  elseif headers["transfer-encoding"] then
    return "chunked", 0
  elseif headers["content-length"] then
    return "sized", tonumber(headers["content-length"]) or 0
  end
  return "until_close", 0
end

-- A server that closes after an answer leaves the requests behind it without one: they are lost,
-- and nothing is sent in their wake before somebody asks for a new connection with ensure().
local function finished(self, response)
  response.kind = "none"
  if self._is_cut or (response.headers.connection or ""):lower() == "close" then
    local count = self.pending_count
    self:close()
    self._lost_count = count
  end
  return nil
end

--- Receives the head of the oldest pending answer. Its body is fetched with read() or read_all()
--- before the next receive().
---@return {status: number, headers: table<string, string>}? response, table? err, string? code
function methods:receive()
  if self._lost_count > 0 then
    return broken(self, "an answer was awaited", "closed")
  elseif self.pending_count == 0 then
    error("receive: no request is pending", 2)
  end
  local status, headers = read_head(self)
  if not status then
    return broken(self, "an answer was awaited", headers)
  end
  local method = self._methods[self._first]
  self._methods[self._first] = nil
  self._first, self.pending_count = self._first + 1, self.pending_count - 1
  local response = { status = status, headers = headers }
  response.kind, response.left = body_kind(method, status, headers)
  if response.kind == "none" then
    finished(self, response)
  end
  return response
end

local read_piece = {}

function read_piece.none()
  return nil
end

function read_piece.sized(self, response)
  if response.left == 0 then
    return finished(self, response)
  end
  local piece, reason = self._socket:receive(math.min(response.left, PIECE_BYTES))
  if not piece then
    return broken(self, "an answer was being read", reason)
  end
  response.left = response.left - #piece
  return piece
end

local function skip_trailers(self)
  local line, reason
  repeat
    line, reason = self._socket:receive("*l")
  until not line or line == ""
  return line, reason
end

function read_piece.chunked(self, response)
  local line, reason = self._socket:receive("*l")
  local size = line and tonumber(line:match("^%x+") or "", 16)
  if not size or size > CHUNK_BYTES_MAX then
    return broken(self, "an answer was being read", reason or "a chunk is malformed")
  elseif size == 0 then
    line, reason = skip_trailers(self)
    if not line then
      return broken(self, "an answer was being read", reason)
    end
    return finished(self, response)
  end
  local piece
  piece, reason = self._socket:receive(size)
  if piece then
    line, reason = self._socket:receive("*l")
  end
  if not piece or line ~= "" then
    return broken(self, "an answer was being read", reason or "a chunk is malformed")
  end
  return piece
end

function read_piece.until_close(self, response)
  local piece, reason, rest = self._socket:receive(PIECE_BYTES)
  piece = piece or rest
  if reason == "closed" and piece == "" then
    response.kind = "none"
    self:close()
    return nil
  elseif reason and reason ~= "closed" then
    return broken(self, "an answer was being read", reason)
  end
  return piece
end

--- Returns the next piece of a body, nil at its end; nil, err, CODE when the connection fails.
---@return string? piece, table? err, string? code
function methods:read(response)
  return read_piece[response.kind](self, response)
end

--- Returns the rest of a body.
---@return string? body, table? err, string? code
function methods:read_all(response)
  local pieces = {}
  while true do
    local piece, err, code = self:read(response)
    if piece then
      pieces[#pieces + 1] = piece
    elseif err then
      return nil, err, code
    else
      return table.concat(pieces)
    end
  end
end

return connection
