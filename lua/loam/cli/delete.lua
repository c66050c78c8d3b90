-- `loam delete KEY...`: removes keys, present or not.
local arguments = require "loam.cli.parts.arguments"
local command = require "loam.cli.parts.command"
local store = require "loam.cli.parts.store"

local function setup(parser)
  parser:argument("keys", "The keys; an absent one is fine."):args("+"):argname("KEY")
  arguments.store(parser)
  arguments.escaped(parser)
end

local function run(given)
  local keys = {}
  for at, word in ipairs(given.keys) do
    keys[at] = arguments.bytes(given, word)
  end
  store.with(given, store.CHANGE, function(opened)
    for _, key in ipairs(keys) do
      opened:delete(key)
    end
  end)
end

return command.new { summary = "Remove keys.", setup = setup, run = run }
