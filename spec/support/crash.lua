-- A workload whose every recovered state can be judged: the crash specs and torture runs use it.
--
-- Step i writes, as one batch, "last" = i, a few of 23 keys, and now and then a delete. So the
-- value of "last" in a recovered store says which prefix of the steps it must be, and expected(p)
-- what every key must hold then: a hole, a torn batch, a lost or a resurrected row all show.
local steps = require "spec.torture.steps"
local store = require "spec.support.db"

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
--- others are left to the kernel. Returns {attempted, acked, synced}: numbers of steps, and seq.
function crash.run(db, first, last, sync_every)
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
    if i % 97 == 0 and not db:flush() or i % 331 == 0 and not db:compact() then
      return result
    end
  end
  return result
end

--- Fails with a message unless the store is the state after some step p, least <= p <= most, seen
--- by get as by scan, and passes its own check. Returns p.
function crash.verify(db, least, most, context)
  local last, code, problem = db:get "last"
  if code then
    error(("%s: get of last: %s %s"):format(context, code, problem), 2)
  end
  local recovered = tonumber(last or "0")
  if recovered < least or recovered > most then
    error(("%s: recovered step %d, wanted %d..%d"):format(context, recovered, least, most), 2)
  end
  local expected, seen = crash.expected(recovered), 0
  for _, row in ipairs(assert(db:rows())) do
    seen = seen + 1
    if expected[row[1]] ~= row[2] then
      error(("%s: scan shows %s as of another step than %d"):format(context, row[1], recovered), 2)
    end
  end
  local wanted = 0
  for key, value in pairs(expected) do
    wanted = wanted + 1
    if db:get(key) ~= value then
      error(("%s: get shows %s as of another step than %d"):format(context, key, recovered), 2)
    end
  end
  if wanted ~= seen then
    error(("%s: %d rows, wanted %d"):format(context, seen, wanted), 2)
  end
  local report, _, text = db:check()
  if not report then
    error(("%s: check: %s"):format(context, text), 2)
  end
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
