-- `loam backups TARGET`: lists, verifies and deletes the backups of a directory.
local arguments = require "loam.cli.parts.arguments"
local backup_place = require "loam.cli.parts.backup_place"
local columns = require "loam.cli.parts.columns"
local command = require "loam.cli.parts.command"
local failure = require "loam.cli.parts.failure"
local json = require "loam.json"
local long = require "loam.cli.parts.long"
local output = require "loam.cli.parts.output"
local report = require "loam.cli.parts.report"
local units = require "loam.cli.parts.units"

local function setup(parser)
  parser:argument("target", "Directory of the backups; with --url a name below the server's "
    .. "backups_dir."):argname("TARGET")
  parser:argument("action", "list, verify or delete. Default: list."):args("?")
    :choices { "list", "verify", "delete" }:argname("ACTION")
  arguments.url(parser)
  arguments.backup_id(parser)
  parser:flag("--json", "list: one JSON object per line; verify: one.")
  long.option(parser)
end

local function print_list(list, is_json)
  if is_json then
    for _, info in ipairs(list) do
      output.line(json.encode(info))
    end
    return
  end
  local rows = { { "id", "made at", "sequence", "files", "size", "state" } }
  for _, info in ipairs(list) do
    rows[#rows + 1] = { ("%.0f"):format(info.id), os.date("%Y-%m-%d %H:%M:%S", info.created_at),
      ("%.0f"):format(info.seq), ("%.0f"):format(info.file_count), units.bytes(info.bytes),
      info.is_damaged and "damaged" or "listed" }
  end
  for _, line in ipairs(columns.lines(rows)) do
    output.line(line)
  end
end

local function verify(place, given)
  local is_sound, found, code = long.call("verify", given.progress, function(on_progress)
    return place:verify(given.target, given.id, on_progress)
  end)
  if is_sound then
    return report.print(found, "no damage found", given.json, { is_sound = true })
  elseif code == "CORRUPT" and (found.report or "") ~= "" then
    report.print(found.report, "damage found", given.json, { is_sound = false })
  end
  long.raise(("verification of '%s'"):format(given.target), found)
end

local function delete(place, given)
  if not given.id then
    failure.usage("backups delete: say which with --id N; `loam backups %s` lists them",
      given.target)
  end
  local is_done, err = long.call("delete", given.progress, function(on_progress)
    return place:delete(given.target, given.id, on_progress)
  end)
  if not is_done then
    long.raise("deletion", err)
  end
end

local function run(given)
  backup_place.with(given, function(place)
    if given.action == "verify" then
      verify(place, given)
    elseif given.action == "delete" then
      delete(place, given)
    else
      local list, err = place:list(given.target)
      if not list then
        long.raise(("the backups of '%s'"):format(given.target), err)
      end
      print_list(list, given.json)
    end
  end)
end

return command.new { summary = "List, verify and delete backups.", setup = setup, run = run }
