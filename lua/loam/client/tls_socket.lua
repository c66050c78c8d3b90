-- A TLS session on a luasocket socket, with the methods of it that loam.client.connection uses.
--
-- The session is core/http/tls_client.c: no other library, and the certificate is checked for the
-- host's name, which LuaSec leaves to its users. Reads go through a buffer of our own.
local ffi = require "ffi"
local C = require "loam.native"

local tls_socket = {}
local methods = {}
local metatable = { __name = "loam.tls_socket", __index = methods }
local PIECE_BYTES = 65536

local err = ffi.new("loam_error")
local trust = ffi.new("struct http_tls_trust")
local out = ffi.new("struct http_tls_link *[1]")
local piece = ffi.new("char[?]", PIECE_BYTES)

--- Makes the handshake on a connected socket, which is the session's from then on. given: ca (file)
--- or nil for what the system trusts, is_blind. Returns nil and one line when it fails.
---@param raw userdata  of luasocket
---@param host string
---@param given {ca: string?, is_blind: boolean?}
---@param timeout_seconds number
function tls_socket.wrap(raw, host, given, timeout_seconds)
  trust.ca, trust.is_blind = given.ca, given.is_blind and 1 or 0
  if C.http_tls_link_open(raw:getfd(), host, trust, out, err) ~= 0 then
    return nil, ffi.string(err.text)
  end
  local self = setmetatable({ _raw = raw, _buffer = "", _at = 1,
    _link = ffi.gc(out[0], C.http_tls_link_close) }, metatable)
  self:settimeout(timeout_seconds)
  return self
end

function methods:settimeout(seconds)
  C.http_tls_link_patience(self._link, math.max(1, math.floor(seconds * 1000)))
end

function methods:setoption()
  return 1
end

-- As luasocket tells it.
local function reason_of(code)
  return code == C.LOAM_TIMEOUT and "timeout" or ffi.string(err.text)
end

--- Sends data from a position on: the last position sent, or nil and why not.
function methods:send(data, from)
  from = from or 1
  local code = C.http_tls_link_write(self._link, ffi.cast("const char *", data) + from - 1,
    #data - from + 1, err)
  if code ~= 0 then
    return nil, reason_of(code)
  end
  return #data
end

-- Adds what comes to the buffer: true, or nil and why not.
local function fill(self)
  local size = C.http_tls_link_read(self._link, piece, PIECE_BYTES, err)
  if size == 0 then
    return nil, "closed"
  elseif size < 0 then
    return nil, reason_of(size)
  end
  self._buffer, self._at = self._buffer:sub(self._at) .. ffi.string(piece, size), 1
  return true
end

local function take(self, last, skip)
  local text = self._buffer:sub(self._at, last)
  self._at = last + 1 + skip
  return text
end

local function receive_line(self)
  while true do
    local finish = self._buffer:find("\n", self._at, true)
    if finish then
      local line = take(self, finish - 1, 1)
      return (line:gsub("\r$", ""))
    end
    local is_filled, reason = fill(self)
    if not is_filled then
      return nil, reason
    end
  end
end

--- Receives a line ("*l") or so many bytes; nil, why not, and what there was.
function methods:receive(what)
  if what == "*l" then
    return receive_line(self)
  end
  local parts, left = {}, what
  while left > 0 do
    local there = #self._buffer - self._at + 1
    if there == 0 then
      local is_filled, reason = fill(self)
      if not is_filled then
        return nil, reason, table.concat(parts)
      end
    else
      local part = take(self, self._at + math.min(there, left) - 1, 0)
      parts[#parts + 1] = part
      left = left - #part
    end
  end
  return table.concat(parts)
end

--- Says whether nothing came since the last answer, an end neither.
function methods:is_idle()
  return #self._buffer < self._at and C.http_tls_link_is_idle(self._link) == 1
end

function methods:close()
  if self._link then
    C.http_tls_link_close(ffi.gc(self._link, nil))
    self._link = nil
    self._raw:close()
  end
end

return tls_socket
