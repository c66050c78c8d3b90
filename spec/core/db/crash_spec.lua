-- Crashes at every operation of the file system, and what must be there afterwards.
--
-- Method: run the workload of spec/support/crash.lua on the fault driver, let everything fail from
-- operation n on, take away what a power cut takes away, open again, compare. For every n.
local crash = require "spec.support.crash"
local env = require "spec.support.env"
local fault = require "spec.support.fault"
local seed = require "spec.support.seed"
local store = require "spec.support.db"

local STEPS = 420
local SYNC_EVERY = 7
local MODES = { "lose", "random", "kill" }

-- Runs the workload until the crash; returns what was acknowledged, or nil when there was none.
local function run_until_crash(files, count)
  files:crash_after(count)
  local db = crash.open(files)
  if not db then
    return { attempted = 0, acked = 0, synced = 0, seq = 0 }
  end
  local result = crash.run(db, 1, STEPS, SYNC_EVERY)
  db:close()
  return result
end

local function reboot(files, mode, n)
  files:clear()
  assert(files:reboot(mode, seed.value + n))
end

-- Operation numbers to crash at: all of the first ones, then every few.
local function crash_points(total, dense, step)
  local points = {}
  for n = 0, dense do
    points[#points + 1] = n
  end
  for n = dense + step, total, step do
    points[#points + 1] = n
  end
  return points
end

local function total_ops()
  local files = fault.new(1)
  local db = assert(crash.open(files))
  crash.run(db, 1, STEPS, SYNC_EVERY)
  assert(db:close())
  return files:op_count()
end

describe("db crash #crash", function()
  after_each(function()
    store.close_all()
    env.close_all()
  end)

  for _, mode in ipairs(MODES) do
    it("leaves a prefix that holds every durable commit: " .. mode
      .. " (C01 C03 C05 C07 C13 C18)", function()
      for _, n in ipairs(crash_points(total_ops(), 100, 3)) do
        local files = fault.new(n)
        local result = run_until_crash(files, n)
        reboot(files, mode, n)

        local context = ("mode %s, operation %d"):format(mode, n)
        local db, _, text = crash.open(files)
        assert(db, context .. ": " .. tostring(text))
        crash.verify(db, crash.least(result, mode), result.attempted, context)
        assert(db:close(), context)
        store.close_all()
        env.close_all()
      end
    end)
  end

  it("survives a crash in recovery, twice, at every operation of it (C02 F4)", function()
    for _, mode in ipairs { "lose", "random" } do
      local n = 0
      local has_finished = false
      while not has_finished do
        local files = fault.new(n)
        local result = run_until_crash(files, 333)
        reboot(files, mode, n)
        local least = crash.least(result, mode)
        for round = 1, 2 do
          files:crash_after(n + round - 1)
          local db = crash.open(files)
          has_finished = db ~= nil
          if db then
            db:close()
          end
          reboot(files, mode, n + round)
        end
        local context = ("recovery, mode %s, operation %d"):format(mode, n)
        local db, _, text = crash.open(files)
        assert(db, context .. ": " .. tostring(text))
        crash.verify(db, least, result.attempted, context)
        assert(db:close())
        store.close_all()
        env.close_all()
        n = n + 1
      end
      assert.is_true(n > 10, "recovery has more than ten operations")
    end
  end)

  it("goes on after a crash and crashes again: numbers are never reused (C10 C11)", function()
    local files = fault.new(5)
    local from, seq = 1, 0
    for round = 1, 25 do
      files:crash_after(37 + round * 13)
      local db = crash.open(files)
      local result = { attempted = from - 1, acked = from - 1, synced = from - 1, seq = 0 }
      if db then
        result = crash.run(db, from, from + 400, SYNC_EVERY)
        assert.is_true(result.seq == 0 or result.seq > seq, "sequence numbers only grow")
        seq = math.max(seq, result.seq)
        db:close()
      end
      reboot(files, round % 2 == 0 and "lose" or "random", round)
      db = assert(crash.open(files))
      local most = math.max(result.attempted, from - 1)
      local recovered = crash.verify(db, result.synced, most, "round " .. round)
      assert(db:close())
      from = recovered + 1
    end
  end)

  it("keeps earlier os writes when a later sync write of another log is kept (C04)", function()
    local files = fault.new(9)
    local db = assert(crash.open(files))
    for i = 1, 150 do
      assert(db:batch(crash.step(i), { durability = "os" }))
    end
    assert(tonumber(db:stats().flushes) >= 0)
    assert(db:batch(crash.step(151), { durability = "sync" }))
    files:crash_after(0)
    db:close()
    reboot(files, "lose", 0)

    db = assert(crash.open(files))
    assert.equal(151, crash.verify(db, 151, 151, "sync after rotation"))
  end)

  it("accepts a log that was created and never written to (C09)", function()
    local files = fault.new(3)
    local db = assert(crash.open(files))
    assert(db:put("a", "1"))
    assert(db:flush())
    files:crash_after(0)
    db:close()
    reboot(files, "lose", 0)
    db = assert(crash.open(files))
    assert.equal("1", db:get "a")
  end)
end)

describe("db poison #crash", function()
  after_each(function()
    store.close_all()
    env.close_all()
  end)

  it("turns read-only at the first failed sync of the log, for good (D01 D03)", function()
    local files = fault.new(1)
    local db = assert(crash.open(files))
    assert(db:put("a", "1"))
    files:fail { kind = "sync", name = ".wal", times = 1 }

    local _, code, text = db:put("b", "2")
    assert.equal("UNKNOWN_OUTCOME", code)
    assert.truthy(text:find("outcome unknown", 1, true), text)
    local before = files:op_count()
    _, code, text = db:put("c", "3")
    assert.equal("READ_ONLY", code)
    assert.truthy(text:find(".wal", 1, true), text)
    assert.equal(before, files:op_count(), "the refused write touches no file")
    assert.equal("1", db:get "a")
    assert.is_nil(db:get "b")
    assert.is_nil(db:get "c")
    assert.equal(2, db:stats().health)
  end)

  -- Runs steps until the store is read-only, which it must stay for one and the same cause. Returns
  -- how many are acknowledged and the most that may be there.
  local function run_until_read_only(db)
    for i = 1, STEPS do
      local seq, code
      repeat -- A log that is only being made is thrown away, and the next try has another.
        seq, code = db:batch(crash.step(i), { durability = "sync" })
      until code ~= "IO"
      if not seq then
        local causes = {}
        for try = 1, 3 do
          local _, later, text = db:put("later", "x")
          assert.equal("READ_ONLY", later)
          causes[try] = text
        end
        assert.same({ causes[1], causes[1], causes[1] }, causes)
        assert.matches("cannot sync %d+.wal", causes[1])
        return i - 1, code == "UNKNOWN_OUTCOME" and i or i - 1
      end
      if i % 30 == 0 then
        db:flush()
      end
    end
    return STEPS, STEPS
  end

  it("turns read-only at the n-th failed sync of the log, for each n (D01)", function()
    local poisoned = 0
    for n = 0, 40 do
      local files = fault.new(n)
      local db = assert(crash.open(files))
      files:fail { kind = "sync", name = ".wal", after = n * 3, times = 1 }
      local least, most = run_until_read_only(db)
      poisoned = poisoned + (least < STEPS and 1 or 0)
      db:close()
      reboot(files, n % 2 == 0 and "lose" or "random", n)
      db = assert(crash.open(files))
      crash.verify(db, least, most, "sync " .. n * 3)
      assert(db:close())
      store.close_all()
      env.close_all()
    end
    assert.is_true(poisoned >= 35, poisoned .. " of 41 were read-only")
  end)

  it("leaves read-only only by reopening, with what is durable (D04)", function()
    local files = fault.new(1)
    local db = assert(crash.open(files))
    assert(db:put("a", "1"))
    files:fail { kind = "sync", name = ".wal", times = 1 }
    assert.is_nil((db:put("b", "2")))
    db:close()
    reboot(files, "lose", 0)

    db = assert(crash.open(files))
    assert.equal("1", db:get "a")
    assert.is_nil(db:get "b")
    assert(db:put("b", "3"))
  end)

  it("turns read-only at a failed write of the log that cannot be cut off", function()
    local files = fault.new(1)
    local db = assert(crash.open(files))
    files:fail { kind = "write", name = ".wal", times = 1 }
    files:fail { kind = "trim", name = ".wal", times = 1 }

    local _, code, text = db:put("a", "1", { durability = "os" })
    assert.equal("UNKNOWN_OUTCOME", code)
    assert.matches("cannot write %d+.wal", text)
    _, code, text = db:put("a", "2")
    assert.equal("READ_ONLY", code)
    assert.matches("cannot write %d+.wal", text)
  end)

  it("turns read-only at a failed sync of the directory, never asked again (D03)", function()
    local files = fault.new(1)
    local db = assert(crash.open(files))
    assert(db:put("a", "1"))
    files:fail { kind = "dir_sync", times = 1 }

    assert.is_nil((db:flush()))

    local _, code, text = db:put("b", "2")
    assert.equal("READ_ONLY", code)
    assert.matches("sync directory", text)
    assert.equal(1, files:hits())
    assert.equal("1", db:get "a")
    db:close()
    reboot(files, "lose", 0)
    db = assert(crash.open(files))
    assert.same({ { "a", "1" } }, db:rows())
  end)

  it("turns read-only at a failed sync of the manifest and keeps every file (C08)", function()
    local files = fault.new(1)
    local db = assert(crash.open(files))
    assert(db:put("a", "1"))
    files:fail { kind = "sync", name = "MANIFEST", times = 1 }

    assert.is_nil((db:flush()))
    local _, code = db:put("b", "2")
    assert.equal("READ_ONLY", code)
    assert.equal("1", db:get "a")
    db:close()
    reboot(files, "kill", 0)
    db = assert(crash.open(files))
    assert.equal("1", db:get "a")
  end)

  it("reads a new table back before it is installed (F12)", function()
    -- How many reads of tables a call makes: as many as can be made to fail.
    local function reads(prepare, call)
      for count = 0, 50 do
        local files = fault.new(1)
        local db = prepare(files)
        files:fail { kind = "read", name = ".sst", after = count }
        local ok = call(files, db)
        if files:hits() == 0 then
          return count
        end
        assert.is_false(not not ok, "read " .. count .. " failed, and nobody minded")
        files:clear()
        store.close_all()
      end
    end
    local function with_row(files)
      local db = assert(crash.open(files))
      assert(db:put("a", "1"))
      return db
    end
    local function closed(files)
      assert(with_row(files):close())
    end

    local of_flush = reads(with_row, function(_, db) return db:flush() end)
    local of_opening = reads(closed, crash.open)

    assert.is_true(of_flush > of_opening, of_flush .. " reads, opening makes " .. of_opening)
  end)

  it("goes on when a table cannot be written, and flushes it later (D08)", function()
    local files = fault.new(1)
    local db = assert(crash.open(files))
    assert(db:put("a", "1"))
    files:fail { kind = "write", name = ".sst", times = 1 }

    local _, code = db:flush()
    assert.equal("IO", code)
    assert.equal("1", db:get "a")
    assert(db:put("b", "2"))
    local deadline = os.clock() + 30
    repeat
      local ok = db:flush()
    until ok or os.clock() > deadline
    assert.equal(0, db:stats().health)
    assert.same({ { "a", "1" }, { "b", "2" } }, db:rows())
  end)
end)
