-- Bodies on their way to the server, whole or in pieces. Called by loam.client.connection.
local sending = {}

--- Sends bytes: true, or nil and the reason.
function sending.bytes(socket, bytes)
  local from = 1
  while from <= #bytes do
    local last, reason = socket:send(bytes, from)
    if not last then
      return nil, reason
    end
    from = last + 1
  end
  return true
end

--- Sends what read() gives as chunks, until it gives nil. A server that answers before the end
--- wants no more: when is_answered() says so the rest is not sent. Returns true, or true and
--- "answered", or nil and the reason.
function sending.pieces(socket, read, is_answered)
  for piece in read do
    if is_answered() then
      return true, "answered"
    elseif piece ~= "" then
      local is_sent, reason = sending.bytes(socket, ("%x\r\n%s\r\n"):format(#piece, piece))
      if not is_sent then
        return nil, reason
      end
    end
  end
  return sending.bytes(socket, "0\r\n\r\n")
end

return sending
