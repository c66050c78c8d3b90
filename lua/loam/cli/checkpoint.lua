-- `loam checkpoint TARGET`: a copy that is a database of its own, equal to one commit point.
local arguments = require "loam.cli.parts.arguments"
local command = require "loam.cli.parts.command"
local long = require "loam.cli.parts.long"
local output = require "loam.cli.parts.output"
local store = require "loam.cli.parts.store"

local function setup(parser)
  parser:argument("target", "Directory of the copy, absent or empty; with --url a name below the "
    .. "server's backups_dir."):argname("TARGET")
  arguments.place_options(parser)
  long.option(parser)
end

local function run(given)
  store.with(given, store.READ, function(opened)
    local seq, err = long.call("checkpoint", given.progress, function(on_progress)
      return opened:checkpoint(given.target, on_progress)
    end)
    if not seq then
      long.raise("checkpoint", err, true)
    end
    output.line(("'%s' equals sequence number %.0f"):format(given.target, seq))
  end)
end

return command.new { summary = "Copy a database to a new directory.", setup = setup, run = run }
