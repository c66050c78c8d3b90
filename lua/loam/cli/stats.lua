-- `loam stats`: what a database says of itself.
local arguments = require "loam.cli.parts.arguments"
local command = require "loam.cli.parts.command"
local json = require "loam.json"
local output = require "loam.cli.parts.output"
local stats_text = require "loam.cli.parts.stats_text"
local store = require "loam.cli.parts.store"

local function setup(parser)
  arguments.place_options(parser)
  parser:flag("--json", "One JSON object.")
end

local function run(given)
  local stats = store.with(given, store.READ, function(opened) return opened:stats() end)
  if given.json then
    return output.line(json.encode(stats))
  end
  for _, line in ipairs(stats_text.lines(stats)) do
    output.line(line)
  end
end

return command.new { summary = "Print statistics and latencies.", setup = setup, run = run }
