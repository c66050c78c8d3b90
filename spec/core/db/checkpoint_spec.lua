-- Checkpoints: equal to one commit point, whole or absent after a crash at any operation, whole
-- after a power cut once they were reported, taken while writers, flushes and compactions run.
local admin = require "spec.support.admin"
local crash = require "spec.support.crash"
local env = require "spec.support.env"
local fault = require "spec.support.fault"
local ffi = require "ffi"
local lib = require "spec.support.lib"
local seed = require "spec.support.seed"
local store = require "spec.support.db"

local STEPS = 300

local function filled(files, steps)
  local db = assert(crash.open(files))
  local result = crash.run(db, 1, steps or STEPS, 7)
  assert.equal(steps or STEPS, result.acked)
  return db, result
end

local function open_copy(files, path)
  return store.open(files._p, path, crash.OPTIONS)
end

describe("db.checkpoint", function()
  after_each(function()
    store.close_all()
    env.close_all()
  end)

  it("equals the newest commit point, and is a store of its own (F17)", function()
    local files = fault.new(1)
    local db = filled(files)

    local seq = assert(admin.checkpoint(db, "/copy"))
    assert(db:put("after", "x"))

    local copy = assert(open_copy(files, "/copy"))
    assert.equal(STEPS, crash.verify(copy, STEPS, STEPS, "copy"))
    assert.equal(seq, copy:seq())
    assert.is_nil(copy:get "after")
    assert(copy:put("own", "1"))
    assert(copy:close())
    assert.is_nil(db:get "own")
    assert(db:check())
  end)

  it("holds rows of the memtable without flushing the store", function()
    local files = fault.new(1)
    local db = assert(crash.open(files))
    assert(db:put("a", "1"))
    local tables = tonumber(db:stats().table_count)

    assert(admin.checkpoint(db, "/copy"))

    assert.equal(tables, tonumber(db:stats().table_count))
    local copy = assert(open_copy(files, "/copy"))
    assert.equal("1", copy:get "a")
    assert.equal(1, tonumber(copy:stats().table_count))
  end)

  it("works for an empty store, buckets included", function()
    local files = fault.new(1)
    local db = assert(crash.open(files))
    assert(db:bucket("users", { create = true }))

    assert(admin.checkpoint(db, "/copy"))

    local copy = assert(open_copy(files, "/copy"))
    assert.same({}, copy:rows())
    assert.is_number((assert(copy:bucket "users")))
  end)

  it("works for a handle that is read-only after a failed log", function()
    local files = fault.new(1)
    local db = filled(files, 50)
    files:fail { kind = "sync", name = ".wal", times = "forever" }
    assert.is_nil((db:put("x", "1", { durability = "sync" })))
    files:clear()

    assert(admin.checkpoint(db, "/copy"))

    local copy = assert(open_copy(files, "/copy"))
    assert.equal(50, crash.verify(copy, 50, 50, "copy of a poisoned store"))
    assert.is_nil(copy:get "x")
  end)

  it("refuses a directory that holds anything, and leaves it as it is", function()
    local files = fault.new(1)
    local db = filled(files, 20)
    assert(files:open("/copy", true)):close()
    assert(files:write_file("/copy", "notes.txt", "mine"))

    local ok, code, text = admin.checkpoint(db, "/copy")

    assert.is_false(not not ok)
    assert.equal("EXISTS", code)
    assert.matches("notes.txt", text)
    assert.equal("mine", files:read_file("/copy", "notes.txt"))
  end)

  it("leaves nothing behind when any operation fails", function()
    local n, has_finished = 0, false
    while not has_finished do
      local files = fault.new(n)
      local db = filled(files, 40)
      files:fail { kind = "any", after = n, errno = 28 }
      local seq = admin.checkpoint(db, "/copy")
      has_finished = files:hits() == 0
      files:clear()
      if not seq then
        local list = files:list("/copy") or ""
        assert.is_nil(list:match "CURRENT", ("operation %d leaves CURRENT"):format(n))
        assert.is_nil(list:match "%.sst", ("operation %d leaves a table"):format(n))
        assert.equal(40, crash.verify(db, 40, 40, "source after failure " .. n))
      end
      store.close_all()
      env.close_all()
      n = n + 1
      assert.is_true(n < 500)
    end
    assert.is_true(n > 20, "a checkpoint has more than twenty operations")
  end)

  for _, mode in ipairs { "lose", "random", "kill" } do
    it("is absent or whole after a crash at every operation: " .. mode .. " #crash", function()
      local n, has_finished = 0, false
      while not has_finished do
        local files = fault.new(n)
        local db = filled(files, 60)
        files:crash_after(n)
        local seq = admin.checkpoint(db, "/copy")
        has_finished = files:hits() == 0
        assert.is_true(seq ~= nil or not has_finished, "operation " .. n)
        db:close()
        files:clear()
        assert(files:reboot(mode, seed.value + n))
        local context = ("mode %s, operation %d"):format(mode, n)
        local copy, code = store.open(files._p, "/copy", { create = false })
        if copy then
          assert.equal(60, crash.verify(copy, 60, 60, context))
          assert(copy:close())
        else
          assert.is_true(code == "NOT_FOUND" or code == "CORRUPT", context .. code)
          assert.is_nil(seq, context)
        end
        local again = assert(crash.open(files), context)
        crash.verify(again, 56, 60, context)
        store.close_all()
        env.close_all()
        n = n + 1
        assert.is_true(n < 500)
      end
      assert.is_true(n > 20, "a checkpoint has more than twenty operations")
    end)
  end

  it("survives a power cut right after it was reported (C17)", function()
    for round = 1, 12 do
      local files = fault.new(round)
      local db = filled(files, round * 17)
      local seq = assert(admin.checkpoint(db, "/copy"))
      files:crash_after(0)
      db:close()
      files:clear()
      assert(files:reboot(round % 2 == 0 and "lose" or "random", seed.value + round))

      local copy = assert(store.open(files._p, "/copy", { create = false }))
      assert.equal(round * 17, crash.verify(copy, round * 17, round * 17, "round " .. round))
      assert.equal(seq, copy:seq())
      store.close_all()
      env.close_all()
    end
  end)

  it("is taken while flushes and compactions finish (K12)", function()
    local files = fault.new(3)
    local db = assert(crash.open(files))
    local done = 0
    for round = 1, 30 do
      crash.run(db, done + 1, done + 40, 40)
      done = done + 40
      local job = ffi.new("uint64_t[1]")
      lib.loam_compact(db._p, job, nil) -- Runs on while the checkpoint is taken.
      local path = "/copy" .. round
      assert(admin.checkpoint(db, path))
      local copy = assert(store.open(files._p, path, { create = false }))
      assert.equal(done, crash.verify(copy, done, done, path))
      assert(copy:close())
    end
  end)

  it("is a prefix of what is being committed meanwhile by another thread (F17)", function()
    local files = fault.new(4)
    local db = assert(crash.open(files))
    local err, out = ffi.new("loam_error"), ffi.new("loam_completions *[1]")
    assert(env.answer(lib.loam_completions_open(db._p, out, err), err))
    local queue, outcome = out[0], ffi.new("loam_outcome")
    local commit = ffi.new("loam_commit", { durability = store.DURABILITY.os })
    local done, submitted, taken = ffi.new("loam_completion[64]"), 0, 0
    for round = 1, 20 do
      for i = submitted + 1, submitted + 100 do
        local batch = lib.loam_batch_new()
        for _, op in ipairs(crash.step(i)) do
          assert.equal(0, lib.loam_batch_add(batch, db:op(op), err))
        end
        local rc = lib.loam_submit(queue, batch, commit, i, outcome, err)
        assert.is_true(rc >= 0)
        taken = taken + rc
        lib.loam_batch_free(batch)
      end
      submitted = submitted + 100
      local path = "/copy" .. round
      local seq = assert(admin.checkpoint(db, path))
      local copy = assert(store.open(files._p, path, { create = false }))
      crash.verify(copy, 0, submitted, path)
      assert.equal(seq, copy:seq())
      assert(copy:close())
    end
    while taken < submitted do
      taken = taken + tonumber(lib.loam_completions_take(queue, done, 64))
    end
    assert(env.answer(lib.loam_completions_close(queue, err), err))
    crash.verify(db, submitted, submitted, "source")
  end)
end)
