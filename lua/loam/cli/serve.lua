-- `loam serve [app.lua]`: the server.
local settings = require "loam.cli.settings"

local serve = { summary = "Serve a store over HTTP, with the routes of app.lua." }
local EXIT_USAGE = 2

function serve.setup(parser)
  parser:argument("app", "Lua file with routes and timers of your own."):args("?")
  settings.add(parser)
end

function serve.run(arguments)
  local loaded, message = settings.load(arguments)
  if not loaded then
    return require("loam.cli").fail(message, EXIT_USAGE)
  end
  return require("loam.server").run(loaded, arguments.app)
end

return serve
