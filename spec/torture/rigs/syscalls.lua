-- System calls that fail or kill: strace answers the n-th call of a kind in one thread with an
-- error, or lets SIGKILL strike there, while a process opens a store, writes 100 steps, flushes,
-- compacts and closes; and the same while a process recovers a store that was killed. What was
-- acknowledged is there afterwards.
--
-- A round takes one place of sixteen, by its seed: sixteen rounds with neighbouring seeds take all,
-- up to those that come and go with the timing of threads.
-- Cases: C01 C02 D01 D06 D07 D09 D10 D12.
local inject = require "spec.torture.inject"
local process = require "spec.torture.process"
local real_store = require "spec.torture.real_store"
local shell = require "spec.support.shell"
local steps = require "spec.torture.steps"
local tmpdir = require "spec.support.tmp"

local ROUNDS = 16
local STEPS, SYNC_EVERY = 100, 7

local rig = { seconds = 900, about = "strace injects errors and SIGKILL at the n-th system call" }

local CALLS = {
  { name = "fdatasync", errors = { "EIO", "ENOSPC" } },
  { name = "fsync", errors = { "EIO" } },
  { name = "pwrite64", errors = { "ENOSPC", "EIO", "EINTR" } },
  { name = "pread64", errors = { "EIO", "EINTR" } },
  { name = "openat", errors = { "EMFILE", "EIO" }, is_after_lock = true },
  { name = "mkdir", errors = { "EACCES" } },
  { name = "renameat", errors = { "EIO" } },
  { name = "unlinkat", errors = { "EIO" } },
  { name = "fallocate", errors = { "ENOSPC", "EOPNOTSUPP" } },
  { name = "ftruncate", errors = { "EIO" } },
  { name = "close", errors = { "EIO" }, is_after_lock = true },
  { name = "fcntl", errors = { "ENOLCK" }, is_after_lock = true },
  { name = "msync", errors = { "EIO" } },
  { name = "clone3", errors = { "EAGAIN" } },
}

local names = {}
for index, call in ipairs(CALLS) do
  names[index] = call.name
end
local TRACED = table.concat(names, ",")

-- Counts the calls of a trace by name: all, and those before the store is locked.
local function count_calls(trace)
  local counts, before_lock, is_locked = {}, {}, false
  for line in trace:gmatch "[^\n]+" do
    is_locked = is_locked or line:find('"LOCK"', 1, true) ~= nil
    local name = line:match "^(%w+)%("
    if name then
      counts[name] = (counts[name] or 0) + 1
      before_lock[name] = (before_lock[name] or 0) + (is_locked and 0 or 1)
    end
  end
  return counts, before_lock
end

local function add_places(list, phase, thread, trace)
  local counts, before_lock = count_calls(trace)
  for _, call in ipairs(CALLS) do
    -- Files that the program itself needs to start are left alone.
    local first = thread == "main" and call.is_after_lock and before_lock[call.name] or 0
    for n = first + 1, counts[call.name] or 0 do
      for _, name in ipairs(call.errors) do
        list[#list + 1] = { phase = phase, thread = thread, call = call.name,
          how = "error=" .. name, n = n }
      end
      list[#list + 1] = { phase = phase, thread = thread, call = call.name,
        how = "signal=SIGKILL", n = n }
    end
  end
end

-- A store whose writer was killed, to be copied: {dir, acked, from = the first step of another
-- life}. Whether the step that was under way is there, a copy tells: another life must neither
-- leave a step out nor write one twice.
local function live_and_die(dir)
  local progress = dir .. ".progress"
  local child = real_store.write(dir, progress, 1, 100000, SYNC_EVERY)
  process.await("the first steps", 20000, function()
    return steps.read(progress, 1).acked >= 160
  end)
  child:kill(9)
  child:wait(10000)
  local told = real_store.told(progress, 1)
  local copy = dir .. ".copy"
  assert(shell.run("cp", "-a", dir, copy).status == 0)
  local last = real_store.verify(copy, told.acked, told.attempted, "kill -9 of the first life")
  shell.run("rm", "-rf", copy)
  return { dir = dir, acked = last, from = last + 1 }
end

-- Where a run of a phase happens: a directory of its own, and the first step to write.
local function prepare(base, number, phase, dead)
  local dir = ("%s/db%d"):format(base, number)
  if phase == "recovery" then
    assert(shell.run("cp", "-a", dead.dir, dir).status == 0)
    return dir, dead.from, dead.acked
  end
  return dir, 1, 0
end

local function run_of(thread, dir, from)
  return { thread = thread, calls = TRACED, dir = dir, progress = dir .. ".progress", from = from,
    to = from + STEPS - 1, sync_every = SYNC_EVERY }
end

-- Every place where a fault can strike.
local function places(base, dead)
  local list = {}
  for phase_number, phase in ipairs { "life", "recovery" } do
    for number, thread in ipairs(inject.THREADS) do
      local dir, from = prepare(base, 100000 + phase_number * 10 + number, phase, dead)
      add_places(list, phase, thread, inject.run(run_of(thread, dir, from)))
      shell.run("rm", "-rf", dir)
    end
  end
  return list
end

local function name_of(place)
  return ("%s of call %d of %s in thread %s, %s"):format(place.how, place.n, place.call,
    place.thread, place.phase)
end

-- The round of a place: the same whatever other places a run has.
local function round_of(place)
  local number = place.n
  for _, word in ipairs { place.how, place.call, place.thread, place.phase } do
    number = number + word:byte(-1) + #word
  end
  return number % ROUNDS
end

local function tally(context, place, trace, told)
  local is_kill = place.how == "signal=SIGKILL"
  local has_struck = trace:find("INJECTED", 1, true)
    or is_kill and trace:find("+++ killed", 1, true)
  if not has_struck then
    context:count "injected calls that the run did not get to"
    return
  end
  context:count(("system calls that were made to %s in %s"):format(
    is_kill and "kill" or "fail", place.phase))
  context:mark("places of injection reached, of those known", name_of(place))
  if told.failed then
    context:count("after such a failure a write answered " .. told.failed)
  end
end

local function strike(context, base, number, place, dead)
  local dir, from, least = prepare(base, number, place.phase, dead)
  local run = run_of(place.thread, dir, from)
  run.calls = place.call
  run.place = ("%s:%s:when=%d"):format(place.call, place.how, place.n)
  local trace = inject.run(run)
  local told, what = steps.read(run.progress, from), name_of(place)
  local is_finished = told.failed == "UNKNOWN_OUTCOME" or told.failed == "READ_ONLY"
  if is_finished and told.wrote_after then
    error(what .. ": a write after " .. told.failed .. " was acknowledged")
  end
  local acked = told.acked >= from and told.acked or least
  real_store.verify(dir, acked, math.max(told.attempted, from - 1), what)
  shell.run("rm", "-rf", dir)
  tally(context, place, trace, told)
end

function rig.round(context)
  local reason = inject.why_not()
  if reason then
    context:skip(reason)
  end
  local base = tmpdir()
  local dead = live_and_die(base .. "/dead")
  local list = places(base, dead)
  for number, place in ipairs(list) do
    context:mark("places of injection known", name_of(place))
    if round_of(place) == context.seed % ROUNDS then
      strike(context, base, number, place, dead)
    end
  end
end

return rig
