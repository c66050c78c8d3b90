-- Lua values as text, for expressions in the shell.
local escape = require "loam.cli.parts.escape"

local show = {}
local DEPTH_MAX = 4
local ITEMS_MAX = 100

local function number_text(number)
  if number % 1 == 0 and math.abs(number) < 2 ^ 53 then
    return ("%.0f"):format(number)
  end
  return ("%.14g"):format(number)
end

local function compare(left, right)
  if type(left) == type(right) and (type(left) == "number" or type(left) == "string") then
    return left < right
  end
  return type(left) < type(right) or type(left) == type(right) and tostring(left) < tostring(right)
end

local function sorted_keys(value)
  local keys = {}
  for key in pairs(value) do
    keys[#keys + 1] = key
  end
  table.sort(keys, compare)
  return keys
end

local function key_text(key, at)
  if key == at then
    return ""
  elseif type(key) == "string" and key:find("^[%a_][%w_]*$") then
    return key .. " = "
  end
  return "[" .. show.value(key) .. "] = "
end

local function table_text(value, depth)
  if depth >= DEPTH_MAX then
    return "{...}"
  end
  local parts = {}
  for at, key in ipairs(sorted_keys(value)) do
    if at > ITEMS_MAX then
      parts[#parts + 1] = "..."
      break
    end
    parts[#parts + 1] = key_text(key, at) .. show.value(value[key], depth + 1)
  end
  return #parts > 0 and "{ " .. table.concat(parts, ", ") .. " }" or "{}"
end

--- One value as text on one line.
---@param value any
---@return string
function show.value(value, depth)
  local kind = type(value)
  if kind == "string" then
    return escape.quoted(value)
  elseif kind == "number" then
    return number_text(value)
  elseif kind == "table" and not (getmetatable(value) or {}).__tostring then
    return table_text(value, depth or 0)
  end
  return escape.text(tostring(value))
end

--- The results of a call, with commas.
---@param count number
function show.values(count, ...)
  local parts = {}
  for at = 1, count do
    parts[at] = show.value((select(at, ...)))
  end
  return table.concat(parts, ", ")
end

return show
