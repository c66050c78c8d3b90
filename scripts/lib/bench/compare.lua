-- The comparison of stores as scripts/bench makes it: runs the plan, writes the file of results,
-- and prints its tables. The file is the state of a run that is made in pieces, too.
--
-- A document (format 1) has everything that is printed: `machine`, `options`, `versions`,
-- `missing`, `workloads` with `engines` by name; with a setting `lines`, those of goals.lua; and
-- `state` while groups of workloads are still to be done.
local cjson = require "cjson"
local driver = require "scripts.lib.bench.driver"
local goals = require "scripts.lib.bench.goals"
local machine = require "scripts.lib.bench.machine"
local printer = require "scripts.lib.bench.print"
local report = require "scripts.lib.bench.report"
local session = require "scripts.lib.bench.session"
local svg = require "scripts.lib.bench.svg"

local compare = {}

local FORMAT = 1
-- What the pieces of a run have in common.
local SHARED_OPTIONS = { "n", "ops", "cache_mb", "memory_mb", "compression", "repeats", "setting",
  "threads", "workloads", "engines" }

local function write_file(path, text)
  local file, problem = io.open(path, "wb")
  if not file then
    error("cannot write " .. problem, 0)
  end
  file:write(text)
  file:close()
end

-- Replaces a file at once: a run that is killed leaves the old one or the new one.
local function replace_file(path, text)
  write_file(path .. ".new", text)
  assert(os.rename(path .. ".new", path))
end

--- Reads a document. Returns nil and a line of text when there is none.
---@param path string
---@return table? document, string? problem
function compare.read(path)
  local file, problem = io.open(path, "rb")
  if not file then
    return nil, problem
  end
  local text = file:read("*a")
  file:close()
  local is_read, document = pcall(cjson.decode, text)
  if not is_read or type(document) ~= "table" or document.format ~= FORMAT
    or not document.workloads then
    return nil, path .. " is no result of scripts/bench"
  end
  local options = document.options
  -- Made anew: the goals may have changed since.
  document.lines = options.setting
    and goals.lines(document.workloads, options, options.setting) or nil
  return document
end

local function shared_options(given)
  local options = {}
  for _, name in ipairs(SHARED_OPTIONS) do
    options[name] = given[name]
  end
  return options
end

-- Returns the document of a run, and lines that say where stores disagree.
local function document_of(given, build, run, groups, missing, is_done)
  local rows, differences = report.make(groups, run.results)
  local document = {
    format = FORMAT,
    at = os.date("!%Y-%m-%dT%H:%M:%SZ"),
    machine = machine.describe(given.dir, build),
    options = shared_options(given),
    versions = run.versions,
    missing = missing,
    workloads = rows,
    lines = given.setting and goals.lines(rows, given, given.setting) or nil,
  }
  if not is_done then
    document.state = session.state(run)
    document.state.dir = run.options.dir
  end
  return document, differences
end

local function names_of(document)
  local names = {}
  for _, name in ipairs(document.options.engines) do
    if document.versions[name] then
      names[#names + 1] = name
    end
  end
  return names
end

local function print_about(document)
  local options, about = document.options, document.machine
  print(("N = %.0f rows of 16 + 100 bytes, compression %s, cache of the peers %d MiB, Loam's budget"
    .. " %d MiB, %s"):format(options.n, options.compression, options.cache_mb, options.memory_mb,
    options.repeats == 1 and "one run" or ("medians of %d runs"):format(options.repeats)))
  print(("%s, %s cores, %s, %s, %s; build type %s%s"):format(about.cpu, about.cores, about.memory,
    about.kernel, about.file_system, about.build_type,
    about.sanitizer ~= "unknown" and ", sanitizer " .. about.sanitizer or ""))
  for _, name in ipairs(names_of(document)) do
    print(("%s %s"):format(name, document.versions[name]))
  end
  print()
end

--- Prints the tables of a document.
function compare.print(document)
  local names = names_of(document)
  print_about(document)
  if document.lines then
    printer.goals(io.stdout, document.lines, names)
    print()
  end
  printer.tables(io.stdout, document.workloads, names)
  if document.state then
    print("\nThe run is not complete: --resume goes on with it.")
  end
end

local function draw(document)
  local options = document.options
  local title = ("N = %.0f, compression %s"):format(options.n, options.compression)
  if document.lines then
    return svg.draw_goals(document.lines, ("%s, budget %d MiB"):format(title, options.memory_mb))
  end
  return svg.draw(document.workloads, title)
end

--- Returns the state that a call with --resume goes on from, the document of a complete run, nil
--- when the run begins; or false and a line of text.
function compare.saved_state(given)
  local document, problem = compare.read(given.json)
  if not document then
    local file = io.open(given.json, "rb")
    if file then
      file:close()
      return false, problem
    end
    return nil
  end
  for _, name in ipairs(SHARED_OPTIONS) do
    local mine, its = given[name], document.options[name]
    if cjson.encode { mine } ~= cjson.encode { its } then
      return false, ("%s is of a run with another --%s"):format(given.json, name:gsub("_", "-"))
    end
  end
  return document.state or document
end

local function no_more_than(minutes)
  local begin = os.time()
  return function()
    return minutes ~= nil and os.time() - begin >= minutes * 60
  end
end

local function publish(given, document, differences)
  compare.print(document)
  for _, line in ipairs(differences) do
    io.stderr:write("bench: stores disagree: ", line, "\n")
  end
  if given.svg then
    write_file(given.svg, draw(document))
  end
end

--- Runs the groups and publishes the results. Returns whether all went well, and whether more is to
--- be done.
---@param given table      the options
---@param dir string       where the stores are
---@param build string
---@param engines table[]  {name, program}
---@param missing table    why others cannot run, by name
---@param groups table[]   of plan.make()
---@param saved table?     of compare.saved_state()
function compare.run(given, dir, build, engines, missing, groups, saved)
  local run = session.new(engines, setmetatable({ dir = dir }, { __index = given }), saved)
  local function save(is_done)
    local document, differences = document_of(given, build, run, groups, missing, is_done)
    if given.json and (is_done or given.resume) then
      replace_file(given.json, cjson.encode(document) .. "\n")
    end
    return document, differences
  end
  local hooks = { save = save, is_over = no_more_than(given.minutes) }
  local has_ended, is_done = pcall(session.execute, run, groups, hooks)
  if not has_ended then
    session.finish(run)
    error(is_done, 0)
  end
  local document, differences = save(is_done)
  publish(given, document, differences)
  return #differences == 0 and next(run.failed) == nil, not is_done
end

--- Prints a document again, and draws it where --svg says.
function compare.show(given, document)
  publish(given, document, {})
end

--- Removes the directory of a run.
function compare.remove(dir)
  driver.shell("rm -rf " .. driver.quote(dir))
end

return compare
