-- `loam backup TARGET`: adds a backup to a directory of backups, which share the tables that they
-- have in common. `loam backups` looks after them, `loam restore` makes a database of one.
local arguments = require "loam.cli.parts.arguments"
local command = require "loam.cli.parts.command"
local json = require "loam.json"
local long = require "loam.cli.parts.long"
local output = require "loam.cli.parts.output"
local store = require "loam.cli.parts.store"
local units = require "loam.cli.parts.units"

local function setup(parser)
  parser:argument("target", "Directory of the backups, made when absent; with --url a name below "
    .. "the server's backups_dir."):argname("TARGET")
  arguments.place_options(parser)
  parser:mutex(
    parser:flag("--incremental", "Trust the files of earlier backups by number, hash and size. "
      .. "The default."),
    parser:flag("--full", "Read the files of earlier backups again and replace damaged ones."))
  arguments.rate(parser)
  parser:flag("--json", "One JSON object.")
  long.option(parser)
end

local function run(given)
  store.with(given, store.READ, function(opened)
    local made, err = long.call("backup", given.progress, function(on_progress)
      return opened:backup(given.target, given, on_progress)
    end)
    if not made then
      long.raise("backup", err, true)
    elseif given.json then
      return output.line(json.encode { id = made.id, seq = made.seq, bytes = made.bytes,
        new_bytes = made.new_bytes })
    end
    output.line(("backup %.0f in '%s': sequence number %.0f, %s, %s of them new"):format(made.id,
      given.target, made.seq, units.bytes(made.bytes), units.bytes(made.new_bytes)))
  end)
end

return command.new { summary = "Back up a database.", setup = setup, run = run }
