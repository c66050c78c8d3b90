-- `loam config`: the effective value of every option, its unit and where it came from.
local json = require "loam.json"
local settings = require "loam.cli.settings"

local command = { summary = "Print every option with its value, unit and source." }
local EXIT_USAGE = 2

function command.setup(parser)
  parser:flag("--json", "One JSON object per option.")
  settings.add(parser)
end

local function print_table(rows)
  local width, value_width = 0, 0
  for _, row in ipairs(rows) do
    width = math.max(width, #row.name)
    value_width = math.max(value_width, #row.text)
  end
  for _, row in ipairs(rows) do
    local line = ("%-" .. width .. "s  %-" .. value_width .. "s  %-10s  %s"):format(row.name,
      row.text,
      row.unit or "", row.source)
    io.stdout:write(line, "\n")
  end
end

function command.run(arguments)
  local loaded, message = settings.load(arguments)
  if not loaded then
    return require("loam.cli").fail(message, EXIT_USAGE)
  end
  if not arguments.json then
    print_table(loaded:rows())
    return 0
  end
  for _, row in ipairs(loaded:rows()) do
    if type(row.value) == "table" then
      row.value = json.array(row.value)
    end
    io.stdout:write(json.encode(row), "\n")
  end
  return 0
end

return command
