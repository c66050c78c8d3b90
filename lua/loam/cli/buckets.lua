-- `loam buckets`: lists, makes and drops buckets.
local arguments = require "loam.cli.parts.arguments"
local columns = require "loam.cli.parts.columns"
local command = require "loam.cli.parts.command"
local failure = require "loam.cli.parts.failure"
local json = require "loam.json"
local output = require "loam.cli.parts.output"
local store = require "loam.cli.parts.store"

local function setup(parser)
  parser:argument("action", "list, create or drop. Default: list."):args("?")

    :choices { "list", "create", "drop" }:argname("ACTION")
  parser:argument("name", "The bucket to create, or to drop with all its rows."):args("?")
  arguments.place_options(parser)
  arguments.option(parser, "-t", "--ttl",
    "create: default seconds to live of its rows."):argname("SECONDS")
    :convert(arguments.seconds)
  arguments.option(parser, "-m", "--merge",
    "create: what a merge does: add, max, min, append."):argname("MERGE")
    :choices { "add", "max", "min", "append" }
  parser:flag("--json", "list: one JSON object per line.")
end

local function print_list(buckets, is_json)
  if is_json then
    for _, bucket in ipairs(buckets) do
      output.line(json.encode { name = bucket.name, ttl = bucket.ttl, merge = bucket.merge })
    end
    return
  end
  local rows = { { "name", "ttl", "merge" } }
  for _, bucket in ipairs(buckets) do
    local ttl = bucket.ttl and bucket.ttl > 0 and ("%.14g"):format(bucket.ttl) or "-"
    local merge = bucket.merge ~= "none" and bucket.merge or "-"
    rows[#rows + 1] = { bucket.name, ttl, merge }
  end
  for _, line in ipairs(columns.lines(rows)) do
    output.line(line)
  end
end

local function check_name(given)
  if given.action == "list" then
    if given.name then
      failure.usage("buckets list takes no name")
    end
  elseif not given.name then
    failure.usage("buckets %s: the name is missing", given.action)
  elseif #given.name > 64 or given.name:find("[^%w._-]") then
    failure.usage("a bucket name is 1 to 64 of A-Z a-z 0-9 . _ -, got '%s'", given.name)
  end
end

local function run(given)
  given.action = given.action or "list"
  check_name(given)
  local mode = ({ list = store.READ, create = store.WRITE, drop = store.CHANGE })[given.action]
  store.with(given, mode, function(opened)
    if given.action == "create" then
      opened:create_bucket(given.name, given)
    elseif given.action == "drop" then
      opened:drop_bucket(given.name)
    else
      print_list(opened:buckets(), given.json)
    end
  end)
end

return command.new { summary = "List, create and drop buckets.", setup = setup, run = run }
