-- The configuration: file, environment, flags, checked against one table of options.
--
--     local config, message = config.load { file = "loam.yaml", flags = { workers = 2 } }
--     config.values.workers   config:rows()
--
-- Flags win over the environment, the environment over the file, the file over defaults. Unknown
-- names and bad values are one line that names the option, its source, the rule and what came.
local file = require "loam.config.file"
local options = require "loam.config.options"
local suggest = require("kv.options").nearest
local units = require "loam.config.units"

local config = {}
local methods = {}
local metatable = { __name = "config", __index = methods }

local TRUE = { ["1"] = true, ["true"] = true, yes = true, on = true }
local FALSE = { ["0"] = true, ["false"] = true, no = true, off = true }

-- ---- Values ----

local convert = {}

function convert.string(_, given)
  if type(given) == "number" then
    return ("%.14g"):format(given)
  end
  return type(given) == "string" and given or nil, "a text"
end

function convert.boolean(_, given)
  if type(given) == "boolean" then
    return given
  end
  local word = tostring(given):lower()
  if TRUE[word] then
    return true
  elseif FALSE[word] then
    return false
  end
  return nil, "true or false"
end

function convert.integer(_, given)
  local value = tonumber(given)
  if type(given) == "string" and not given:find("^%s*[+-]?%d+%s*$") then
    value = nil
  end
  return value and value % 1 == 0 and value or nil, "a whole number"
end

function convert.size(_, given)
  if type(given) == "number" then
    return convert.integer(nil, given)
  elseif type(given) ~= "string" then
    return nil, "a size such as 64MiB"
  end
  return units.size(given)
end

function convert.duration(_, given)
  if type(given) == "number" then
    return convert.integer(nil, given)
  elseif type(given) ~= "string" then
    return nil, "a duration such as 100ms or 5s"
  end
  return units.duration(given)
end

function convert.enum(option, given)
  for _, word in ipairs(option.values) do
    if word == given then
      return word
    end
  end
  return nil, "one of " .. table.concat(option.values, ", ")
end

function convert.list(_, given)
  if type(given) == "string" then
    local list = {}
    for word in given:gmatch("[^,%s]+") do
      list[#list + 1] = word
    end
    return list
  elseif type(given) ~= "table" then
    return nil, "a list of texts"
  end
  for _, one in ipairs(given) do
    if type(one) ~= "string" then
      return nil, "a list of texts"
    end
  end
  return given
end

--- A value as text: "64MiB", "5s", "a, b".
function config.text_of(option, value)
  if option.type == "size" then
    return units.size_text(value)
  elseif option.type == "duration" then
    return units.duration_text(value)
  elseif option.type == "list" then
    return table.concat(value, ", ")
  elseif type(value) == "number" then
    return ("%.14g"):format(value)
  end
  return tostring(value)
end

local function shown(given)
  if type(given) == "table" then
    return "a table"
  end
  return type(given) == "string" and "'" .. given .. "'" or tostring(given)
end

-- Returns the value of an option, or nil and one line.
local function check(option, given, source)
  local value, wanted = convert[option.type](option, given)
  if value == nil then
    return nil, ("%s: %s is %s, got %s"):format(source, option.name, wanted, shown(given))
  elseif type(value) == "number" and (value < option.min or value > option.max) then
    return nil, ("%s: %s is %s to %s, got %s"):format(source, option.name,
      config.text_of(option, option.min), config.text_of(option, option.max), shown(given))
  end
  return value
end

-- ---- Sources ----

local function unknown(source, name, names)
  local near = type(name) == "string" and suggest(name, names)
  return ("%s: unknown option '%s'%s"):format(source, tostring(name),
    near and "; did you mean '" .. near .. "'?" or "; `loam config` lists all")
end

local function set(self, option, given, source)
  local value, message = check(option, given, source)
  if value == nil then
    return message
  end
  self.values[option.name] = value
  self.sources[option.name] = source
end

local function sorted_names(values)
  local names = {}
  for name in pairs(values) do
    names[#names + 1] = name
  end
  table.sort(names, function(a, b) return tostring(a) < tostring(b) end)
  return names
end

local function add_file(self, path, getenv)
  local values, message = file.read(path, getenv)
  if not values then
    return message
  end
  local seen = {}
  for _, name in ipairs(sorted_names(values)) do
    local option = options.by_name[name] or options.by_alias[name]
    if not option then
      return unknown(path, name, options.by_name)
    elseif seen[option] then
      return ("%s: %s and %s mean the same: give one"):format(path, seen[option], name)
    end
    seen[option] = name
    message = set(self, option, values[name], path)
    if message then
      return message
    end
  end
end

-- PORT changes the port of whatever address there is.
local function add_port(self, getenv)
  local port = getenv("PORT")
  if not port or port == "" or self.sources.listen == "environment LOAM_LISTEN" then
    return
  end
  local number = tonumber(port)
  if not port:find("^%d+$") or number > 65535 then
    return "environment PORT: the port is 0 to 65535, got " .. shown(port)
  end
  local host = self.values.listen:match("^(.*):[^:]*$") or "127.0.0.1"
  self.values.listen = host .. ":" .. port
  self.sources.listen = "environment PORT"
end

local function check_environment_names(environ)
  for _, name in ipairs(environ or {}) do
    if name:find("^LOAM_") and not options.by_env[name] and not config.OTHER_ENV[name] then
      return unknown("environment", name, options.by_env)
    end
  end
end

local function add_environment(self, getenv, environ)
  local message = check_environment_names(environ)
  -- The option's own name last, so that it wins over other programs' names for it.
  local names = sorted_names(options.by_env)
  table.sort(names, function(a, b)
    local is_own_a, is_own_b = a:find("^LOAM_") ~= nil, b:find("^LOAM_") ~= nil
    if is_own_a ~= is_own_b then
      return is_own_b
    end
    return a < b
  end)
  for _, name in ipairs(names) do
    local given = getenv(name)
    if not message and given and given ~= "" then
      message = set(self, options.by_env[name], given, "environment " .. name)
    end
  end
  return message or add_port(self, getenv)
end

local function add_flags(self, flags)
  for _, name in ipairs(sorted_names(flags)) do
    local option = options.by_name[name]
    if not option then
      return unknown("flag", name, options.by_name)
    end
    local message = set(self, option, flags[name], "flag --" .. name:gsub("_", "-"))
    if message then
      return message
    end
  end
end

-- Environment names that are ours and no options.
config.OTHER_ENV = { LOAM_TRACEBACK = true, LOAM_BUILD_DIR = true, LOAM_KEEP = true,
  LOAM_REWRITE = true, LOAM_URL = true, LOAM_DEBUG = true, LOAM_TOKEN = true,
  LOAM_GUARDS_OFF = true, LOAM_TEST_TIMEOUT = true, LOAM_TEST_RUNNING = true }

-- ---- Loading ----

--- Returns the configuration, or nil and one line.
---@param given {file?: string, flags?: table, getenv?: function, environ?: string[]}
function config.load(given)
  local self = setmetatable({ values = {}, sources = {} }, metatable)
  for _, option in ipairs(options.list) do
    self.values[option.name] = option.default
    self.sources[option.name] = "default"
  end
  local getenv = given.getenv or os.getenv
  local message = given.file and add_file(self, given.file, getenv)
  message = message or add_environment(self, getenv, given.environ)
  message = message or add_flags(self, given.flags or {})
  if message then
    return nil, message
  end
  return self
end

--- One row per option: {name, value, text, unit, source, help}.
function methods:rows()
  local rows = {}
  for at, option in ipairs(options.list) do
    local value = self.values[option.name]
    rows[at] = {
      name = option.name,
      value = value,
      text = config.text_of(option, value),
      unit = option.unit,
      source = self.sources[option.name],
      help = option.help,
    }
  end
  return rows
end

return config
