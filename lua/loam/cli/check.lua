-- `loam check`: verifies every file of a database. Exit code 1 when something is damaged.
local arguments = require "loam.cli.parts.arguments"
local command = require "loam.cli.parts.command"
local failure = require "loam.cli.parts.failure"
local kv = require "kv"
local long = require "loam.cli.parts.long"
local report = require "loam.cli.parts.report"
local store = require "loam.cli.parts.store"

local function setup(parser)
  arguments.place_options(parser)
  parser:flag("--json", "One JSON object.")
  long.option(parser)
end

local function print_damage(where, findings, is_json)
  report.print(findings, "damage found", is_json, { is_sound = false })
  failure.raise(failure.NOT_FOUND, "the database '%s' is damaged", where)
end

-- A damaged manifest or log is found by opening.
local function check_opens(path, is_json)
  local db, err, code = kv.open(path, { create = false, read_only = true })
  if not db and code == "CORRUPT" then
    print_damage(path, "damaged  " .. err.text .. "\n", is_json)
  elseif db then
    db:close()
  end
end

local function run(given)
  local url, path = arguments.place(given)
  if not url then
    check_opens(path, given.json)
  end
  store.with(given, store.READ, function(opened)
    local is_sound, found, code = long.call("check", given.progress, function(on_progress)
      return opened:check(on_progress)
    end)
    if is_sound then
      return report.print(found, "no damage found", given.json, { is_sound = true })
    elseif code ~= "CORRUPT" then
      long.raise(("check of '%s'"):format(opened.path), found)
    end
    print_damage(opened.path, found.report ~= "" and found.report or found.text, given.json)
  end)
end

return command.new { summary = "Verify every file of a database.", setup = setup, run = run }
