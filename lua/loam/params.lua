-- Checks the parameters of a request against those its route declares.
--
-- A declaration is {name, type, min, max, values, default, summary, place = "query" | "path"};
-- types are string, integer, number, flag (1/0/true/false) and bytes (base64url when the request
-- says enc=b64u). What is unknown, malformed or out of bounds is 400 with the name, the rule and
-- what came: a typo may never turn into "scan everything".
local answer = require "loam.answer"
local json = require "loam.json"

local params = {}
local FLAGS = { ["1"] = true, ["true"] = true, ["0"] = false, ["false"] = false }

local function shown(text)
  if not json.is_utf8(text) then
    return "bytes that are not UTF-8"
  end
  return "'" .. (#text > 40 and text:sub(1, 40) .. "..." or text) .. "'"
end

local convert = {}

function convert.string(_, text)
  return text
end

function convert.bytes(_, text)
  return text
end

function convert.flag(param, text)
  if FLAGS[text] == nil then
    return nil, ("%s is 1 or 0, got %s"):format(param.name, shown(text))
  end
  return FLAGS[text]
end

local function bounds_text(param)
  if param.min and param.max then
    return (" from %.16g to %.16g"):format(param.min, param.max)
  end
  return param.min and (" of at least %.16g"):format(param.min) or ""
end

local function is_within(param, value)
  return value >= (param.min or -math.huge) and value <= (param.max or math.huge)
end

function convert.number(param, text)
  local value = text:find("^[+-]?[%d.]+[eE]?[+-]?%d*$") and tonumber(text)
  local is_whole = value and value % 1 == 0
  if not value or param.type == "integer" and not is_whole or not is_within(param, value) then
    local kind = param.type == "integer" and "a whole number" or "a number"
    return nil, ("%s is %s%s, got %s"):format(param.name, kind, bounds_text(param), shown(text))
  end
  return value
end

convert.integer = convert.number

local function check_word(param, value)
  for _, word in ipairs(param.values) do
    if word == value then
      return value
    end
  end
  local words = table.concat(param.values, ", ")
  return nil, ("%s is one of %s, got %s"):format(param.name, words, shown(value))
end

--- Converts one text. Returns the value, or nil and one line.
function params.convert(param, text)
  local value, message = convert[param.type](param, text)
  if value ~= nil and param.values then
    return check_word(param, value)
  end
  return value, message
end

local function declared(route)
  if not route.by_name then
    route.by_name, route.defaults = {}, {}
    for _, param in ipairs(route.params or {}) do
      if param.place ~= "path" then
        route.by_name[param.name] = param
      end
      route.defaults[param.name] = param.default
    end
  end
  return route.by_name, route.defaults
end

local function known_names(by_name)
  local names = {}
  for name in pairs(by_name) do
    names[#names + 1] = name
  end
  table.sort(names)
  return #names > 0 and "it takes " .. table.concat(names, ", ") or "it takes none"
end

--- Returns the checked arguments of a request: query parameters, defaults, and the path's values.
--- Raises an answer when one is wrong.
---@param route table
---@param req table
---@param path_values table<string, string>
---@return table<string, any>
function params.check(route, req, path_values)
  local by_name, defaults = declared(route)
  local args = {}
  for name, value in pairs(defaults) do
    args[name] = value
  end
  for name, text in pairs(req.query) do
    local param = by_name[name]
    if not param then
      answer.refuse(req, "unknown parameter %s: %s", shown(name), known_names(by_name))
    end
    local value, message = params.convert(param, text)
    if value == nil then
      answer.refuse(req, "%s", message)
    end
    args[name] = value
  end
  for name, value in pairs(path_values) do
    args[name] = value
  end
  return args
end

--- Decodes, under enc=b64u, the arguments that hold keys. Raises an answer for text that is not
--- base64url.
function params.decode_keys(req, args, names)
  if args.enc ~= "b64u" then
    return
  end
  for _, name in ipairs(names) do
    if args[name] ~= nil then
      local bytes = json.base64url_decode(args[name])
      if not bytes then
        answer.refuse(req, "%s is not base64url, as enc=b64u says", name)
      end
      args[name] = bytes
    end
  end
end

return params
