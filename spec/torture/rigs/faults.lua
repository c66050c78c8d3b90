-- Random plans of the fault driver: each scenario is a row of lives of one store, each life with
-- faults of its own and an end of its own, with crashes in recovery in between.
-- Cases: C01 C02 C03 C13 C14 C18 D01 D05 D06 D07 D08 D09 D10 R02.
local crash = require "spec.support.crash"
local env = require "spec.support.env"
local fault = require "spec.support.fault"
local store = require "spec.support.db"
local verdicts = require "spec.torture.verdicts"

local SCENARIOS = 150
local LIVES_MAX = 5
local MODES = { "lose", "random", "kill" }
local ERRNOS = { 5, 5, 28, 27 } -- EIO, ENOSPC, EFBIG.
local KINDS = { "create", "write", "sync", "rename", "remove", "dir_sync", "allocate", "open_read",
  "read", "close", "list", "any" }
local PARTS = { "", "", ".wal", ".sst", "MANIFEST", "CURRENT" }

local rig = { seconds = 300, about = "random fault plans on files in memory, lives in a row" }

local function options_of(random)
  return {
    memtable_bytes = 65536,
    table_bytes = random:pick { 65536, 262144 },
    memory_bytes = 4 * 2 ^ 20,
    block_bytes = random:pick { 512, 1024, 4096 },
    compression = random:int(0, 2),
    point_index = random:int(0, 1) == 1,
    background_threads = random:int(1, 2),
    log_ahead = random:int(0, 1) == 1,
  }
end

local plans = {}

function plans.crash(files, random)
  local at = random:int(0, 1) == 1 and random:int(0, 60) or random:int(0, 900)
  files:crash_after(at)
  if random:int(0, 2) == 0 then
    files:tear(random:int(0, 5000))
  end
  return "crash after " .. at
end

function plans.fail(files, random)
  local plan = {
    kind = random:pick(KINDS), name = random:pick(PARTS), errno = random:pick(ERRNOS),
    after = random:int(0, random:pick { 3, 30, 300 }),
    times = random:pick { 1, 1, 2, "forever" },
  }
  files:fail(plan)
  if random:int(0, 2) == 0 then
    files:tear(random:int(0, 5000))
  end
  return ("%s of '%s' fails after %d, %s times, errno %d"):format(
    plan.kind, plan.name, plan.after, plan.times, plan.errno)
end

function plans.space(files, random)
  local bytes = random:int(0, random:pick { 2000, 100000, 1500000 })
  files:space(bytes)
  return "room for " .. bytes .. " bytes"
end

function plans.both(files, random)
  return plans.fail(files, random) .. ", " .. plans.fail(files, random)
end

function plans.none() return "no fault" end

local PLANS = { "crash", "crash", "fail", "fail", "space", "both", "none" }

local function reboot(files, mode, seed)
  files:clear()
  files:space(nil)
  assert(files:reboot(mode, seed))
end

-- Opens under a plan, writes until something fails or the steps are done, ends.
local function live(files, options, random, from)
  local what = plans[random:pick(PLANS)](files, random)
  local result = { attempted = from - 1, acked = from - 1, synced = from - 1, seq = 0 }
  local db = store.open(files._p, "/db", options)
  if db then
    result = crash.run(db, from, from + random:int(1, 300), random:pick { 1, 7, 50, 100000 },
      random:pick { 97, 97, 1000 })
    local hold = random:int(0, 1) == 1
    if hold and db:stats().health == 2 then
      assert(not db:put("never", "x"), "a read-only store acknowledges nothing")
    end
    db:close()
  end
  return result, what
end

local function crash_in_recovery(context, files, options, random)
  local times = random:int(0, 3)
  for _ = 1, times do
    files:crash_after(random:int(0, 60))
    local db = store.open(files._p, "/db", options)
    if db then
      db:close()
    end
    -- A power cut of any kind: what is acknowledged was durable or is judged by the first reboot.
    reboot(files, random:pick { "lose", "random" }, random:int(1, 2 ^ 30))
    context:count "simulated crashes in recovery"
  end
end

local function scenario(context, number)
  local random = context.random
  local files = fault.new(random:int(1, 2 ^ 30))
  local options, from, story = options_of(random), 1, {}
  for life = 1, random:int(1, LIVES_MAX) do
    local result, what = live(files, options, random, from)
    local mode = random:pick(MODES)
    story[life] = ("%s (%d hits, %s), then %s"):format(
      what, files:hits(), files:first_hit(), mode)
    context:count("faults that struck", files:hits())
    reboot(files, mode, random:int(1, 2 ^ 30))
    context:count "simulated crashes"
    if mode ~= "kill" then
      crash_in_recovery(context, files, options, random)
    end
    local where = ("scenario %d, %s"):format(number, table.concat(story, "; "))
    local db, _, text = store.open(files._p, "/db", options)
    if not db then
      verdicts.fail("wrong", where .. ": does not open: " .. tostring(text))
    end
    from = crash.verify(db, crash.least(result, mode), result.attempted, where) + 1
    assert(db:close())
  end
  context:count("steps recovered", from - 1)
  store.close_all()
  env.close_all()
end

function rig.round(context)
  for number = 1, SCENARIOS do
    scenario(context, number)
  end
end

return rig
