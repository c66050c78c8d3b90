-- What a write leaves on the disk: in the log alone, or spilled to tables, in each durability.
--
--     luajit examples/durability.lua [DIRECTORY]
--
-- For each durability a child process opens a store, writes few rows (they stand in the log only),
-- then many with a memtable of 64 KiB (they spill to tables in the background), lists the files
-- after each step and is killed without closing. The parent opens what is left: a kill takes
-- nothing from any of the three. What a power cut may take is the distance between `seq` and
-- `durable_seq`. After a crash sequence numbers go on with a leap, so that none is given out twice.
--
-- DIRECTORY (a new one below /tmp when absent) must not exist yet and is removed at the end.
local here = arg[0]:match("^(.*)/[^/]*$") or "."
package.path = ("%s/../bindings/?.lua;%s/../bindings/?/init.lua;%s"):format(here, here,
  package.path)

local ffi = require "ffi"
local kv = require "kv"

ffi.cdef [[
int fork(void);
int getpid(void);
int kill(int pid, int signal);
int waitpid(int pid, int *status, int options);
]]

local FEW, MANY = 100, 20000
local SIGKILL = 9
local OPTIONS = { memtable_bytes = 64 * 1024, memory_bytes = 8 * 1024 * 1024 }

local function quote(word)
  return "'" .. word:gsub("'", "'\\''") .. "'"
end

local function list_files(directory)
  local pipe = assert(io.popen("ls -l " .. quote(directory)))
  local kinds, names = {}, {}
  for line in pipe:lines() do
    local size, name = line:match("^%S+%s+%S+%s+%S+%s+%S+%s+(%d+).-(%S+)$")
    if name then
      local kind = name:match("%.(%w+)$") or name:match("^%a+")
      if not kinds[kind] then
        kinds[kind] = { count = 0, bytes = 0 }
        names[#names + 1] = kind
      end
      kinds[kind].count = kinds[kind].count + 1
      kinds[kind].bytes = kinds[kind].bytes + tonumber(size)
    end
  end
  pipe:close()
  table.sort(names)
  for _, kind in ipairs(names) do
    print(("    %-10s %3d file(s) %9d bytes"):format(kind, kinds[kind].count, kinds[kind].bytes))
  end
end

local function describe(what, db, directory)
  print(("  %s: %d rows, seq %d, durable_seq %d"):format(what, assert(db:count()), db:seq(),
    db:durable_seq()))
  list_files(directory)
end

local function open(directory, durability)
  local options = { durability = durability }
  for name, value in pairs(OPTIONS) do
    options[name] = value
  end
  return assert(kv.open(directory, options))
end

local function write(db, from, count)
  for at = from, from + count - 1, 100 do
    assert(db:batch(function(w)
      for number = at, math.min(at + 99, from + count - 1) do
        w:put(("row:%08d"):format(number), ("value of row %d "):format(number):rep(4))
      end
    end))
  end
end

-- Runs fn in a child that never returns. Returns when the child was killed.
local function in_child(fn)
  io.stdout:flush()
  local pid = ffi.C.fork()
  if pid == 0 then
    pcall(fn)
    ffi.C.kill(ffi.C.getpid(), SIGKILL)
  end
  assert(pid > 0, "fork fails")
  ffi.C.waitpid(pid, nil, 0)
end

local function show(directory, durability)
  print(("durability %s"):format(durability))
  in_child(function()
    local db = open(directory, durability)
    write(db, 1, FEW)
    describe("after few writes: the log holds them", db, directory)
    write(db, FEW + 1, MANY)
    describe("after many writes: spilled to tables", db, directory)
    write(db, FEW + MANY + 1, FEW)
    describe("before kill -9", db, directory)
    io.stdout:flush()
  end)
  local db = open(directory, durability)
  local wanted = FEW + MANY + FEW
  describe("opened again after kill -9", db, directory)
  if db:count() ~= wanted then
    error(("%d rows are there, %d were acknowledged"):format(db:count(), wanted), 0)
  end
  local is_sound, err = db:check()
  print("  check: " .. (is_sound and "every checksum and order holds" or tostring(err)))
  assert(db:close())
  print("  closed: the log is empty or gone, all is in tables")
  list_files(directory)
  assert(kv.destroy(directory))
end

local function run(directory)
  for _, durability in ipairs { "sync", "interval", "os" } do
    show(directory .. "/" .. durability, durability)
  end
end

local function make_directory(path)
  local pipe = assert(io.popen(path and ("mkdir %s && printf %%s %s"):format(quote(path),
    quote(path)) or "mktemp -d"))
  local made = pipe:read("*l")
  pipe:close()
  return made
end

local directory = make_directory(arg[1])
if not directory then
  os.exit(1)
end
local is_ok, problem = pcall(run, directory)
os.execute("rm -rf " .. quote(directory))
if not is_ok then
  io.stderr:write("durability: ", tostring(problem), "\n")
  os.exit(1, true)
end
