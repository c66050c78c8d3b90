-- Percent-encoding and query strings, on raw text as it came.
--
-- "%XX" is decoded once and "+" stays "+": a key is bytes, not a form field. Used by the router,
-- the requests and the parameters.
local uri = {}

local function byte_of(hex)
  return string.char(tonumber(hex, 16))
end

--- Returns the decoded text, or nil at a bad escape.
---@param text string
---@return string?
function uri.decode(text)
  if not text:find("%", 1, true) then
    return text
  end
  local _, escapes = text:gsub("%%%x%x", "")
  local _, signs = text:gsub("%%", "")
  if escapes ~= signs then
    return nil
  end
  return (text:gsub("%%(%x%x)", byte_of))
end

--- Encodes everything but unreserved characters.
---@param text string
---@return string
function uri.encode(text)
  return (text:gsub("[^%w%-._~]", function(byte) return ("%%%02X"):format(byte:byte()) end))
end

--- Returns the parameters of a raw query as {name = value}. A name given twice, or a bad escape, is
--- nil and one line.
---@param query string
---@return table<string, string>?, string?
function uri.parse_query(query)
  local values = {}
  for pair in query:gmatch("[^&]+") do
    local raw_name, raw_value = pair:match("^([^=]*)=?(.*)$")
    local name, value = uri.decode(raw_name), uri.decode(raw_value)
    if not name or not value then
      return nil, "bad %-escape in the query"
    elseif values[name] then
      return nil, ("parameter '%s' is given twice"):format(name)
    end
    values[name] = value
  end
  return values
end

--- A table of parameters as "?a=1&b=2", sorted; "" when empty. true is 1, false is left out.
---@param query? table<string, string|number|boolean>
---@return string
function uri.query(query)
  local parts = {}
  for name, value in pairs(query or {}) do
    if value ~= nil and value ~= false then
      value = value == true and "1" or type(value) == "number" and ("%.17g"):format(value) or value
      parts[#parts + 1] = name .. "=" .. uri.encode(value)
    end
  end
  table.sort(parts)
  return #parts > 0 and "?" .. table.concat(parts, "&") or ""
end

return uri
