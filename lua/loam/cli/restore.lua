-- `loam restore SOURCE TARGET`: makes a database of a backup. Every file is verified before
-- anything is written; a target that holds anything is refused.
local arguments = require "loam.cli.parts.arguments"
local backup_place = require "loam.cli.parts.backup_place"
local command = require "loam.cli.parts.command"
local long = require "loam.cli.parts.long"
local output = require "loam.cli.parts.output"

local function setup(parser)
  parser:argument("source", "Directory of the backups; with --url a name below the server's "
    .. "backups_dir."):argname("SOURCE")
  parser:argument("target", "Directory of the database, absent or empty; with --url a name below "
    .. "backups_dir."):argname("TARGET")
  arguments.url(parser)
  arguments.backup_id(parser)
  long.option(parser)
end

local function run(given)
  backup_place.with(given, function(place)
    local is_done, err = long.call("restore", given.progress, function(on_progress)
      return place:restore(given.source, given.target, given.id, on_progress)
    end)
    if not is_done then
      long.raise("restore", err, true)
    end
    output.line(("'%s' is restored"):format(given.target))
  end)
end

return command.new { summary = "Make a database of a backup.", setup = setup, run = run }
