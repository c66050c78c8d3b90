-- `loam get KEY`: the value of a key.
local arguments = require "loam.cli.parts.arguments"
local command = require "loam.cli.parts.command"
local escape = require "loam.cli.parts.escape"
local failure = require "loam.cli.parts.failure"
local output = require "loam.cli.parts.output"
local rows = require "loam.cli.parts.rows"
local store = require "loam.cli.parts.store"

local function setup(parser)
  parser:argument("key", "The key.")
  arguments.store(parser)
  arguments.escaped(parser)
  arguments.option(parser, "-o", "--output",
    "raw: the bytes as they are; escaped: one line with \\xNN; json: "
    .. "with sequence number and expiry. Default: raw, to a terminal escaped where needed.")
    :choices { "raw", "escaped", "json" }:argname("FORM")
  parser:flag("--json", "The same as --output json.")
end

-- To a terminal: text as it is, bytes that could confuse it escaped.
local function show(value)
  if value:find("[%z\1-\8\11-\31\127]") or escape.text(value):find("\\x", 1, true) then
    return output.line(escape.text(value))
  end
  output.write(value, value:sub(-1) == "\n" and "" or "\n")
end

local function run(given)
  local key = arguments.bytes(given, given.key)
  local row = store.with(given, store.READ, function(opened) return opened:get(key) end)
  if not row then
    failure.raise(failure.NOT_FOUND, "key %s not found", escape.quoted(key))
  end
  local form = given.json and "json" or given.output
  if form == "json" then
    output.write(rows.text(row))
  elseif form == "escaped" then
    output.line(escape.text(row.value))
  elseif form == "raw" or not output.is_terminal() then
    output.write(row.value)
  else
    show(row.value)
  end
end

return command.new { summary = "Print the value of a key.", setup = setup, run = run }
