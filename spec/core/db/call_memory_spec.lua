-- Each allocation of each call fails once (R01): the call answers NO_MEMORY and changes nothing,
-- or does its work. memory_spec takes whole lives of a store, this one call after call.
local cdef = require "spec.support.cdef"
local env = require "spec.support.env"
local fault = require "spec.support.fault"
local ffi = require "ffi"
local lib = require "spec.support.lib"
local store = require "spec.support.db"

cdef.load("base/memory.h")

local FOREVER = 0xffffffffffffffffULL
local ALLOCATIONS_MAX = 2000
local WAIT_S = 30
local LARGE_KEY = ("k"):rep(60000)

local function answer(db, rc)
  return env.answer(rc, db._err)
end

local function wait_for(db, job)
  local info = ffi.new("loam_job_info")
  assert(lib.loam_job_wait(db._p, job[0], 60000, info, db._err) == 0)
  if info.state ~= lib.LOAM_JOB_DONE then
    return nil, ffi.string(lib.loam_code_name(info.code))
  end
  return true
end

-- Starts a job with start(job) and waits for it.
local function job_of(db, start)
  local job = ffi.new("uint64_t[1]")
  local ok, code, text = answer(db, start(job))
  if not ok then
    return nil, code, text
  end
  return wait_for(db, job)
end

local function submit(db)
  local out, outcome = ffi.new("loam_completions *[1]"), ffi.new("loam_outcome")
  local ok, code, text = answer(db, lib.loam_completions_open(db._p, out, db._err))
  if not ok then
    return nil, code, text
  end
  local batch, done = lib.loam_batch_new(), ffi.new("loam_completion[1]")
  ok, code, text = nil, "NO_MEMORY", "no batch"
  if batch ~= nil then
    ok, code, text = answer(db, lib.loam_batch_put(batch, 1, "k", 1, "new", 3, db._err))
  end
  if ok then
    local commit = ffi.new("loam_commit", { durability = store.DURABILITY.sync })
    ok, code, text = answer(db, lib.loam_submit(out[0], batch, commit, 7, outcome, db._err))
    while ok and lib.loam_completions_take(out[0], done, 1) == 0 do
      ok = true -- It comes; the commit is on its way.
    end
    if ok and done[0].code ~= 0 then
      ok, code = nil, ffi.string(lib.loam_code_name(done[0].code))
    end
  end
  lib.loam_batch_free(batch)
  assert(lib.loam_completions_close(out[0], db._err) == 0)
  return ok, code, text
end

local function batch_of_conditions(db)
  local ops = {}
  for at = 1, 150 do
    ops[at] = { key = "c" .. at, value = "1", condition = "absent" }
  end
  return db:batch(ops)
end

local function read_view(db)
  local view = ffi.new("loam_view")
  local ok, code, text = answer(db, lib.loam_get_view(db._p, 1, LARGE_KEY, #LARGE_KEY, nil, view,
    db._err))
  if ok then
    assert.equal("large", ffi.string(view.data, view.size))
    lib.loam_view_release(view)
  end
  return ok, code, text
end

local function snapshot_and_scan(db)
  local out = ffi.new("loam_snapshot *[1]")
  local ok, code, text = answer(db, lib.loam_snapshot_open(db._p, out, db._err))
  if not ok then
    return nil, code, text
  end
  local rows
  rows, code, text = db:rows({}, out[0])
  lib.loam_snapshot_close(out[0])
  return rows and true, code, text
end

local copies = 0

-- changes: the call changes rows; pauses: background work waits a while after a failure.
local CALLS = {
  { "a batch with conditions", batch_of_conditions, changes = true },
  { "a submitted write", submit, changes = true },
  { "a put of a large value", function(db)
    return db:put("v", ("v"):rep(200000), { durability = "sync" })
  end, changes = true },
  { "a view of a large key", read_view },
  { "a snapshot and its scan", snapshot_and_scan },
  { "a flush", function(db) return db:flush() end, pauses = true },
  { "a compaction", function(db) return db:compact() end, pauses = true },
  { "a scrub", function(db)
    return job_of(db, function(job) return lib.loam_scrub(db._p, 0, job, db._err) end)
  end },
  { "a check", function(db)
    return job_of(db, function(job) return lib.loam_check_start(db._p, job, db._err) end)
  end },
  { "a checkpoint", function(db)
    return job_of(db, function(job)
      copies = copies + 1
      return lib.loam_checkpoint_start(db._p, "/copy" .. copies, job, db._err)
    end)
  end },
  { "a backup", function(db)
    return job_of(db, function(job)
      return lib.loam_backup_start(db._p, "/backup", nil, job, db._err)
    end)
  end },
}

describe("db without memory for one call (R01)", function()
  local files

  before_each(function()
    files = fault.new(1)
  end)

  after_each(function()
    lib.memory_fail_at(FOREVER, 0)
    store.close_all()
    env.close_all()
  end)

  -- Two runs that overlap, and rows in memory.
  local function open(path)
    local db = assert(store.open(files._p, path, { memtable_bytes = 65536 }))
    for round = 1, 2 do
      for at = 1, 30 do
        assert(db:put("k" .. at, "round " .. round, { durability = "os" }))
      end
      assert(db:put(LARGE_KEY, "large"))
      assert(db:flush())
    end
    assert(db:put("k", "in memory"))
    return db
  end

  local function failing_at(n, call, db)
    lib.memory_fail_at(n, 1)
    local ok, code, text = call(db)
    lib.memory_fail_at(FOREVER, 0)
    return ok, code, text
  end

  -- Calls again until it works: background work pauses after a failure.
  local function goes_on(call, db, context)
    local deadline = os.time() + WAIT_S
    local ok, code, text
    repeat
      ok, code, text = call(db)
    until ok or os.time() > deadline
    assert(ok, ("%s; then %s %s"):format(context, tostring(code), tostring(text)))
  end

  -- A batch that is in the log and found no room in memory: its outcome is open, nothing else is
  -- written, and reopening tells.
  local function reopen(db, path, context)
    assert.equal("READ_ONLY", (select(2, db:put("after", "1"))), context)
    db:close()
    return assert(store.open(files._p, path), context)
  end

  for _, case in ipairs(CALLS) do
    local name, call, changes = case[1], case[2], case.changes
    it("answers NO_MEMORY and goes on: " .. name, function()
      local n, ok = 0, nil
      while not ok do
        local path = "/db" .. n
        local db = open(path)
        local before = db:rows()
        local code, text
        ok, code, text = failing_at(n, call, db)
        local context = ("allocation %d: %s %s"):format(n, tostring(code), tostring(text))
        if code == "UNKNOWN_OUTCOME" and changes then
          db = reopen(db, path, context)
        elseif not ok then
          assert.equal("NO_MEMORY", code, context)
        end
        if not changes or code == "NO_MEMORY" then
          assert.same(before, db:rows(), context)
        end
        assert(db:put("after", "1"), context)
        if not ok and code == "NO_MEMORY" and not (case.pauses and n > 0) then
          goes_on(call, db, context)
        end
        assert(db:check(), context)
        assert(db:close())
        n = n + 1
        assert.is_true(n < ALLOCATIONS_MAX)
      end
      assert.is_true(n > 1, "there is an allocation that can fail")
    end)
  end

  it("opens or says NO_MEMORY, with logs to be replayed, and loses nothing", function()
    files:fail { kind = "create", name = ".sst", times = "forever" } -- Two logs stay.
    local db = assert(store.open(files._p, "/db"))
    for at = 1, 40 do
      assert(db:put("k" .. at, "v" .. at))
    end
    assert(db:bucket("more", { create = true }))
    db:flush()
    assert(db:put("last", "1"))
    files:crash_after(0)
    db:close()
    files:clear()
    assert(files:reboot("kill", 1))
    assert(files:copy_dir("/db", "/keep"))

    local n, opened = 0, nil
    while not opened do
      assert(files:copy_dir("/keep", "/db"))
      local handles = files:handle_count()
      local code, text
      opened, code, text = failing_at(n, function() return store.open(files._p, "/db") end)
      local context = ("allocation %d: %s %s"):format(n, tostring(code), tostring(text))
      if not opened then
        assert.equal("NO_MEMORY", code, context)
        assert.equal(handles, files:handle_count(), context)
      end
      local again = opened or assert(store.open(files._p, "/db"), context)
      assert.equal(41, (again:count()), context)
      assert.equal("v40", again:get "k40", context)
      assert(again:check(), context)
      assert(again:close())
      n = n + 1
      assert.is_true(n < ALLOCATIONS_MAX)
    end
    assert.is_true(n > 20, "opening has more than twenty allocations")
  end)
end)
