-- `loam scrub`: reads every table and compares its hash, at a bounded rate. Exit code 1 when one
-- is damaged. A server does so by itself (scrub_interval_ms).
local arguments = require "loam.cli.parts.arguments"
local command = require "loam.cli.parts.command"
local long = require "loam.cli.parts.long"
local output = require "loam.cli.parts.output"
local store = require "loam.cli.parts.store"

local function setup(parser)
  arguments.place_options(parser)
  arguments.rate(parser)
  long.option(parser)
end

local function run(given)
  store.with(given, store.READ, function(opened)
    local text, err = long.call("scrub", given.progress, function(on_progress)
      return opened:scrub(given.rate or 0, on_progress)
    end)
    if not text then
      long.raise(("scrub of '%s'"):format(opened.path), err)
    end
    output.line(text)
  end)
end

return command.new { summary = "Compare the hash of every table.", setup = setup, run = run }
