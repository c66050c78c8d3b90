-- Flags of the configuration for commands: --config FILE and one flag per option.
local config = require "loam.config"
local options = require "loam.config.options"

local settings = {}

--- Adds the flags to a parser.
function settings.add(parser)
  parser:option("-c --config", "Configuration file: .lua, .json, .yaml."):argname("FILE")
  for _, option in ipairs(options.list) do
    local flag = (option.name == "data" and "-d " or "") .. "--" .. option.name:gsub("_", "-")
    local default = config.text_of(option, option.default)
    local help = option.help .. (default ~= "" and " Default: " .. default .. "." or "")
    if option.type == "boolean" and not option.default then
      parser:flag(flag, help):target(option.name)
    else
      local words = option.values and table.concat(option.values, "|")
      parser:option(flag, help):target(option.name):argname(words or option.type:upper())
    end
  end
end

-- Names of the environment, so that a misspelt LOAM_ name is an error.
local function environment_names()
  local names = {}
  local file = io.open("/proc/self/environ", "rb")
  if file then
    for name in file:read("*a"):gmatch("([^=%z]+)=[^%z]*%z?") do
      names[#names + 1] = name
    end
    file:close()
  end
  return names
end

--- Loads the configuration that parsed flags ask for. Returns it, or nil and one line.
function settings.load(arguments)
  local flags = {}
  for name in pairs(options.by_name) do
    flags[name] = arguments[name]
  end
  return config.load { file = arguments.config, flags = flags, environ = environment_names() }
end

return settings
