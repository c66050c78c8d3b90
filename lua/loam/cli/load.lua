-- `loam load [FILE]`: rows of an NDJSON or CSV file into a bucket, in batches.
--
-- Every batch is one commit. With --acked a file tells at any time how many rows, counted from the
-- first, are acknowledged: after a crash of either side those rows must be there.
local arguments = require "loam.cli.parts.arguments"
local command = require "loam.cli.parts.command"
local failure = require "loam.cli.parts.failure"
local output = require "loam.cli.parts.output"
local progress = require "loam.cli.parts.progress"
local rows = require "loam.cli.parts.rows"
local source = require "loam.cli.parts.source"
local store = require "loam.cli.parts.store"
local system = require "loam.cli.parts.system"
local units = require "loam.cli.parts.units"

local ROWS_DEFAULT, ROWS_MAX = 1000, 10000
local BATCH_BYTES = 1024 * 1024

local function csv_options(parser)
  parser:option("--separator", "CSV: between fields."):argname("CHAR"):default(","):defmode("u")
    :convert(arguments.separator)
  parser:flag("--no-header", "CSV: the first record is a row.")
  parser:option("--key-column", "CSV: name or number. Default: key."):argname("COLUMN")
  parser:option("--value-column", "CSV: name or number. Default: value."):argname("COLUMN")
  parser:option("--ttl-column", "CSV: seconds to live. Default: ttl, if there is one.")
    :argname("COLUMN")
  parser:option("--expires-column", "CSV: ms since 1970. Default: expires_at_ms, if there is one.")
    :argname("COLUMN")
end

local function setup(parser)
  parser:description("Load rows from a file or standard input.\n\n"
    .. "NDJSON rows are {\"k\":..., \"v\":...}, or k64 and v64 in base64url for bytes that are "
    .. "not UTF-8; also ttl (seconds), expires_at_ms, content_type.")
  parser:argument("file", "The file; - or nothing is standard input."):args("?")
  arguments.store(parser)
  arguments.option(parser, "-F", "--format",
    "ndjson or csv. Default: by the name of the file, else ndjson.")
    :choices { "ndjson", "csv" }:argname("FORMAT")
  csv_options(parser)
  parser:option("--batch", "Rows per commit."):argname("ROWS"):default(tostring(ROWS_DEFAULT))
    :convert(arguments.whole(1, ROWS_MAX))
  parser:option("--durability", "When a batch counts as written: sync, interval, os.")
    :argname("LEVEL")
    :choices { "sync", "interval", "os" }
  parser:option("--acked", "File to keep the number of acknowledged rows in."):argname("FILE")
  parser:flag("--progress", "Show progress, also when this is no terminal.")
  parser:flag("--json", "Print {\"rows\":N,\"expired\":N,\"seconds\":S} at the end.")
end

-- Returns a function that keeps a number in a file, in place: it only ever grows.
local function acknowledgement_file(path)
  if not path then
    return function() end
  end
  local file, message = io.open(path, "wb")
  if not file then
    failure.runtime("cannot open %s", message)
  end
  return function(count)
    local is_written = file:seek("set", 0) and file:write(("%.0f\n"):format(count))
      and file:flush()
    if not is_written then
      failure.runtime("cannot write %s; %d rows are acknowledged", path, count)
    end
  end
end

-- Moves every row from the reader to the loader. Returns how many had expired before.
local function pump(read, loader, on_row)
  local expired = 0
  for row in read do
    if row.expires_at_ms and row.expires_at_ms <= system.wall_ms() then
      expired = expired + 1
    else
      loader:add(row)
    end
    on_row()
  end
  loader:finish()
  return expired
end

-- Bad input ends the load, after the good rows in front of it are written.
local function pump_or_explain(read, loader, on_row)
  local is_ok, result = xpcall(function() return pump(read, loader, on_row) end, command.trace)
  if is_ok then
    return result
  elseif loader.is_broken or not failure.is(result) then
    error(result, 0)
  end
  loader:finish()
  failure.raise(result.exit_code, "%s; the %d rows in front of it are loaded", result.text,
    loader.acknowledged)
end

local function load_into(opened, given, from)
  local line = progress.new("load", { is_shown = progress.is_wanted(given.progress) })
  local acknowledge = acknowledgement_file(given.acked)
  acknowledge(0)
  local loader = opened:loader {
    rows_max = given.batch, bytes_max = BATCH_BYTES, durability = given.durability,
    on_acknowledged = acknowledge,
  }
  local read = rows.reader(from, rows.format(given.format, given.file), given)
  local is_ok, result = xpcall(function()
    return pump_or_explain(read, loader, function()
      line:update(loader.acknowledged, from.done, from.size and from.done / from.size)
    end)
  end, command.trace)
  line:clear()
  if not is_ok then
    error(result, 0)
  end
  return loader.acknowledged, result, line:elapsed()
end

local function run(given)
  local from = source.open(given.file)
  local count, expired, seconds
  store.with(given, store.WRITE, function(opened)
    count, expired, seconds = load_into(opened, given, from)
  end)
  from:close()
  if given.json then
    return output.line(("{\"rows\":%.0f,\"expired\":%.0f,\"seconds\":%.3f}"):format(count, expired,
      seconds))
  end
  local skipped = expired > 0 and (", %s had expired"):format(units.count(expired)) or ""
  output.line(("loaded %s rows in %.1f s (%s/s)%s"):format(units.count(count), seconds,
    units.count(count / math.max(seconds, 0.001)), skipped))
end

return command.new { summary = "Load rows from NDJSON or CSV.", setup = setup, run = run }
