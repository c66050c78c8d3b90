-- Backups: shared tables, verified copies, deletion that keeps what others need, restore that
-- refuses damage.
local admin = require "spec.support.admin"
local crash = require "spec.support.crash"
local env = require "spec.support.env"
local fault = require "spec.support.fault"
local ffi = require "ffi"
local lib = require "spec.support.lib"
local seed = require "spec.support.seed"
local store = require "spec.support.db"

local function names(files, path, pattern)
  local list = {}
  for name in files:list(path):gmatch "(%S+) %d+ %d+" do
    if name:match(pattern) then
      list[#list + 1] = name
    end
  end
  return list
end

-- Sequential keys, so that a compaction does not rewrite what an earlier backup has.
local function fill(db, from, to)
  for i = from, to do
    assert(db:put(("k%06d"):format(i), ("v"):rep(200) .. i, { durability = "os" }))
  end
end

local function count_and_check(files, path, count)
  local db = assert(store.open(files._p, path, { create = false }))
  assert.equal(count, (db:count()))
  assert.equal(("v"):rep(200) .. count, db:get(("k%06d"):format(count)))
  assert(db:check())
  assert(db:close())
end

describe("db.backup", function()
  after_each(function()
    store.close_all()
    env.close_all()
  end)

  it("restores each of several backups that share their tables", function()
    local files = fault.new(1)
    local db = assert(crash.open(files))
    fill(db, 1, 3000)
    assert(db:compact()) -- Nothing is left to merge between the backups.
    local first = assert(admin.backup(db, "/backup", { incremental = true }))
    fill(db, 3001, 3100)
    local second = assert(admin.backup(db, "/backup", { incremental = true }))

    assert.equal(1, first.id)
    assert.equal(2, second.id)
    assert.is_true(second.new_bytes < first.new_bytes / 4, "the second copies only what is new")
    assert.equal(db:seq(), second.seq)
    local list = assert(admin.backups(files._p, "/backup"))
    assert.same({ 2, 1 }, { list[1].id, list[2].id })
    assert(admin.restore(files._p, "/backup", "/one", 1))
    assert(admin.restore(files._p, "/backup", "/two"))
    count_and_check(files, "/one", 3000)
    count_and_check(files, "/two", 3100)
  end)

  it("keeps the rows of memory when the store cannot be flushed", function()
    local files = fault.new(1)
    local db = assert(crash.open(files))
    fill(db, 1, 100)
    files:fail { kind = "sync", name = ".wal", times = "forever" }
    assert.is_nil((db:put("x", "1", { durability = "sync" })))
    files:clear()

    assert(admin.backup(db, "/backup"))

    assert(admin.restore(files._p, "/backup", "/copy"))
    count_and_check(files, "/copy", 100)
  end)

  it("leaves the files of earlier backups when they cannot be opened for now", function()
    local files = fault.new(1)
    local db = assert(crash.open(files))
    fill(db, 1, 300)
    assert(admin.backup(db, "/backup"))
    files:fail { kind = "open_read", name = ".sst", times = "forever", errno = 24 } -- EMFILE.
    files:space(0)

    assert.is_nil((admin.backup(db, "/backup")))

    files:clear()
    files:space(nil)
    assert(admin.backup_verify(files._p, "/backup", 1))
  end)

  it("deletes a backup and the files that only it needs", function()
    local files = fault.new(1)
    local db = assert(crash.open(files))
    fill(db, 1, 2000)
    assert(admin.backup(db, "/backup", { incremental = true }))
    fill(db, 2001, 4000)
    assert(db:compact())
    assert(admin.backup(db, "/backup", { incremental = true }))
    local before = #names(files, "/backup", "%.sst$")

    assert(admin.backup_delete(files._p, "/backup", 1))

    assert.is_true(#names(files, "/backup", "%.sst$") < before)
    assert.equal(1, #names(files, "/backup", "%.manifest$"))
    assert.is_nil((admin.restore(files._p, "/backup", "/one", 1)))
    assert(admin.restore(files._p, "/backup", "/two", 2))
    count_and_check(files, "/two", 4000)
    assert(admin.backup_delete(files._p, "/backup", 2))
    assert.same({}, names(files, "/backup", "%.sst$"))
    assert.same({}, names(files, "/backup", "%.manifest$"))
  end)

  it("refuses to restore a damaged backup, whichever byte it is, and makes nothing", function()
    local files = fault.new(1)
    local db = assert(crash.open(files))
    fill(db, 1, 300)
    assert(admin.backup(db, "/backup"))
    local random = seed.new()
    for name, size in files:list("/backup"):gmatch "(%S+) (%d+) %d+" do
      for _ = 1, name ~= "LOCK" and 12 or 0 do
        local offset = random:int(0, tonumber(size) - 1)
        assert(files:flip("/backup", name, offset, 4))
        local ok, code = admin.restore(files._p, "/backup", "/copy")
        assert.is_false(not not ok, name .. " " .. offset)
        assert.is_true(code == "CORRUPT" or code == "UNSUPPORTED", code)
        assert.is_nil((files:list "/copy"))
        assert(files:flip("/backup", name, offset, 4))
      end
    end
    assert(admin.restore(files._p, "/backup", "/copy"))
    count_and_check(files, "/copy", 300)
  end)

  it("names each damaged file when it verifies, and a full backup replaces it", function()
    local files = fault.new(1)
    local db = assert(crash.open(files))
    fill(db, 1, 3000)
    assert(db:compact()) -- Both backups are of the same tables.
    assert(admin.backup(db, "/backup"))
    local name = names(files, "/backup", "%.sst$")[1]
    assert(files:flip("/backup", name, 100))

    local report, code, text = admin.backup_verify(files._p, "/backup")
    assert.is_false(not not report)
    assert.equal("CORRUPT", code)
    assert.matches(name, text, 1, true)
    assert(admin.backup(db, "/backup", { incremental = false }))
    assert(admin.backup_verify(files._p, "/backup", 1))
    assert(admin.backup_verify(files._p, "/backup", 2))
  end)

  it("refuses to restore over anything, and to back up into a store", function()
    local files = fault.new(1)
    local db = assert(crash.open(files))
    fill(db, 1, 10)
    assert(admin.backup(db, "/backup"))

    local _, code = admin.restore(files._p, "/backup", "/db")
    assert.equal("EXISTS", code)
    _, code = admin.backup(db, "/db")
    assert.equal("INVALID", code)
    _, code = admin.restore(files._p, "/nothing", "/copy")
    assert.equal("NOT_FOUND", code)
    assert(db:check())
  end)

  -- A file that was written and not synced may have its size and lack pages in the middle.
  it("an incremental backup trusts no file that a crashed one left behind #crash", function()
    local random = seed.new()
    for n = 0, 59 do
      local files = fault.new(n)
      local db = assert(crash.open(files))
      for i = 1, 60 do
        assert(db:put("k" .. i, random:bytes(200), { durability = "os" }))
      end
      assert(db:flush())
      files:crash_after(7 + n % 6) -- Around the sync of the copied table.
      admin.backup(db, "/backup", { incremental = true })
      db:close()
      files:clear()
      assert(files:reboot("random", seed.value + n))
      local context = "round " .. n
      local again = assert(crash.open(files), context)

      assert(admin.backup(again, "/backup", { incremental = true }), context)

      assert(again:close())
      local ok, code, text = admin.restore(files._p, "/backup", "/copy")
      assert(ok, ("%s: %s %s"):format(context, tostring(code), tostring(text)))
      store.close_all()
      env.close_all()
    end
  end)

  it("leaves no half backup, and the one before whole, when any operation fails", function()
    local n, has_finished = 0, false
    while not has_finished do
      local files = fault.new(n)
      local db = assert(crash.open(files))
      fill(db, 1, 40)
      assert(admin.backup(db, "/backup", { incremental = true }))
      fill(db, 41, 60)
      files:fail { kind = "any", after = n, errno = n % 2 == 0 and 28 or 5 }
      local info = admin.backup(db, "/backup", { incremental = true })
      has_finished = files:hits() == 0
      files:clear()
      local list = assert(admin.backups(files._p, "/backup"))
      for _, found in ipairs(list) do
        assert(admin.backup_verify(files._p, "/backup", found.id), "operation " .. n)
      end
      assert.is_true(#list == 2 or not info, "operation " .. n)
      assert(admin.restore(files._p, "/backup", "/one", 1))
      store.close_all()
      env.close_all()
      n = n + 1
      assert.is_true(n < 500)
    end
    assert.is_true(n > 20, "a backup has more than twenty operations")
  end)

  it("is a prefix of what is committed meanwhile, also after a power cut (C17, K12)", function()
    local files = fault.new(5)
    local db = assert(crash.open(files))
    local err, out = ffi.new("loam_error"), ffi.new("loam_completions *[1]")
    assert(env.answer(lib.loam_completions_open(db._p, out, err), err))
    local queue, outcome = out[0], ffi.new("loam_outcome")
    local commit = ffi.new("loam_commit", { durability = store.DURABILITY.os })
    local done, submitted, taken, seqs = ffi.new("loam_completion[64]"), 0, 0, {}
    for round = 1, 10 do
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
      local job = ffi.new("uint64_t[1]")
      lib.loam_compact(db._p, job, nil) -- Runs on meanwhile.
      seqs[round] = assert(admin.backup(db, "/backup", { incremental = true })).seq
    end
    while taken < submitted do
      taken = taken + tonumber(lib.loam_completions_take(queue, done, 64))
    end
    assert(env.answer(lib.loam_completions_close(queue, err), err))
    files:crash_after(0)
    db:close()
    files:clear()
    assert(files:reboot("lose", 1))

    for round, seq in ipairs(seqs) do
      local path = "/copy" .. round
      assert(admin.restore(files._p, "/backup", path, round))
      local copy = assert(store.open(files._p, path, { create = false }))
      crash.verify(copy, 0, round * 100, path)
      assert.equal(seq, copy:seq())
      assert(copy:close())
    end
  end)

  for _, mode in ipairs { "lose", "random" } do
    it("a crash at any operation spares the backup before: " .. mode .. " #crash", function()
      local n, has_finished = 0, false
      while not has_finished do
        local files = fault.new(n)
        local db = assert(crash.open(files))
        fill(db, 1, 50)
        assert(admin.backup(db, "/backup", { incremental = true }))
        fill(db, 51, 80)
        files:crash_after(n)
        local info = admin.backup(db, "/backup", { incremental = true })
        has_finished = files:hits() == 0
        db:close()
        files:clear()
        assert(files:reboot(mode, seed.value + n))
        local context = ("mode %s, operation %d"):format(mode, n)
        assert(admin.restore(files._p, "/backup", "/one", 1), context)
        count_and_check(files, "/one", 50)
        local list = assert(admin.backups(files._p, "/backup"), context)
        if info then
          assert.equal(2, #list, context)
        end
        if #list == 2 then
          assert(admin.restore(files._p, "/backup", "/two", 2), context)
          count_and_check(files, "/two", 80)
        end
        store.close_all()
        env.close_all()
        n = n + 1
        assert.is_true(n < 500)
      end
      assert.is_true(n > 20, "a backup has more than twenty operations")
    end)
  end
end)
