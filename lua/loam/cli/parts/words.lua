-- Splits a line of the shell into words.
--
-- Words stand between blanks. One that begins with a double quote ends with the next one and may
-- hold blanks and escapes (escape.lua); between single quotes everything is itself. A quote inside
-- a bare word is a character like any other: set k {"a":1} needs no quoting.
local escape = require "loam.cli.parts.escape"

local words = {}

-- The end of a double-quoted word: the first quote that no backslash escapes.
local function closing_quote(line, from)
  local at = from
  while true do
    local found = line:find("[\"\\]", at)
    if not found then
      return nil
    elseif line:byte(found) == 34 then
      return found
    end
    at = found + 2
  end
end

local function quoted_word(line, from)
  local is_double = line:byte(from) == 34
  local finish = is_double and closing_quote(line, from + 1)
    or not is_double and line:find("'", from + 1, true)
  if not finish then
    return nil, ("the quote at column %d is not closed"):format(from)
  elseif finish < #line and not line:find("^%s", finish + 1) then
    return nil, ("a blank is missing behind the quote at column %d"):format(finish)
  end
  local text = line:sub(from + 1, finish - 1)
  if not is_double then
    return text, finish + 1
  end
  local bytes, message = escape.decode(text)
  return bytes, bytes and finish + 1 or message
end

--- Returns the words of a line, or nil and one line.
---@param line string
---@return string[]? words, string? message
function words.split(line)
  local list, at = {}, line:match("^%s*()")
  while at <= #line do
    local word, next_at
    if line:find("^[\"']", at) then
      word, next_at = quoted_word(line, at)
      if not word then
        return nil, next_at
      end
    else
      word, next_at = line:match("^(%S+)()", at)
    end
    list[#list + 1] = word
    at = line:match("^%s*()", next_at)
  end
  return list
end

return words
