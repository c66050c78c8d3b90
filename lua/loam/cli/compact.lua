-- `loam compact`: rewrites the tables into as few as possible, and waits for it.
local arguments = require "loam.cli.parts.arguments"
local command = require "loam.cli.parts.command"
local compaction = require "loam.cli.parts.compaction"
local output = require "loam.cli.parts.output"
local store = require "loam.cli.parts.store"

local function setup(parser)
  arguments.place_options(parser)
  parser:flag("--progress", "Show progress, also when this is no terminal.")
end

local function run(given)
  store.with(given, store.CHANGE, function(opened)
    output.line(compaction.run(opened, given.progress))
  end)
end

return command.new { summary = "Compact everything and wait.", setup = setup, run = run }
