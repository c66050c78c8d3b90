-- Bytes as text that can be shown and typed, in both directions.
--
-- Text that is valid UTF-8 stays as it is, but for control characters, the double quote (where
-- quoted) and the backslash: \n, \t, \r, \", \\ and \xNN. Any other byte becomes \xNN.
local json = require "loam.json"

local escape = {}

local SHORT = {
  ["\n"] = "\\n", ["\t"] = "\\t", ["\r"] = "\\r", ["\\"] = "\\\\", ["\""] = "\\\"",
}
local LONG = {
  n = "\n", t = "\t", r = "\r", ["\\"] = "\\", ["\""] = "\"", ["'"] = "'", ["0"] = "\0",
}

local function hex(byte)
  return SHORT[byte] or ("\\x%02x"):format(byte:byte())
end

-- A lead byte with what follows it: as many bytes as make a character stay, the rest is escaped.
local function high_bytes(run)
  for size = math.min(4, #run), 2, -1 do
    if json.is_utf8(run:sub(1, size)) then
      return run:sub(1, size) .. run:sub(size + 1):gsub(".", hex)
    end
  end
  return (run:gsub(".", hex))
end

-- Escapes what is neither plain nor part of a character.
local function escape_bytes(bytes, special)
  local text = bytes:gsub(special, hex)
  if not text:find("[\128-\255]") or json.is_utf8(text) then
    return text
  end
  text = text:gsub("[\192-\255][\128-\191]*", function(run)
    return "\0" .. high_bytes(run) .. "\0"
  end)
  -- What stands between the marks of the step before is plain, or stray continuation bytes.
  local out, is_marked = {}, false
  for part in (text .. "\0"):gmatch("(%Z*)%z") do
    out[#out + 1] = is_marked and part or part:gsub("[\128-\255]", hex)
    is_marked = not is_marked
  end
  return table.concat(out)
end

--- Bytes as text without line breaks or control characters.
---@param bytes string
---@return string
function escape.text(bytes)
  return escape_bytes(bytes, "[%z\1-\31\127\\]")
end

--- The same between double quotes.
---@param bytes string
---@return string
function escape.quoted(bytes)
  return "\"" .. escape_bytes(bytes, "[%z\1-\31\127\\\"]") .. "\""
end

--- Bytes as one word that the shell reads back: bare where that is safe, else quoted.
---@param bytes string
---@return string
function escape.word(bytes)
  local is_bare = bytes ~= "" and not bytes:find("[%z\1-\32\127\\\"']") and bytes:byte() ~= 61
    and json.is_utf8(bytes)
  return is_bare and bytes or escape.quoted(bytes)
end

--- The bytes behind escaped text; nil and one line for an escape that there is not.
---@param text string
---@return string? bytes, string? message
function escape.decode(text)
  local problem
  local bytes = text:gsub("\\(.?)(%x?%x?)", function(letter, digits)
    if letter == "x" and #digits == 2 then
      return string.char(tonumber(digits, 16))
    elseif LONG[letter] then
      return LONG[letter] .. digits
    end
    problem = problem or letter
  end)
  if problem == "x" then
    return nil, "\\x is followed by two hex digits"
  elseif problem == "" then
    return nil, "a backslash ends the text; \\\\ is one"
  elseif problem then
    return nil, ("unknown escape \\%s; there are \\n \\t \\r \\\" \\\\ \\xNN"):format(problem)
  end
  return bytes
end

return escape
