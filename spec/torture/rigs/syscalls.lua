-- System calls that fail or kill: strace answers the N-th call of one kind with an error, or lets
-- SIGKILL strike there, while a process opens a store, writes 100 steps, flushes, compacts and
-- closes; and the same while the next process recovers. What was acknowledged is there afterwards.
--
-- One round takes INJECTIONS places, spread over every N of every kind of call, from a start that
-- the seed gives: rounds with other seeds take other places.
local process = require "spec.torture.process"
local real_store = require "spec.torture.real_store"
local shell = require "spec.support.shell"
local steps = require "spec.torture.steps"
local tmpdir = require "spec.support.tmp"

local INJECTIONS = 30
local STEPS = 100
local STRIDE = 101 -- A prime, so that a round meets all kinds of calls.

local rig = { seconds = 400, about = "strace injects errors and SIGKILL at the N-th system call" }

local CALLS = {
  { name = "fdatasync", errors = { "EIO", "ENOSPC" } },
  { name = "fsync", errors = { "EIO" } },
  { name = "pwrite64", errors = { "ENOSPC", "EIO" } },
  { name = "pread64", errors = { "EIO" } },
  { name = "openat", errors = { "EMFILE", "EIO" }, is_after_lock = true },
  { name = "renameat", errors = { "EIO" } },
  { name = "unlinkat", errors = { "EIO" } },
  { name = "fallocate", errors = { "ENOSPC", "EOPNOTSUPP" } },
  { name = "ftruncate", errors = { "EIO" } },
  { name = "close", errors = { "EIO" }, is_after_lock = true },
  { name = "msync", errors = { "EIO" } },
}

local function run(words, dir, progress, from, to)
  local before = { "env", "TORTURE_FINISH=1" }
  for _, word in ipairs(words) do
    before[#before + 1] = word
  end
  local child = real_store.write(dir, progress, from, to, 7, before)
  child:wait(60000)
end

-- Counts the calls of a run without faults, by name: all, and those before the store is locked.
local function count_calls(base)
  local names = {}
  for index, call in ipairs(CALLS) do
    names[index] = call.name
  end
  local trace = base .. "/trace"
  run({ "strace", "-f", "-qq", "-o", trace, "-e", "trace=" .. table.concat(names, ",") },
    base .. "/counted", base .. "/counted.progress", 1, STEPS)
  local counts, before_lock, is_locked = {}, {}, false
  for line in io.lines(trace) do
    is_locked = is_locked or line:find('"LOCK"', 1, true) ~= nil
    local name = line:match "^%d+ +(%w+)%("
    if name then
      counts[name] = (counts[name] or 0) + 1
      before_lock[name] = (before_lock[name] or 0) + (is_locked and 0 or 1)
    end
  end
  return counts, before_lock
end

-- Every place of a run where a fault can strike: {{call, how, n}, ...}.
local function places(base)
  local counts, before_lock = count_calls(base)
  local list = {}
  for _, call in ipairs(CALLS) do
    -- Files that the program itself needs to start are left alone.
    local first = call.is_after_lock and before_lock[call.name] or 0
    for n = first + 1, counts[call.name] or 0 do
      for _, name in ipairs(call.errors) do
        list[#list + 1] = { call = call.name, how = "error=" .. name, n = n }
      end
      list[#list + 1] = { call = call.name, how = "signal=SIGKILL", n = n }
    end
  end
  return list
end

local function injection(place)
  return { "strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=" .. place.call,
    "-e", ("inject=%s:%s:when=%d"):format(place.call, place.how, place.n) }
end

-- A first life of the store, ended by a kill. Returns the last step that was acknowledged and the
-- first one that was not tried.
local function live_and_die(dir)
  local progress = dir .. ".first"
  local child = real_store.write(dir, progress, 1, 100000, 7)
  process.await("the first steps", 20000, function()
    return steps.read(progress, 1).acked >= 60
  end)
  child:kill(9)
  child:wait(10000)
  local told = real_store.told(progress, 1)
  return told.acked, told.attempted + 1
end

local function tally(context, place, is_recovery, told)
  context:count(("system calls that were made to %s%s"):format(
    place.how:find "SIGKILL" and "kill" or "fail", is_recovery and ", in recovery" or ""))
  if told.failed then
    context:count("after such a failure a write answered " .. told.failed)
  end
end

-- The fault strikes while the store is new, or while it is recovered after a kill.
local function inject(context, base, number, place, is_recovery)
  local dir, from, least = ("%s/db%d"):format(base, number), 1, 0
  if is_recovery then
    least, from = live_and_die(dir)
  end
  local progress = dir .. ".progress"
  run(injection(place), dir, progress, from, from + STEPS - 1)
  local told = steps.read(progress, from)
  local what = ("%s of call %d of %s%s"):format(place.how, place.n, place.call,
    is_recovery and " in recovery" or "")
  local is_finished = told.failed == "UNKNOWN_OUTCOME" or told.failed == "READ_ONLY"
  if is_finished and told.wrote_after then
    error(what .. ": a write after " .. told.failed .. " was acknowledged")
  end
  -- A first life that was killed may have left its last attempt; the second starts behind it.
  local acked = told.acked >= from and told.acked or least
  real_store.verify(dir, acked, math.max(told.attempted, from - 1), what)
  shell.run("rm", "-rf", dir)
  tally(context, place, is_recovery, told)
end

function rig.round(context)
  if shell.script("strace -f -qq -o /dev/null -e inject=fsync:error=EIO:when=1 true").status ~= 0
  then
    context:skip "needs strace that may trace"
  end
  local base = tmpdir()
  local list = places(base)
  for number = 1, INJECTIONS do
    local place = list[(context.seed * INJECTIONS + number) * STRIDE % #list + 1]
    inject(context, base, number, place, number % 2 == 0)
  end
  context:count("places of injection known", #list)
end

return rig
