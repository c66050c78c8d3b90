-- Compaction as the database sees it: moves, deletes that go, rows that stay for snapshots.
local env = require "spec.support.env"
local fault = require "spec.support.fault"
local cdef = require "spec.support.cdef"
local lib = require "spec.support.lib"
local store = require "spec.support.db"

cdef.load("base/give_way.h")

local OPTIONS = { memtable_bytes = 65536, table_bytes = 65536, memory_bytes = 4 * 2 ^ 20,
  compression = 0 }
local WAIT_S = 30

describe("db.compact", function()
  local files, db

  before_each(function()
    files = fault.new(1)
    db = assert(store.open(files._p, "/db", OPTIONS))
  end)

  after_each(function()
    store.close_all()
    env.close_all()
  end)

  local function load(from, to, value)
    for i = from, to do
      assert(db:put(("k%06d"):format(i), value, { durability = "os" }))
    end
  end

  local function wait_until(condition)
    local deadline = os.time() + WAIT_S
    while not condition() do
      assert.is_true(os.time() <= deadline, "condition never came")
    end
  end

  it("joins runs that do not overlap without rewriting a row", function()
    local value = ("v"):rep(500)
    for part = 0, 9 do
      load(part * 60 + 1, part * 60 + 60, value)
      assert(db:flush())
    end
    wait_until(function()
      return db:stats().compactions >= 1 and db:stats().run_count <= 5
    end)

    local stats = db:stats()
    assert.equal(0, tonumber(stats.compaction_written_bytes))
    assert.equal(600, #db:rows())
    assert.equal(value, db:get "k000301")
    assert(db:check())
    assert(db:close())
    db = assert(store.open(files._p, "/db", OPTIONS))
    assert.equal(600, db:count())
    assert(db:compact())
    assert.equal(600, db:count())
    assert.is_true(tonumber(db:stats().compaction_written_bytes) > 0, "asked for, it rewrites")
  end)

  it("drops deleted and overwritten rows when asked to compact everything", function()
    load(1, 300, ("a"):rep(200))
    assert(db:flush())
    load(1, 300, "b")
    for i = 1, 300, 2 do
      assert(db:delete(("k%06d"):format(i), { durability = "os" }))
    end
    assert(db:compact())

    assert.equal(150, db:count())
    local out = require("ffi").new("loam_table_info[4]")
    assert.equal(1, tonumber(lib.loam_tables(db._p, out, 4)))
    assert.equal(150, tonumber(out[0].row_count))
    assert.equal(0, tonumber(out[0].delete_count))
  end)

  it("keeps what a snapshot sees, and lets it go afterwards (K06)", function()
    load(1, 100, "old")
    local snapshot = db:snapshot()
    load(1, 50, "new")
    for i = 51, 100 do
      assert(db:delete(("k%06d"):format(i)))
    end
    assert(db:compact())

    assert.equal("old", db:get("k000001", snapshot))
    assert.equal("old", db:get("k000100", snapshot))
    assert.equal(100, #db:rows({}, snapshot))
    assert.equal("new", db:get "k000001")
    assert.is_nil(db:get "k000100")
    lib.loam_snapshot_close(snapshot)
    assert(db:compact())
    local out = require("ffi").new("loam_table_info[4]")
    assert.equal(1, tonumber(lib.loam_tables(db._p, out, 4)))
    assert.equal(50, tonumber(out[0].row_count))
  end)

  it("drops expired rows, and never what they hid (K06)", function()
    files:set_wall_ms(1000)
    assert(db:put("a", "hidden"))
    assert(db:flush())
    assert(db:apply { key = "a", value = "short", ttl_ms = 100 })
    assert(db:flush())
    files:set_wall_ms(5000)
    assert(db:compact())

    assert.is_nil(db:get "a")
    assert.same({}, db:rows())
    assert.equal(0, tonumber(lib.loam_tables(db._p, nil, 0)))
  end)

  it("removes the files that it replaced", function()
    load(1, 200, ("v"):rep(300))
    assert(db:flush())
    load(1, 200, ("w"):rep(300))
    assert(db:compact())
    wait_until(function()
      local _, count = files:list("/db"):gsub("%.sst ", "")
      return count == tonumber(lib.loam_tables(db._p, nil, 0))
    end)
    assert(db:check())
  end)

  -- Tiers that are not full above a larger bottom: nothing is due.
  local function make_runs(tiers)
    local compactions = db:stats().compactions
    for _, tier in ipairs(tiers) do
      for _ = 1, tier.runs do
        load(1, tier.rows, ("w"):rep(200))
        assert(db:flush())
      end
    end
    assert.equal(compactions, db:stats().compactions)
  end

  local function offers_of_compaction()
    local before = lib.give_way_count()
    assert(db:compact())
    return tonumber(lib.give_way_count() - before)
  end

  it("gives way to others, unless so many runs wait that it is urgent", function()
    db = nil
    store.close_all()
    db = assert(store.open(files._p, "/other", { memory_bytes = 64 * 2 ^ 20, compression = 0 }))
    make_runs { { runs = 1, rows = 1000 }, { runs = 7, rows = 64 }, { runs = 7, rows = 8 },
      { runs = 3, rows = 1 } }
    local behind = offers_of_compaction()
    make_runs { { runs = 7, rows = 64 } }
    local in_time = offers_of_compaction()

    assert.equal(0, behind)
    assert.is_true(in_time >= 1, in_time)
  end)
end)
