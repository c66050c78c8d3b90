-- Asynchronous commits through completion queues, interval durability, and closing with children.
local env = require "spec.support.env"
local fault = require "spec.support.fault"
local ffi = require "ffi"
local lib = require "spec.support.lib"
local store = require "spec.support.db"

local WAIT_S = 30

describe("db.async", function()
  local files, db

  before_each(function()
    files = fault.new(1)
    db = assert(store.open(files._p, "/db", { sync_interval_ms = 20 }))
  end)

  after_each(function()
    store.close_all()
    env.close_all()
  end)

  local function open_queue()
    local out = ffi.new("loam_completions *[1]")
    assert.equal(0, lib.loam_completions_open(db._p, out, db._err))
    return out[0]
  end

  local function submit(queue, key, value, tag, durability, deadline_ms)
    local batch, outcome = lib.loam_batch_new(), ffi.new("loam_outcome")
    assert.equal(0, lib.loam_batch_put(batch, 1, key, #key, value, #value, db._err))
    local commit = ffi.new("loam_commit", {
      durability = store.DURABILITY[durability], deadline_ms = deadline_ms or 0 })
    local rc = lib.loam_submit(queue, batch, commit, tag, outcome, db._err)
    lib.loam_batch_free(batch)
    return rc, outcome
  end

  -- Takes the completions that are there.
  local function take_now(queue)
    local taken, block = {}, ffi.new("loam_completion[8]")
    for i = 0, tonumber(lib.loam_completions_take(queue, block, 8)) - 1 do
      local has_failed = block[i].code ~= 0
      taken[#taken + 1] = {
        tag = tonumber(block[i].tag),
        code = block[i].code,
        seq = tonumber(block[i].outcome.seq),
        stall_ms = has_failed and block[i].outcome.stall_ms or nil,
        text = has_failed and ffi.string(block[i].error.text) or nil,
      }
    end
    return taken
  end

  -- Takes completions until `count` have come.
  local function take(queue, count)
    local taken = {}
    local deadline = os.time() + WAIT_S
    while #taken < count and os.time() <= deadline do
      for _, one in ipairs(take_now(queue)) do
        taken[#taken + 1] = one
      end
    end
    return taken
  end

  it("commits a lent batch, which is the caller's again with its completion", function()
    local queue = open_queue()
    local batch, outcome = lib.loam_batch_new(), ffi.new("loam_outcome")
    local commit = ffi.new("loam_commit", { durability = store.DURABILITY.sync })
    for tag = 1, 20 do
      local value = ("v"):rep(tag)
      lib.loam_batch_clear(batch)
      assert.equal(0, lib.loam_batch_put(batch, 1, "k", 1, value, #value, db._err))

      assert.equal(0, lib.loam_submit_lent(queue, batch, commit, tag, outcome, db._err))

      local taken = take(queue, 1)
      assert.same({ tag = tag, code = 0, seq = tag }, taken[1])
      assert.equal(value, db:get "k")
    end
    lib.loam_batch_free(batch)
    assert.equal(0, lib.loam_completions_close(queue, db._err))
  end)

  it("gives back the memory of a batch that was large", function()
    local batch, large = lib.loam_batch_new(), ("x"):rep(4 * 1024 * 1024)
    assert.equal(0, lib.loam_batch_put(batch, 1, "k", 1, large, #large, db._err))
    lib.loam_batch_clear(batch)

    assert.equal(0, tonumber(lib.loam_batch_bytes(batch)))
    assert.equal(0, lib.loam_batch_put(batch, 1, "k", 1, "small", 5, db._err))
    assert.equal(0, lib.loam_write(db._p, batch, nil, ffi.new("loam_outcome"), db._err))
    assert.equal("small", db:get "k")
    lib.loam_batch_free(batch)
  end)

  it("answers STALLED to writes whose deadline passes behind a disk that hangs", function()
    local queue = open_queue()
    files:hold "sync"
    assert.equal(0, (submit(queue, "a", "1", 1, "sync")))
    local deadline = os.time() + WAIT_S
    while files:held() == 0 and os.time() < deadline do end
    assert.equal(0, (submit(queue, "b", "2", 2, "sync", 20)))

    assert.equal(0, (submit(queue, "c", "3", 3, "sync")))

    local stalled = take(queue, 1)
    local held = files:held()
    files:hold(nil)
    local others = take(queue, 2)

    assert.equal(1, held)
    assert.same({ 2, lib.LOAM_STALLED }, { stalled[1].tag, stalled[1].code })
    assert.is_true(stalled[1].stall_ms >= 1)
    assert.matches("has been at the disk for %d+ ms", stalled[1].text)
    assert.same({ { tag = 1, code = 0, seq = 1 }, { tag = 3, code = 0, seq = 2 } }, others)
    assert.is_nil(db:get "b")
    assert.equal("1", db:get "a")
    assert.equal(0, lib.loam_completions_close(queue, db._err))
  end)

  it("completes sync writes through the queue, in commit order and durable", function()
    local queue = open_queue()
    for i = 1, 50 do
      assert.equal(0, (submit(queue, "k" .. i, "v" .. i, 1000 + i, "sync")))
    end

    local taken = take(queue, 50)
    assert.equal(50, #taken)
    for i, completion in ipairs(taken) do
      assert.same({ 1000 + i, 0, i }, { completion.tag, completion.code, completion.seq })
    end
    assert.equal("v50", db:get "k50")
    assert.equal(50, db:durable_seq())
    assert.equal(0, lib.loam_completions_close(queue, db._err))
  end)

  it("shares a sync among writes that queued behind one", function()
    local queue = open_queue()
    local before = tonumber(db:stats().syncs)
    for i = 1, 200 do
      submit(queue, "k" .. i, "v", i, "sync")
    end
    assert.equal(200, #take(queue, 200))

    assert.is_true(tonumber(db:stats().syncs) - before <= 200)
    assert.is_true(tonumber(db:stats().commit_groups) <= tonumber(db:stats().commits))
    assert.equal(0, lib.loam_completions_close(queue, db._err))
  end)

  it("commits an unsynced write before it returns when nobody else writes", function()
    local queue = open_queue()

    local rc, outcome = submit(queue, "a", "1", 7, "os")
    assert.equal(1, rc)
    assert.equal(1, tonumber(outcome.seq))
    assert.equal("1", db:get "a")
    assert.equal(0, lib.loam_completions_close(queue, db._err))
  end)

  it("tells every member of a failed group that its outcome is unknown (D02)", function()
    local queue, members = open_queue(), 20
    files:fail { kind = "sync", name = ".wal", after = 1, times = 1 }
    files:hold "sync" -- While the first one waits at the disk, the others become one group.
    assert.equal(0, (submit(queue, "first", "v", 0, "sync")))
    local deadline = os.time() + WAIT_S
    while files:held() == 0 and os.time() < deadline do end
    for i = 1, members do
      assert.equal(0, (submit(queue, "k" .. i, "v", i, "sync")))
    end

    files:hold(nil)

    for _, completion in ipairs(take(queue, members + 1)) do
      local is_first = completion.tag == 0
      assert.equal(is_first and 0 or lib.LOAM_UNKNOWN_OUTCOME, completion.code)
    end
    assert.equal("v", db:get "first")
    assert.is_nil(db:get "k1")
    assert.equal(0, lib.loam_completions_close(queue, db._err))
  end)

  it("refuses to close a queue, and the database, while writes are not taken", function()
    local queue = open_queue()
    submit(queue, "a", "1", 1, "sync")

    assert.equal(lib.LOAM_BUSY, lib.loam_completions_close(queue, db._err))
    local _, code, text = db:close()
    assert.equal("BUSY", code)
    assert.equal("still open: 0 snapshots, 0 scans, 0 views, 1 completion queues, 0 checks", text)
    assert.equal(1, #take(queue, 1))
    assert.equal(0, lib.loam_completions_close(queue, db._err))
  end)

  it("makes interval writes durable by itself after a while", function()
    assert(db:put("a", "1", { durability = "interval" }))
    local deadline = os.time() + WAIT_S
    repeat
      local is_durable = db:durable_seq() == db:seq()
    until is_durable or os.time() > deadline

    assert.equal(db:seq(), db:durable_seq())
    assert.is_true(tonumber(db:stats().syncs) >= 1)
  end)

  it("makes interval writes durable at once when they have become many", function()
    assert(db:close())
    db = assert(store.open(files._p, "/many",
      { sync_interval_ms = 3600000, sync_batch_bytes = 10000 }))
    for i = 1, 20 do
      assert(db:put("k" .. i, ("v"):rep(1000), { durability = "interval" }))
    end
    local deadline = os.time() + WAIT_S
    repeat
      local is_durable = db:durable_seq() >= 9
    until is_durable or os.time() > deadline

    assert.is_true(db:durable_seq() >= 9)
  end)

  it("refuses to close with open snapshots, scans and views, and changes nothing (K10)", function()
    assert(db:put("a", "1"))
    local snapshot = db:snapshot()
    local view = ffi.new("loam_view")
    assert.equal(0, lib.loam_get_view(db._p, 1, "a", 1, snapshot, view, db._err))

    local _, code, text = db:close()
    assert.equal("BUSY", code)
    assert.equal("still open: 1 snapshots, 0 scans, 1 views, 0 completion queues, 0 checks", text)
    assert.equal("1", ffi.string(view.data, view.size))
    assert(db:put("a", "2"))
    assert.equal("1", ffi.string(view.data, view.size))
    lib.loam_view_release(view)
    lib.loam_snapshot_close(snapshot)
    assert(db:close())
  end)

  it("keeps a view's bytes over flush and compaction (K08)", function()
    assert(db:put("a", "first"))
    assert(db:flush())
    local view = ffi.new("loam_view")
    assert.equal(0, lib.loam_get_view(db._p, 1, "a", 1, nil, view, db._err))
    assert(db:put("a", "second"))
    assert(db:compact())

    assert.equal("first", ffi.string(view.data, view.size))
    assert.equal("second", db:get "a")
    lib.loam_view_release(view)
  end)
end)
