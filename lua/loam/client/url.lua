-- Where a URL of a Loam server leads.
local url = {}
local PORTS = { http = 80, https = 443 }

--- What "http://host[:port]", "https://..." or "unix:PATH" names: {host, port, is_tls}; nil and one
--- line for anything else.
---@param text string
---@return {host: string, port: number, is_tls: boolean}? place, string? message
function url.parse(text)
  if text:find("^unix:.") then
    return { host = text, port = 0, is_tls = false }
  end
  local scheme, rest = text:match("^(%a[%w+.-]*)://(.*)$")
  local bad = ("'%s' is no URL; it looks like http://HOST:PORT or https://HOST:PORT"):format(text)
  if not PORTS[scheme] then
    return nil, bad
  end
  rest = rest:gsub("/$", "")
  local host, port = rest:match("^%[([%x:.]+)%]:?(%d*)$")
  if not host then
    host, port = rest:match("^([%w._-]+):?(%d*)$")
  end
  local number = port == "" and PORTS[scheme] or tonumber(port)
  if not host or not number or number < 1 or number > 65535 then
    return nil, bad
  end
  return { host = host, port = number, is_tls = scheme == "https" }
end

return url
