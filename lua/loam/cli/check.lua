-- `loam check`: verifies every file of a database. Exit code 1 when something is damaged.
local arguments = require "loam.cli.parts.arguments"
local command = require "loam.cli.parts.command"
local failure = require "loam.cli.parts.failure"
local kv = require "kv"
local output = require "loam.cli.parts.output"

local function setup(parser)
  arguments.directory(parser)
end

local function damaged(path, findings)
  output.write(findings, findings:sub(-1) == "\n" and "" or "\n")
  failure.raise(failure.NOT_FOUND, "the database '%s' is damaged", path)
end

local function run(given)
  local path = arguments.directory_of(given)
  local db, err, code = kv.open(path, { create = false, read_only = true })
  if not db and code == "CORRUPT" then
    damaged(path, err.text)
  elseif not db then
    failure.runtime("cannot open the database '%s': %s", path, failure.line(err))
  end
  local is_sound, report
  is_sound, report, code = db:check()
  db:close()
  if is_sound then
    output.write(report)
    return output.line("no damage found")
  elseif code ~= "CORRUPT" then
    failure.runtime("cannot check the database '%s': %s", path, failure.line(report))
  end
  damaged(path, report.report ~= "" and report.report or report.text)
end

return command.new { summary = "Verify every file of a database.", setup = setup, run = run }
