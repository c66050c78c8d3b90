-- `loam scan`: the rows of a range, one per line.
local arguments = require "loam.cli.parts.arguments"
local command = require "loam.cli.parts.command"
local escape = require "loam.cli.parts.escape"
local output = require "loam.cli.parts.output"
local rows = require "loam.cli.parts.rows"
local store = require "loam.cli.parts.store"

local function setup(parser)
  arguments.store(parser)
  arguments.range(parser)
  parser:flag("-r --reverse", "From the last key to the first.")
  parser:flag("-k --keys-only", "No values.")
  parser:flag("-c --count", "Only how many rows there are.")
  arguments.escaped(parser)
  arguments.option(parser, "-o", "--output",
    "escaped: key, tab, value, with \\xNN \\t \\n \\\\; raw: the same "
    .. "without escapes; json: one object per line.")
    :choices { "escaped", "raw", "json" }:argname("FORM")
    :default("escaped")
  parser:flag("--json", "The same as --output json.")
end

local function same(bytes)
  return bytes
end

local function print_rows(opened, range, form)
  local text = form == "raw" and same or escape.text
  for row in opened:scan(range) do
    if form == "json" then
      output.write(rows.text(row))
    elseif range.keys_only then
      output.line(text(row.key))
    else
      output.line(text(row.key), "\t", text(row.value))
    end
  end
end

local function run(given)
  local range = arguments.range_of(given)
  local form = given.json and "json" or given.output
  store.with(given, store.READ_ONCE, function(opened)
    if not given.count then
      return print_rows(opened, range, form)
    end
    local count = opened:count(range)
    output.line((form == "json" and "{\"count\":%.0f}" or "%.0f"):format(count))
  end)
end

return command.new { summary = "Print the rows of a range.", setup = setup, run = run }
