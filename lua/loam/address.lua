-- Addresses to listen on: "HOST:PORT", "[IPV6]:PORT", ":PORT" (loopback), "unix:PATH".
--
-- Decides what counts as loopback, and which Host names a server at an address is called by.
local address = {}

--- Returns {host, port, text, is_unix, is_loopback}, or nil and one line.
---@param text string
function address.parse(text)
  if text:find("^unix:.") then
    return { text = text, is_unix = true, is_loopback = true, host = "unix" }
  end
  local host, port = text:match("^(%[[%x:.]+%]):(%d+)$")
  if not host then
    host, port = text:match("^([%w.-]*):(%d+)$")
  end
  if not host or tonumber(port) > 65535 then
    return nil, ("listen is HOST:PORT, [IPV6]:PORT or unix:PATH, got '%s'"):format(text)
  end
  if host == "" then
    host = "127.0.0.1"
  end
  local is_loopback = host == "localhost" or host == "[::1]"
    or host:find("^127%.%d+%.%d+%.%d+$") ~= nil
  return { text = host .. ":" .. port, host = host, port = tonumber(port),
    is_loopback = is_loopback }
end

--- The names that the Host of a request may have; an empty list admits all. Behind loopback a page
--- of another site could otherwise reach the server by a name of its own (DNS rebinding).
---@param parsed table
---@param extra string[]  option hosts
---@return string[]
function address.admitted_hosts(parsed, extra)
  if not parsed.is_loopback and #extra == 0 then
    return {}
  end
  local names = { "localhost", "127.0.0.1", "[::1]", parsed.host }
  for _, name in ipairs(extra) do
    names[#names + 1] = name
  end
  return names
end

--- Names that Host may have, and origins, as host_admit() wants them.
---@param names string[]
---@return string
function address.names_text(names)
  local parts = {}
  for at, name in ipairs(names) do
    parts[at] = name:lower() .. "\0"
  end
  return table.concat(parts)
end

return address
