-- A workload whose every recovered state can be judged: the crash specs and torture runs use it.
--
-- Step i writes, as one batch, "last" = i, a few of 23 keys, and now and then a delete. So the
-- value of "last" in a recovered store says which prefix of the steps it must be, and expected(p)
-- what every key must hold then: a hole, a torn batch, a lost or a resurrected row all show.
local steps = require "spec.torture.steps"
local store = require "spec.support.db"
local verdicts = require "spec.torture.verdicts"

local crash = {}

crash.OPTIONS = steps.KV_OPTIONS

--- The operations of step i, a pure function of i.
crash.step = steps.step

--- Every row there must be after steps 1..count.
function crash.expected(count)
  local rows = {}
  for i = 1, count do
    for _, op in ipairs(crash.step(i)) do
      rows[op.key] = op.kind ~= "delete" and op.value or nil
    end
  end
  return rows
end

--- Runs steps from `first` until `last` or the first failure. Every `sync_every`-th is synced, the
--- others are left to the kernel; every `flush_every`-th (default 97) is followed by a flush.
--- Returns {attempted, acked, synced}: numbers of steps, and seq.
function crash.run(db, first, last, sync_every, flush_every)
  local result = { attempted = first - 1, acked = first - 1, synced = first - 1, seq = 0 }
  for i = first, last do
    result.attempted = i
    local is_sync = i % sync_every == 0
    local seq = db:batch(crash.step(i), { durability = is_sync and "sync" or "os" })
    if not seq then
      return result
    end
    result.acked, result.seq = i, seq
    if is_sync then
      result.synced = i
    end
    if i % (flush_every or 97) == 0 and not db:flush() or i % 331 == 0 and not db:compact() then
      return result
    end
  end
  return result
end

-- What it means that `key` is not as step `recovered` left it.
local function kind_of(recovered, key, wanted)
  if not wanted then
    return "resurrected"
  end
  for _, op in ipairs(crash.step(recovered)) do
    if op.key == key then
      return "torn"
    end
  end
  return "lost"
end

-- Compares every key, by get and by scan, with what step `recovered` leaves.
local function compare_rows(db, recovered, fail)
  local expected, seen = crash.expected(recovered), {}
  for _, row in ipairs(assert(db:rows())) do
    seen[row[1]] = true
    if expected[row[1]] ~= row[2] then
      fail(kind_of(recovered, row[1], expected[row[1]]),
        "scan shows %s as of another step than %d", row[1], recovered)
    end
  end
  for key, value in pairs(expected) do
    if db:get(key) ~= value or not seen[key] then
      fail(kind_of(recovered, key, value),
        "get or scan shows %s as of another step than %d", key, recovered)
    end
  end
end

--- Fails with a message unless the store is the state after some step p, least <= p <= most, seen
--- by get as by scan, and passes its own check. Returns p.
function crash.verify(db, least, most, context)
  local function fail(kind, text, ...)
    verdicts.fail(kind, context .. ": " .. text:format(...), 3)
  end
  local last, code, problem = db:get "last"
  if code then
    fail("wrong", "get of last: %s %s", code, problem)
  end
  local recovered = tonumber(last or "0")
  if recovered < least or recovered > most then
    fail(recovered < least and "lost" or "wrong",
      "recovered step %d, wanted %d..%d", recovered, least, most)
  end
  compare_rows(db, recovered, fail)
  local report, _, text = db:check()
  if not report then
    fail("wrong", "check: %s", text)
  end
  verdicts.fine()
  return recovered
end

--- The least step that a reboot of this mode may leave.
function crash.least(result, mode)
  return mode == "kill" and result.acked or result.synced
end

function crash.open(files, path)
  return store.open(files._p, path or "/db", crash.OPTIONS)
end

return crash
