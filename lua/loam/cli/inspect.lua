-- `loam inspect FILE`: one log, table, manifest or CURRENT file in readable form.
local command = require "loam.cli.parts.command"
local failure = require "loam.cli.parts.failure"
local kv = require "kv"
local output = require "loam.cli.parts.output"

local function setup(parser)
  parser:argument("file", "A .wal, .sst, MANIFEST or CURRENT file, also of a database in use.")
end

local function run(given)
  local text, err, code = kv.inspect(given.file)
  if not text then
    failure.raise(code == "CORRUPT" and failure.NOT_FOUND or failure.RUNTIME,
      "cannot inspect '%s': %s", given.file, failure.line(err))
  end
  output.write(text, text:sub(-1) == "\n" and "" or "\n")
end

return command.new { summary = "Print a file of a database.", setup = setup, run = run }
