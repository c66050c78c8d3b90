-- The package catalogue of this machine in a Loam database: loads it, answers questions.
--
--     luajit examples/packages.lua DATA load
--     luajit examples/packages.lua DATA search lib
--
-- Works under plain luajit and under `loam run`. Errors of use end with exit code 2, others with 1.
local here = arg[0]:match("^(.*)/[^/]*$") or "."
package.path = ("%s/?.lua;%s/../bindings/?.lua;%s/../bindings/?/init.lua;%s"):format(here, here,
  here, package.path)

local catalogue = require "catalogue"
local kv = require "kv"

local USAGE = [[
Usage: packages.lua DATA COMMAND [ARGUMENT...]

  load                     the catalogue of this machine: apt-cache dumpavail, else dpkg's status
  load FILE                a file in the same format; - is standard input
  load --command 'LINE'    what a command prints
  search PREFIX [LIMIT]    packages whose names begin so
  show NAME                one package
  section NAME [LIMIT]     packages of a section
  sections                 sections and their numbers of packages
  maintainers [LIMIT]      who maintains most
]]
local LIMIT_DEFAULT = 10

local function fail(exit_code, text)
  io.stderr:write("packages: ", tostring(text), "\n")
  os.exit(exit_code, true)
end

local function limit_of(text)
  local limit = text == nil and LIMIT_DEFAULT or tonumber(text)
  if not limit or limit < 1 or limit % 1 ~= 0 then
    fail(2, ("LIMIT is a whole number of at least 1, got '%s'"):format(text))
  end
  return limit
end

-- ---- Loading ----

-- Returns what to read, what to call it, and whether it must end in the mark of completeness.
local function open_source(word, command)
  if word == "--command" then
    if not command then
      fail(2, "load --command needs the command; see --help")
    end
    return catalogue.open_command(command), command, true
  elseif word == "-" then
    return io.stdin, "standard input", false
  elseif word then
    local file, message = io.open(word, "rb")
    if not file then
      error("cannot read " .. message, 0)
    end
    return file, word, false
  end
  return catalogue.open_command(catalogue.COMMAND .. " 2>/dev/null"), catalogue.COMMAND, true
end

local function load_one(db, file, name, must_be_complete)
  local count, removed = catalogue.load(db, file, must_be_complete)
  file:close()
  if count > 0 then
    print(("%d packages of '%s' loaded, %d rows of earlier loads removed"):format(count, name,
      removed))
  end
  return count
end

local function load_catalogue(db, word, command)
  local file, name, must_be_complete = open_source(word, command)
  local is_own_choice = word == nil
  local is_ok, result = pcall(load_one, db, file, name, must_be_complete)
  if is_ok and result > 0 then
    return
  elseif not is_own_choice then
    error(is_ok and ("'%s' holds no packages"):format(name) or result, 0)
  end
  file = io.open(catalogue.STATUS_FILE, "rb")
  if not file or load_one(db, file, catalogue.STATUS_FILE, false) == 0 then
    error("this machine has no package catalogue; name a file: load FILE", 0)
  end
end

-- ---- Questions ----

local function describe(name, paragraph)
  print(("%-32s %-16s %s"):format(name, catalogue.field(paragraph, "Version") or "",
    catalogue.field(paragraph, "Description") or ""))
end

local function search(buckets, prefix, limit)
  for name, paragraph in buckets.packages:scan { prefix = prefix, limit = limit_of(limit) } do
    describe(name, paragraph)
  end
end

local function show(buckets, name)
  local paragraph = buckets.packages:get(name)
  if not paragraph then
    error(("no package '%s'"):format(name), 0)
  end
  print(paragraph)
end

local function section(buckets, name, limit)
  local prefix = kv.key.pack(name)
  for key, description in buckets.by_section:scan { prefix = prefix, limit = limit_of(limit) } do
    local _, package_name = kv.key.unpack(key)
    print(("%-32s %s"):format(package_name, description))
  end
end

local function sections(buckets)
  for name, count in catalogue.sections(buckets) do
    print(("%6d  %s"):format(count, name))
  end
end

local function maintainers(buckets, limit)
  for _, one in ipairs(catalogue.top_maintainers(buckets, limit_of(limit))) do
    print(("%6d  %s"):format(one.packages, one.name))
  end
end

local QUESTIONS = { search = search, show = show, section = section, sections = sections,
  maintainers = maintainers }
local NEEDS = { search = "PREFIX", show = "NAME", section = "NAME" }

-- What can be told to be wrong before the database is opened.
local function check(command, first, second)
  if not (command == "load" or QUESTIONS[command]) then
    fail(2, ("unknown command '%s'; see --help"):format(command))
  elseif NEEDS[command] and (first == nil or first == "") then
    fail(2, NEEDS[command] .. " is missing; see --help")
  elseif command == "maintainers" then
    limit_of(first)
  elseif NEEDS[command] then
    limit_of(second)
  end
end

local function run(path, command, ...)
  local is_load = command == "load"
  local db = assert(kv.open(path, { create = is_load, read_only = not is_load }))
  if is_load then
    load_catalogue(db, ...)
  else
    local buckets = assert(catalogue.buckets(db))
    QUESTIONS[command](buckets, ...)
  end
  assert(db:close())
end

local path, command = arg[1], arg[2]
if path == "--help" or path == "-h" then
  io.write(USAGE)
elseif not path or not command then
  fail(2, "DATA and COMMAND are missing; see --help")
else
  check(command, arg[3], arg[4])
  local is_ok, problem = pcall(run, path, command, unpack(arg, 3))
  if not is_ok then
    fail(1, problem)
  end
end
