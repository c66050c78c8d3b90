-- `loam bench`: a quick look at the speed of a directory or a server.
--
-- Rows go into a bucket of their own, which is dropped afterwards. Comparisons with other stores
-- are the work of scripts/bench.
local arguments = require "loam.cli.parts.arguments"
local columns = require "loam.cli.parts.columns"
local command = require "loam.cli.parts.command"
local output = require "loam.cli.parts.output"
local store = require "loam.cli.parts.store"
local system = require "loam.cli.parts.system"
local units = require "loam.cli.parts.units"

local BUCKET = "loam-bench"
local VALUE_BYTES = 100
local BATCH_BYTES = 1024 * 1024
local GETS_PER_ROW = 0.1

local function setup(parser)
  parser:description("Put, get and scan rows of 16 + 100 bytes in the bucket " .. BUCKET
    .. ", which is dropped at the end. scripts/bench compares with other stores.")
  arguments.place_options(parser)
  arguments.option(parser, "-n", "--rows", "Rows to load."):argname("N"):default("100000")
    :convert(arguments.whole(10, 1e9))
  parser:option("--durability", "Of the load: sync, interval or os."):argname("LEVEL")
    :choices { "sync", "interval", "os" }:default("os")
end

local function key_of(number)
  return ("%016d"):format(number)
end

-- Whole numbers below `limit` in an order that repeats from run to run.
local function shuffler(limit)
  local state = 42
  return function()
    state = state * 16807 % 2147483647
    return math.floor(state / 2147483647 * limit)
  end
end

local function load_rows(opened, given)
  local loader = opened:loader { rows_max = 1000, bytes_max = BATCH_BYTES,
    durability = given.durability, on_acknowledged = function() end }
  local value = ("v"):rep(VALUE_BYTES)
  local next_number = shuffler(given.rows)
  for _ = 1, given.rows do
    loader:add { key = key_of(next_number()), value = value }
  end
  loader:finish()
  return given.rows
end

local function get_rows(opened, given)
  local next_number = shuffler(given.rows)
  local count = math.max(1, math.floor(given.rows * GETS_PER_ROW))
  for _ = 1, count do
    opened:get(key_of(next_number()))
  end
  return count
end

local function scan_rows(opened)
  local count = 0
  for _ in opened:scan {} do
    count = count + 1
  end
  return count
end

local STEPS = {
  { "load, in batches of 1000", load_rows },
  { "get, one by one", get_rows },
  { "scan, all", scan_rows },
}

local function measure(opened, given)
  local rows = { { "workload", "rows", "seconds", "rows/s" } }
  for _, step in ipairs(STEPS) do
    local started = system.monotonic_ms()
    local count = step[2](opened, given)
    local seconds = math.max(0.001, (system.monotonic_ms() - started) / 1000)
    rows[#rows + 1] = { step[1], units.count(count), ("%.2f"):format(seconds),
      units.count(count / seconds) }
  end
  return rows
end

local function run(given)
  store.with(given, store.WRITE, function(opened)
    opened:create_bucket(BUCKET, {})
    opened:use(BUCKET)
    local is_ok, result = xpcall(function() return measure(opened, given) end, command.trace)
    opened:drop_bucket(BUCKET)
    if not is_ok then
      error(result, 0)
    end
    for _, line in ipairs(columns.lines(result, { [2] = true, [3] = true, [4] = true })) do
      output.line(line)
    end
  end)
end

return command.new { summary = "Measure a directory or a server.", setup = setup, run = run }
