-- Checks tables of options. An unknown name is misuse with a suggestion: a typo never means
-- "default".
--
-- A kind is a type name, "whole" (a whole number >= 0), "any", or a table {name = number} of the
-- words that the option takes.
local errors = require "kv.errors"

local options = {}
local misuse = errors.misuse

-- Levenshtein, one row at a time. Names are short, and this runs only before an error.
local function distance(left, right)
  local row = {}
  for column = 0, #right do
    row[column] = column
  end
  for line = 1, #left do
    local diagonal = row[0]
    row[0] = line
    for column = 1, #right do
      local cost = left:byte(line) == right:byte(column) and 0 or 1
      local best = math.min(row[column] + 1, row[column - 1] + 1, diagonal + cost)
      diagonal, row[column] = row[column], best
    end
  end
  return row[#right]
end

local function sorted_names(known)
  local names = {}
  for name in pairs(known) do
    names[#names + 1] = name
  end
  table.sort(names)
  return names
end

--- Returns the name in `known` that is nearest to `name`, or nil when none is near.
---@param name string
---@param known table<string, any>
---@return string?
function options.nearest(name, known)
  local best, best_distance
  for _, candidate in ipairs(sorted_names(known)) do
    local found = distance(name, candidate)
    if not best_distance or found < best_distance then
      best, best_distance = candidate, found
    end
  end
  local allowed = math.max(2, math.floor(#name / 3))
  return best_distance and best_distance <= allowed and best or nil
end

local function suggestion(name, known)
  local near = type(name) == "string" and options.nearest(name, known)
  if near then
    return ("; did you mean '%s'?"):format(near)
  end
  return "; known are " .. table.concat(sorted_names(known), ", ")
end

local function check_word(call, name, value, words)
  if type(value) ~= "string" or not words[value] then
    local came = type(value) == "string" and "'" .. value .. "'" or errors.what_came(value)
    misuse("%s: option '%s' is one of %s, got %s", call, name,
      table.concat(sorted_names(words), ", "), came)
  end
end

local function check_kind(call, name, value, kind)
  if kind == "any" then
    return
  elseif type(kind) == "table" then
    return check_word(call, name, value, kind)
  elseif kind == "whole" then
    if type(value) ~= "number" or value < 0 or value % 1 ~= 0 or value >= 2 ^ 53 then
      local came = type(value) == "number" and tostring(value) or errors.what_came(value)
      misuse("%s: option '%s' is a whole number of at least 0, got %s", call, name, came)
    end
  elseif type(value) ~= kind then
    misuse("%s: option '%s' is a %s, got %s", call, name, kind, errors.what_came(value))
  end
end

--- Raises unless every entry of `given` is known and of its kind.
---@param call string  name of the called function, for messages
---@param given table
---@param known table<string, string|table>
function options.check(call, given, known)
  if type(given) ~= "table" then
    misuse("%s: options are a table, got %s", call, errors.what_came(given))
  end
  for name, value in pairs(given) do
    local kind = known[name]
    if not kind then
      misuse("%s: unknown option '%s'%s", call, tostring(name), suggestion(name, known))
    end
    check_kind(call, name, value, kind)
  end
end

return options
