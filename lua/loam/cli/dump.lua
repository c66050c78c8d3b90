-- `loam dump [FILE]`: the rows of a bucket as NDJSON or CSV; `loam load` reads both back.
--
-- A file gets its name only when it is complete.
local arguments = require "loam.cli.parts.arguments"
local command = require "loam.cli.parts.command"
local failure = require "loam.cli.parts.failure"
local output = require "loam.cli.parts.output"
local progress = require "loam.cli.parts.progress"
local rows = require "loam.cli.parts.rows"
local store = require "loam.cli.parts.store"
local units = require "loam.cli.parts.units"

local function setup(parser)
  parser:description("Write rows, from one snapshot, to a file or standard output.\n\n"
    .. "NDJSON keeps expiry and, from a directory, content types; CSV has the columns key, value, "
    .. "expires_at_ms.")
  parser:argument("file", "The file; - or nothing is standard output."):args("?")
  arguments.store(parser)
  arguments.range(parser)
  arguments.escaped(parser)
  arguments.option(parser, "-F", "--format",
    "ndjson or csv. Default: by the name of the file, else ndjson.")
    :choices { "ndjson", "csv" }:argname("FORMAT")
  parser:option("--separator", "CSV: between fields."):argname("CHAR"):default(","):defmode("u")
    :convert(arguments.separator)
  parser:flag("--no-header", "CSV: no line with the names of the columns.")
  parser:flag("--progress", "Show progress, also when this is no terminal.")
end

-- Where rows go: {write, finish, abandon}.
local function file_sink(path)
  local part = path .. ".part"
  local file, message = io.open(part, "wb")
  if not file then
    failure.runtime("cannot open %s", message)
  end
  local function check(is_done, problem)
    if not is_done then
      failure.runtime("cannot write %s: %s", path, tostring(problem))
    end
  end
  return {
    write = function(text) check(file:write(text)) end,
    finish = function()
      check(file:flush())
      check(file:close())
      check(os.rename(part, path))
    end,
    abandon = function()
      pcall(file.close, file)
      os.remove(part)
    end,
  }
end

local function sink_of(path)
  if path and path ~= "-" then
    return file_sink(path)
  end
  return { write = output.write, finish = output.flush, abandon = function() end }
end

-- The share that is done is known for a whole database only: the store estimates its keys.
local function total_of(opened, given)
  if given.bucket ~= "default" or given.prefix or given.from or given.to or given.limit then
    return nil
  end
  local total = opened:stats().key_count_estimate
  return total and total > 0 and total or nil
end

local function write_rows(opened, given, sink)
  local text_of, header = rows.writer(rows.format(given.format, given.file), given)
  local is_shown = progress.is_wanted(given.progress)
  local line = progress.new("dump", { is_shown = is_shown })
  local total = is_shown and total_of(opened, given)
  local count, bytes = 0, 0
  sink.write(header)
  for row in opened:scan(arguments.range_of(given)) do
    local text = text_of(row)
    sink.write(text)
    count, bytes = count + 1, bytes + #text
    line:update(count, bytes, total and count / total)
  end
  line:clear()
  sink.finish()
  return count, line:elapsed()
end

local function run(given)
  store.with(given, store.READ_ONCE, function(opened)
    local sink = sink_of(given.file)
    local is_ok, count, seconds =
      xpcall(function() return write_rows(opened, given, sink) end, command.trace)
    if not is_ok then
      sink.abandon()
      error(count, 0)
    elseif given.file and given.file ~= "-" then
      output.line(("dumped %s rows in %.1f s"):format(units.count(count), seconds))
    end
  end)
end

return command.new { summary = "Write rows as NDJSON or CSV.", setup = setup, run = run }
