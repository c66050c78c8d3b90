-- Reads a configuration file: Lua, JSON or YAML, told apart by the name's ending.
--
-- ${NAME} and ${NAME:-default} are replaced from the environment before the text is parsed. A Lua
-- file returns a table, or sets globals; it sees nothing but os.getenv, tonumber, tostring and the
-- string and math functions. Every failure is one line with the file's name, and the line where
-- there is one.
local cjson = require "cjson"

local file = {}

local function expand(text, getenv)
  local missing
  text = text:gsub("%${([%w_]+)(:?%-?)([^}]*)}", function(name, mark, default)
    local value = getenv(name)
    if mark == ":-" then
      return value ~= nil and value ~= "" and value or default
    elseif mark ~= "" or default ~= "" then
      return nil
    end
    missing = missing or (not value and name)
    return value
  end)
  if missing then
    return nil, ("${%s} is not set and has no default; write ${%s:-default}"):format(missing,
      missing)
  end
  return text
end

local function line_of(text, position)
  local _, count = text:sub(1, position - 1):gsub("\n", "")
  return count + 1
end

local parse = {}

function parse.json(text)
  local decoder = cjson.new()
  decoder.decode_invalid_numbers(false)
  local is_ok, value = pcall(decoder.decode, text)
  if is_ok then
    return value
  end
  local message = tostring(value)
  local position = tonumber(message:match("at character (%d+)"))
  return nil, message:gsub(" at character %d+", ""), position and line_of(text, position)
end

function parse.yaml(text)
  local has_yaml, lyaml = pcall(require, "lyaml")
  if not has_yaml then
    return nil, "YAML needs the module lyaml (package lua-yaml)"
  end
  local is_ok, value = pcall(lyaml.load, text)
  if is_ok then
    return value
  end
  local message = tostring(value):gsub("%c", " ")
  local line = tonumber(message:match("line:? (%d+)") or message:match("^(%d+):"))
  message = message:gsub("^%d+:%d+: ", "")
  return nil, message, line
end

local function environment(getenv)
  return {
    os = { getenv = getenv }, tonumber = tonumber, tostring = tostring, ipairs = ipairs,
      pairs = pairs,
    math = math, string = string, table = table,
  }
end

function parse.lua(text, name, getenv)
  local globals = environment(getenv)
  local known = {}
  for key in pairs(globals) do
    known[key] = true
  end
  local chunk, message = load(text, "=" .. name, "t", globals)
  local is_ok, value = chunk ~= nil, message
  if chunk then
    is_ok, value = pcall(chunk)
  end
  if not is_ok then
    local line, rest = tostring(value):match(":(%d+): (.*)$")
    return nil, rest or tostring(value), tonumber(line)
  elseif value ~= nil then
    return value
  end
  local set = {}
  for key, one in pairs(globals) do
    if not known[key] then
      set[key] = one
    end
  end
  return set
end

local FORMATS = { lua = parse.lua, json = parse.json, yaml = parse.yaml, yml = parse.yaml }

-- The text of a file with its ${...} replaced, or nil and one line.
local function read_expanded(path, getenv)
  local handle, problem = io.open(path, "rb")
  if not handle then
    return nil, problem
  end
  local text = handle:read("*a")
  handle:close()
  if not text then
    return nil, path .. ": cannot be read: is it a file?"
  end
  local expanded
  expanded, problem = expand(text, getenv)
  return expanded, problem and path .. ": " .. problem
end

--- Returns the table of a configuration file, or nil and one line.
---@param path string
---@param getenv fun(name: string): string?
---@return table? values, string? message
function file.read(path, getenv)
  local format = FORMATS[(path:match("%.(%w+)$") or ""):lower()]
  if not format then
    return nil, path .. ": the name ends in .lua, .json, .yaml or .yml"
  end
  local text, problem = read_expanded(path, getenv)
  if not text then
    return nil, problem
  end
  local values, message, line = format(text, path, getenv)
  if message then
    return nil, ("%s:%s %s"):format(path, line and line .. ":" or "", message)
  elseif values == nil or values == cjson.null then
    return {}
  elseif type(values) ~= "table" or values[1] ~= nil then
    return nil, path .. ": holds no table of options"
  end
  return values
end

return file
