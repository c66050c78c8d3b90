-- The smallest HTTP client that tells apart what a history needs: "never sent", "answered" and "who
-- knows". It retries nothing.
--
--     local http = require "spec.torture.http"
--     local c = http.new(function() return port end)
--     local status, headers, body = c:request("PUT", "/v1/kv/default/a", "1", { ["If-Match"] = e })
--     status is nil when nothing was sent, false when it was sent and no answer came.
local socket = require "socket"

local http = {}
local methods = {}
local metatable = { __index = methods }

function http.new(port_of, timeout_seconds)
  return setmetatable({ _port_of = port_of, _timeout = timeout_seconds or 5 }, metatable)
end

function methods:close()
  if self._socket then
    self._socket:close()
    self._socket = nil
  end
end

function methods:connect()
  local port = self._port_of()
  local new_socket = socket.tcp()
  new_socket:settimeout(self._timeout)
  if not port or not new_socket:connect("127.0.0.1", port) then
    new_socket:close()
    return false
  end
  new_socket:setoption("tcp-nodelay", true)
  self._socket = new_socket
  return true
end

function methods:receive_answer()
  local line = self._socket:receive "*l"
  local status = line and tonumber(line:match "^HTTP/1%.1 (%d%d%d)")
  if not status then
    return false
  end
  local headers = {}
  repeat
    line = self._socket:receive "*l"
    if not line then
      return false
    end
    local name, value = line:match "^([^:]+): *(.-)%s*$"
    if name then
      headers[name:lower()] = value
    end
  until line == ""
  local size = tonumber(headers["content-length"] or "0")
  local body = size > 0 and self._socket:receive(size) or ""
  if not body then
    return false
  end
  return status, headers, body
end

function methods:request(method, path, body, headers)
  if not self._socket and not self:connect() then
    return nil
  end
  local parts = { ("%s %s HTTP/1.1\r\nHost: 127.0.0.1\r\n"):format(method, path) }
  for name, value in pairs(headers or {}) do
    parts[#parts + 1] = ("%s: %s\r\n"):format(name, value)
  end
  if body then
    parts[#parts + 1] = ("Content-Length: %d\r\n"):format(#body)
  end
  parts[#parts + 1] = "\r\n" .. (body or "")
  if not self._socket:send(table.concat(parts)) then
    self:close()
    return false
  end
  local status, answer_headers, answer = self:receive_answer()
  if not status or answer_headers.connection == "close" then
    self:close()
  end
  return status, answer_headers, answer
end

return http
