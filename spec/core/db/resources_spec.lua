-- Much of everything at once: open snapshots and scans, writes that come faster than they can be
-- merged, clocks that jump (R03 R05 K11). Nothing hangs, nothing is lost, memory stays in bounds.
local env = require "spec.support.env"
local fault = require "spec.support.fault"
local ffi = require "ffi"
local lib = require "spec.support.lib"
local store = require "spec.support.db"

local MIB = 2 ^ 20
local HANDLES = 100000
local YEARS_10_MS = 10 * 365 * 86400000
local WAIT_S = 30

describe("db resources", function()
  local files

  before_each(function()
    files = fault.new(1)
  end)

  after_each(function()
    store.close_all()
    env.close_all()
  end)

  it("let 100,000 snapshots be open; the store tells how many, and goes on (R03)", function()
    local db = assert(store.open(files._p, "/db", { memtable_bytes = 65536 }))
    assert(db:put("a", "0"))
    local snapshots, out = ffi.new("loam_snapshot *[?]", HANDLES), ffi.new("loam_snapshot *[1]")
    for at = 0, HANDLES - 1 do
      assert(lib.loam_snapshot_open(db._p, out, db._err) == 0)
      snapshots[at] = out[0]
      if at % 1000 == 0 then
        assert(db:put("a", tostring(at)))
      end
    end

    assert.equal(HANDLES, tonumber(db:stats().snapshot_count))
    assert(db:flush())
    assert(db:compact())
    assert.equal("0", db:get("a", snapshots[0]))
    assert.equal("42000", db:get("a", snapshots[42999]))
    local _, code, text = db:close()
    assert.equal("BUSY", code)
    assert.matches("^still open: 100000 snapshots, 0 scans, ", text)
    for at = 0, HANDLES - 1 do
      lib.loam_snapshot_close(snapshots[at])
    end
    assert.equal(0, tonumber(db:stats().snapshot_count))
    assert(db:compact())
    assert(db:close())
  end)

  it("let 100,000 scans be open, each of its own moment (R03) #plain", function()
    local db = assert(store.open(files._p, "/db"))
    assert(db:put("a", "first"))
    local scans, out = ffi.new("loam_scan *[?]", HANDLES), ffi.new("loam_scan *[1]")
    local range, rows = ffi.new("loam_range"), ffi.new("loam_rows")
    for at = 0, HANDLES - 1 do
      assert(lib.loam_scan_open(db._p, 1, range, nil, out, db._err) == 0)
      scans[at] = out[0]
      if at == HANDLES / 2 then
        assert(db:put("a", "second"))
        assert(db:flush())
      end
    end

    assert.equal(HANDLES, tonumber(db:stats().scan_count))
    assert(db:compact())
    for at, value in pairs { [0] = "first", [HANDLES - 1] = "second" } do
      assert.equal(0, lib.loam_scan_next(scans[at], rows, db._err))
      assert.equal(value, ffi.string(rows.rows[0].value, rows.rows[0].value_size))
    end
    for at = 0, HANDLES - 1 do
      lib.loam_scan_close(scans[at])
    end
    assert.equal(0, tonumber(db:stats().scan_count))
    assert(db:close())
  end)

  it("keep memory and runs in bounds when writes come faster than merges (R05)", function()
    local db = assert(store.open(files._p, "/db", { memtable_bytes = 65536, table_bytes = 65536,
      memory_bytes = 4 * MIB, background_threads = 1 }))
    local value, most_bytes, most_runs = ("v"):rep(1000), 0, 0
    local count = 30000
    for at = 1, count do
      -- Keys that lie across each other: every merge rewrites.
      assert(db:put(("k%06d"):format(at * 7919 % count), value .. at, { durability = "os" }))
      if at % 50 == 0 then
        local stats = db:stats()
        most_bytes = math.max(most_bytes, tonumber(stats.memory_bytes))
        most_runs = math.max(most_runs, tonumber(stats.run_count))
      end
    end

    assert.is_true(most_bytes <= 4 * MIB, most_bytes)
    assert.is_true(most_runs <= 64, most_runs)
    assert(db:compact())
    assert.equal(count, (db:count()))
    assert(db:check())
  end)

  it("do not depend on the clock of the wall: it jumps ten years both ways (K11)", function()
    local db = assert(store.open(files._p, "/db",
      { memtable_bytes = 65536, sync_interval_ms = 20 }))
    local written = 0
    for _, jump in ipairs { YEARS_10_MS, -2 * YEARS_10_MS, YEARS_10_MS, -YEARS_10_MS } do
      files:shift_wall_ms(jump)
      for _ = 1, 100 do
        written = written + 1
        local durability = ({ "os", "interval", "sync" })[written % 3 + 1]
        assert(db:put("k" .. written, ("v"):rep(300) .. written, { durability = durability }))
        if durability == "sync" then
          assert.equal(db:seq(), db:durable_seq(), "an acknowledged sync is one")
        end
      end
      assert(db:put("interval", "1", { durability = "interval" }))
      local deadline = os.time() + WAIT_S
      repeat
        local is_durable = db:durable_seq() >= db:seq()
      until is_durable or os.time() > deadline
      assert.is_true(db:durable_seq() >= db:seq(), "the interval ends though the clock jumped")
      assert(db:flush())
      assert(db:compact())
      assert(db:apply({ key = "late", value = "1" }, { deadline_ms = 30000 }))
    end

    assert.equal(written + 2, (db:count()))
    assert(db:check())
    assert(db:close())
    db = assert(store.open(files._p, "/db"))
    assert.equal(written + 2, (db:count()))
  end)
end)
