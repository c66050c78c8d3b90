-- Scans through the C API: rows taken at once from one block, reuse of a scan, what stays valid.
local cdef = require "spec.support.cdef"
local env = require "spec.support.env"
local fault = require "spec.support.fault"
local ffi = require "ffi"
local lib = require "spec.support.lib"
local seed = require "spec.support.seed"
local socket = require "socket"
local store = require "spec.support.db"

cdef.load("base/epoch.h")
cdef.load("base/memory.h")

local OPTIONS = { block_bytes = 512, memory_bytes = 4 * 2 ^ 20, memtable_bytes = 262144 }
local NOW = 1700000000000

describe("db.scan", function()
  local files, db, err, scans

  before_each(function()
    files = fault.new(1)
    files:set_wall_ms(NOW)
    db = assert(store.open(files._p, "/db", OPTIONS))
    err, scans = ffi.new("loam_error"), {}
  end)

  after_each(function()
    lib.memory_fail_at(ffi.cast("uint64_t", -1), 0)
    files:hold(nil)
    for _, scan in ipairs(scans) do
      lib.loam_scan_close(scan)
    end
    store.close_all()
    env.close_all()
  end)

  local function open(range, snapshot)
    local out = ffi.new("loam_scan *[1]")
    assert.equal(0, lib.loam_scan_open(db._p, 1, range, snapshot, out, err))
    scans[#scans + 1] = out[0]
    return out[0]
  end

  local function next_block(scan)
    local block = ffi.new("loam_rows")
    assert.equal(0, lib.loam_scan_next(scan, block, err))
    return block
  end

  local function text_of(row)
    return ffi.string(row.key, row.key_size) .. "=" .. ffi.string(row.value, row.value_size)
  end

  local function texts_of(block)
    local list = {}
    for i = 0, tonumber(block.count) - 1 do
      list[#list + 1] = text_of(block.rows[i])
    end
    return list
  end

  local function rest(scan)
    local list = {}
    while true do
      local block = next_block(scan)
      if block.count == 0 then
        return list
      end
      for _, text in ipairs(texts_of(block)) do
        list[#list + 1] = text
      end
    end
  end

  local function fill(first, last, step, value)
    local ops = {}
    for i = first, last, step do
      ops[#ops + 1] = { key = ("key%06d"):format(i), value = value .. i }
    end
    assert(db:batch(ops, { durability = "os" }))
  end

  it("merges runs that lie apart, touch and interleave, with deletes and expiry", function()
    local random, model = seed.new(), {}
    for _ = 1, 12 do
      local ops, first = {}, random:int(0, 3000)
      local step, count = random:int(1, 3), random:int(1, 400)
      for i = first, first + step * count, step do
        local key, draw = ("key%06d"):format(i), random:int(1, 40)
        local value = random:bytes(random:int(0, 30), "abc") .. i
        local op = { key = key, value = value }
        model[key] = value
        if draw == 1 then
          op, model[key] = { kind = "delete", key = key }, nil
        elseif draw == 2 then
          op.expire_at_ms, model[key] = NOW + 1, nil
        elseif draw == 3 then
          op.expire_at_ms = NOW + 1000000
        elseif draw == 4 then
          op.content_type = 7
        end
        ops[#ops + 1] = op
      end
      assert(db:batch(ops, { durability = "os" }))
      assert(random:int(1, 3) == 1 or db:flush())
    end
    files:set_wall_ms(NOW + 1)
    local expected = {}
    for key, value in pairs(model) do
      expected[#expected + 1] = key .. "=" .. value
    end
    table.sort(expected)

    assert.same(expected, rest(open(nil)))
    assert(db:compact())
    assert.same(expected, rest(open(nil)))
  end)

  it("stops a stretch at what a snapshot does not see", function()
    fill(0, 300, 1, "old")
    local snapshot = db:snapshot()
    fill(100, 199, 7, "new")
    fill(301, 400, 1, "new")
    assert(db:compact())

    local list = rest(open(nil, snapshot))

    assert.equal(301, #list)
    for i, text in ipairs(list) do
      assert.equal(("key%06d=old%d"):format(i - 1, i - 1), text)
    end
    lib.loam_snapshot_close(snapshot)
  end)

  -- A memtable with up to 150 versions of a key, over a table: the keys have one size, or several
  -- of which some begin alike.
  for mode, key_of in pairs {
    even = function(i) return ("key%06d"):format(i) end,
    uneven = function(i)
      return "key" .. ("\0"):rep(i % 3) .. ("%03d"):format(math.floor(i / 3))
    end,
  } do
    it("leaves groups of versions in a memtable, keys of " .. mode .. " size", function()
      local random, now, expected = seed.new(), {}, {}
      local function put(i, value)
        now[key_of(i)] = value
        assert(db:batch({ { kind = value == nil and "delete" or nil, key = key_of(i),
          value = value } }, { durability = "os" }))
      end
      local function rows_of(model)
        local keys = {}
        for key in pairs(model) do
          keys[#keys + 1] = key
        end
        table.sort(keys)
        for i, key in ipairs(keys) do
          keys[i] = { key, model[key] }
        end
        return keys
      end
      for i = 0, 400, 2 do
        put(i, "old" .. i)
      end
      assert(db:compact())
      local snapshots = {}
      for round = 1, 3 do
        for _ = 1, 40 do
          local i = random:int(0, 400)
          for version = 1, random:pick { 0, 1, 2, 3, 12, 30, 50 } do
            put(i, random:int(1, 12) > 1 and round .. "." .. version or nil)
          end
        end
        snapshots[round], expected[round] = db:snapshot(), rows_of(now)
      end

      for round, snapshot in ipairs(snapshots) do
        local all = expected[round]
        assert.same(all, db:rows({}, snapshot))
        for _ = 1, 60 do
          local first = random:int(1, #all)
          local last = math.min(#all, first + random:int(0, 30))
          local part, back = {}, {}
          for i = first, last do
            part[#part + 1], back[last - i + 1] = all[i], all[i]
          end
          assert.same(part, db:rows({ from = all[first][1], limit = #part }, snapshot))
          local range = { from = all[first][1], to = all[last][1] .. "\0" }
          assert.same(part, db:rows(range, snapshot))
          range.reverse = true
          assert.same(back, db:rows(range, snapshot))
        end
        lib.loam_snapshot_close(snapshot)
      end
    end)
  end

  it("counts limit and bytes also within a stretch", function()
    fill(0, 999, 1, "v")
    assert(db:compact())

    local limited = open(ffi.new("loam_range", { limit = 300 }))
    local sized = open(ffi.new("loam_range", { max_bytes = 130 }))

    assert.equal(256, tonumber(next_block(limited).count))
    assert.equal(44, #rest(limited))
    assert.equal(12, #rest(sized))
  end)

  it("keeps values until the next call, whatever happens to their blocks", function()
    fill(0, 999, 1, "value")
    assert(db:compact())
    local scan = open(nil)
    local block = next_block(scan)
    local before = texts_of(block)

    fill(0, 999, 1, "other")
    assert(db:compact())
    assert.equal(1000, #rest(open(nil)))
    lib.epoch_collect()

    assert.equal(256, #before)
    assert.same(before, texts_of(block))
  end)

  it("gives keys without values", function()
    fill(0, 99, 1, "value")
    assert(db:compact())

    local block = next_block(open(ffi.new("loam_range", { keys_only = true })))

    assert.equal(100, tonumber(block.count))
    for i = 0, 99 do
      assert.is_true(block.rows[i].value == nil)
      assert.equal(#("value" .. i), tonumber(block.rows[i].value_size))
      assert.equal(("key%06d"):format(i), ffi.string(block.rows[i].key, block.rows[i].key_size))
    end
  end)

  it("re-aims a scan without taking memory", function()
    fill(0, 999, 1, "value")
    assert(db:compact())
    fill(0, 999, 3, "newer")
    assert(db:flush())
    local scan, from = open(nil), "key000500"
    assert.equal(1000, #rest(scan))
    local range = ffi.new("loam_range", { from = from, from_size = #from, limit = 2 })

    lib.memory_fail_at(0, ffi.cast("uint64_t", -1))
    local rc = lib.loam_scan_reset(scan, 1, range, nil, err)

    assert.equal(0, rc)
    assert.same({ "key000500=value500", "key000501=newer501" }, rest(scan))
  end)

  it("sees new rows, new runs and new states after a reset", function()
    local scan = open(nil)
    for round = 1, 12 do
      fill(round, 40, 13, "round" .. round .. "-")
      assert(round % 3 == 0 or db:flush())
      assert(round % 5 > 0 or db:compact())

      assert.equal(0, lib.loam_scan_reset(scan, 1, nil, nil, err))
      assert.same(rest(open(nil)), rest(scan))
    end
  end)

  it("hands out nothing after a reset that fails, and works after the next", function()
    fill(0, 999, 1, "value")
    assert(db:compact())
    local scan, long = open(nil), ("x"):rep(70000)
    next_block(scan)
    local range = ffi.new("loam_range", { from = long, from_size = #long })

    assert.equal(lib.LOAM_TOO_LARGE, lib.loam_scan_reset(scan, 1, range, nil, err))
    assert.equal(0, tonumber(next_block(scan).count))
    assert.equal(0, lib.loam_scan_reset(scan, 1, nil, nil, err))
    assert.equal(1000, #rest(scan))
  end)

  it("answers with an error when memory ends, and with rows after a reset", function()
    fill(0, 999, 1, ("value"):rep(20))
    assert(db:compact())
    for after = 0, 20 do
      local scan, block = open(nil), ffi.new("loam_rows")
      lib.memory_fail_at(after, ffi.cast("uint64_t", -1))
      local rc
      repeat
        rc = lib.loam_scan_next(scan, block, err)
      until rc ~= 0 or block.count == 0
      lib.memory_fail_at(ffi.cast("uint64_t", -1), 0)

      assert.is_true(rc == 0 or rc == lib.LOAM_NO_MEMORY)
      assert.equal(0, lib.loam_scan_reset(scan, 1, nil, nil, err))
      assert.equal(1000, #rest(scan))
    end
  end)

  -- A flush installs its tables, removes the logs and then drops its memtables; in between a
  -- compaction may publish a state that has both.
  it("meets a row once that stands in a memtable and in the table just made of it", function()
    local last = 3999 -- Short rows: several in a block.
    for _ = 1, 7 do
      fill(0, last, 1, "value")
      assert(db:flush())
    end
    files:hold("remove")
    fill(0, last, 1, "value")
    assert(db:put("other", "1")) -- The memtable was full.
    fill(3, last, 10, "value") -- So that now one, now another child of the merge is first.
    local deadline = socket.gettime() + 30
    while db:stats().compactions < 1 or files:held() < 1 do
      assert(socket.gettime() < deadline, "no compaction beside a flush that waits")
      socket.sleep(0.001)
    end

    local rows
    for _ = 1, 50 do -- The compaction publishes its state right after it has counted itself.
      rows = rest(open(nil))
      socket.sleep(0.001)
    end
    files:hold(nil)

    assert.equal(last + 2, #rows)
    for i = 0, last do
      assert.equal(("key%06d=value%d"):format(i, i), rows[i + 1])
    end
    assert.equal("other=1", rows[last + 2])
  end)
end)
