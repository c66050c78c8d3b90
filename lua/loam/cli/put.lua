-- `loam put KEY VALUE`: writes a value.
local arguments = require "loam.cli.parts.arguments"
local command = require "loam.cli.parts.command"
local failure = require "loam.cli.parts.failure"
local output = require "loam.cli.parts.output"
local store = require "loam.cli.parts.store"

local function setup(parser)
  parser:argument("key", "The key.")
  parser:argument("value", "The value; - reads it from standard input."):args("?")
  arguments.store(parser)
  arguments.escaped(parser)
  arguments.option(parser, "-f", "--file", "File that holds the value."):argname("FILE")
  arguments.option(parser, "-t", "--ttl", "Seconds to live; 0 = never expires."):argname("SECONDS")
    :convert(arguments.seconds)
  parser:option("--content-type", "Stored beside the value, sent with it over HTTP.")
    :argname("TYPE")
  parser:option("--durability", "When the write counts as done: sync, interval, os.")
    :argname("LEVEL")
    :choices { "sync", "interval", "os" }
  parser:flag("--json", "Print {\"seq\":N}.")
end

local function read_all(file, name)
  local bytes, message = file:read("*a")
  if not bytes then
    failure.runtime("cannot read %s: %s", name, tostring(message))
  end
  return bytes
end

local function value_of(given)
  if given.file and given.value then
    failure.usage("put: give a value or --file, not both")
  elseif given.file then
    local file, message = io.open(given.file, "rb")
    if not file then
      failure.runtime("cannot open %s", message)
    end
    local bytes = read_all(file, given.file)
    file:close()
    return bytes
  elseif given.value == "-" then
    return read_all(io.stdin, "standard input")
  elseif not given.value then
    failure.usage("put: the value is missing; give it, or - for standard input, or --file FILE")
  end
  return arguments.bytes(given, given.value)
end

local function run(given)
  local row = {
    key = arguments.bytes(given, given.key), value = value_of(given), ttl = given.ttl,
    content_type = given.content_type, durability = given.durability,
  }
  local seq = store.with(given, store.WRITE, function(opened) return opened:put(row) end)
  if given.json then
    output.line(("{\"seq\":%.0f}"):format(seq))
  end
end

return command.new { summary = "Write a value.", setup = setup, run = run }
