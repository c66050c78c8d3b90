-- Open tables with their block slots: point reads and iterators agree with a sorted list, whatever
-- is resident; memory stays within the budget; errors are errors of the read that met them.
local cdef = require "spec.support.cdef"
local ffi = require "ffi"
local lib = require "spec.support.lib"
local seed = require "spec.support.seed"
local tables = require "spec.support.table"

cdef.load("lsm/table_testing.h")

local NOT_FOUND, CORRUPT = -1, -16
local MIB = 2 ^ 20

local opened = {}

local function slice(key)
  local out = ffi.new("struct slice")
  out.data, out.size = key, #key
  return out
end

-- Tables of one store with a cache; released after each test, in the order that C wants.
local function group_new(store, capacity)
  local group = lib.testing_tables_new(store.dir, store.id, capacity)
  opened[#opened + 1] = function()
    lib.testing_tables_free(group)
  end
  return group
end

local function table_new(group, meta)
  local out = ffi.new("struct table *[1]")
  assert.equal(0, lib.testing_tables_add(group, tables.cmeta(meta), out, tables.err))
  opened[#opened + 1] = function()
    lib.table_unref(out[0])
  end
  return out[0]
end

local function open(rows, options)
  options = options or {}
  local store = tables.store()
  local meta = store:build(7, rows, options)
  local group = group_new(store, options.capacity or 64 * MIB)
  return table_new(group, meta), group, store, meta
end

local function get(from, key, seq)
  local out, pin = ffi.new("struct entry"), ffi.new("struct block *[1]")
  local read = ffi.istype("struct table *", from) and lib.testing_table_get
    or lib.testing_version_get
  local code = read(from, slice(key), seq or tables.SEQ_MAX, out, pin, tables.err)
  if code ~= 0 then
    return nil, code
  end
  local row = tables.row(out)
  lib.testing_pin_free(pin[0])
  return row
end

local function counts(group)
  local out = ffi.new("struct cache_counts")
  lib.cache_counts(lib.testing_tables_cache(group), out)
  return out
end

-- An iterator: it(move, key, seq) returns the row, or nil and the status.
local function iterate(iter)
  opened[#opened + 1] = function()
    lib.testing_iter_free(iter)
  end
  local is_valid, entry = ffi.new("bool[1]"), ffi.new("struct entry")
  return function(move, key, seq)
    local target = slice(key or "")
    local status = lib.testing_iter_move(iter, move:byte(), target, seq or 0, is_valid, entry)
    if is_valid[0] then
      assert.equal(0, status)
      return tables.row(entry)
    end
    return nil, status
  end
end

-- Random moves of an iterator beside a position in the sorted list.
local function compare_moves(random, mode, rows, it, steps)
  local at = 0
  for _ = 1, steps do
    local move = random:pick { "f", "l", "s", "s", "b", "b", "n", "n", "n", "p", "p", "p" }
    if not rows[at] and (move == "n" or move == "p") then
      move = "s"
    end
    local row = random:pick { random:pick(rows), tables.random_rows(random, mode, 1)[1] }
    local seq = random:pick { 0, row.seq, row.seq + 1, tables.SEQ_MAX }
    local bound = tables.lower_bound(rows, row.key, seq)
    at = ({ f = 1, l = #rows, s = bound, b = bound - 1, n = at + 1, p = at - 1 })[move]
    local found = it(move, row.key, seq)
    assert.same(rows[at] and tables.full(rows[at]), found)
  end
end

-- Newest version at or below seq of each key, by looking at all rows.
local function model_get(rows, key, seq)
  local row = rows[tables.lower_bound(rows, key, seq)]
  return row and row.key == key and tables.full(row) or nil
end

local function compare_gets(random, mode, rows, from)
  for _ = 1, 200 do
    local row = random:pick { random:pick(rows), tables.random_rows(random, mode, 1)[1] }
    local seq = random:pick { 0, row.seq, row.seq - 1, row.seq + 1, tables.SEQ_MAX }
    local found, code = get(from, row.key, seq)
    assert.same(model_get(rows, row.key, seq), found)
    assert.is_true(found ~= nil or code == NOT_FOUND)
  end
end

describe("lsm.table", function()
  after_each(function()
    for index = #opened, 1, -1 do
      opened[index]()
      opened[index] = nil
    end
  end)

  for salt, mode in ipairs(tables.modes) do
    local n = mode == "long" and 50 or 300
    for _, capacity in ipairs { 64 * MIB, 6000, 0 } do
      it(("agrees with a sorted list: %s keys, budget %d"):format(mode, capacity), function()
        local random = seed.new(salt)
        local rows = tables.random_rows(random, mode, n)
        local options = {
          capacity = capacity,
          block_bytes = random:int(50, 600),
          compression = random:int(0, 2),
          point_index = capacity ~= 6000,
        }
        local handle = open(rows, options)

        compare_gets(random, mode, rows, handle)
        compare_moves(random, mode, rows, iterate(lib.testing_table_iter_new(handle, true)), 300)
        compare_moves(random, mode, rows, iterate(lib.testing_table_iter_new(handle, false)), 300)
      end)
    end

    it("reads a run of tables and a stack of runs: " .. mode .. " keys", function()
      local random = seed.new(salt + 50)
      local store, version = tables.store(), lib.testing_version_new()
      local group = group_new(store, MIB)
      opened[#opened + 1] = function()
        lib.testing_version_free(version)
      end
      local all, first, number = tables.random_rows(random, mode, n), nil, 0
      -- The newest third of the sequences is the newest run.
      for run = 3, 1, -1 do
        local rows = {}
        for _, row in ipairs(all) do
          if math.min(2, math.floor(row.seq / n)) + 1 == run then
            rows[#rows + 1] = row
          end
        end
        first = first or rows
        local handles, part = {}, {}
        for index, row in ipairs(rows) do
          part[#part + 1] = row
          local next_row = rows[index + 1]
          if not next_row or (#part >= n / 12 and next_row.key ~= row.key) then
            number = number + 1
            local meta = store:build(number, part, { block_bytes = 300 })
            handles[#handles + 1] = table_new(group, meta)
            part = {}
          end
        end
        local list = ffi.new("struct table *[?]", #handles, handles)
        lib.testing_version_add_run(version, list, #handles)
      end

      compare_gets(random, mode, all, version)
      for _, fill in ipairs { true, false } do
        compare_moves(random, mode, first, iterate(lib.testing_run_iter_new(version, 0, fill)), 300)
      end
    end)
  end

  it("opens its file at first use and keeps blocks in memory", function()
    local rows = tables.rows(2000)
    local handle, group = open(rows)
    local before = counts(group)

    assert.same(tables.full(rows[7]), get(handle, rows[7].key))
    local first = counts(group)
    get(handle, rows[7].key)
    local second = counts(group)

    assert.same({ 0, 0, 0 }, {
      tonumber(before.block_bytes), tonumber(before.index_bytes), tonumber(before.misses),
    })
    assert.same({ 0, 1 }, { tonumber(first.hits), tonumber(first.misses) })
    assert.same({ 1, 1 }, { tonumber(second.hits), tonumber(second.misses) })
    assert.is_true(first.block_bytes > 4000 and first.index_bytes > 2000 * 4)
  end)

  it("takes no memory for a hit", function()
    local rows = tables.rows(100)
    local handle = open(rows)
    get(handle, rows[1].key)
    local key, out, pin = slice(rows[1].key), ffi.new("struct entry"), ffi.new("struct block *[1]")
    lib.memory_fail_at(-1ULL, 0) -- Counting begins here.
    local before = lib.memory_alloc_count()

    lib.testing_table_get(handle, key, tables.SEQ_MAX, out, pin, tables.err)

    assert.equal(0, tonumber(lib.memory_alloc_count() - before))
    lib.block_builder_free(lib.block_builder_new())
    assert.equal(1, tonumber(lib.memory_alloc_count() - before))
    lib.testing_pin_free(pin[0])
  end)

  it("keeps blocks within the budget and gives used ones a second chance", function()
    local rows = tables.rows(5000, ("v"):rep(100))
    local handle, group = open(rows, { capacity = 200000 })
    for index = 1, #rows, 20 do
      assert.same(tables.full(rows[index]), get(handle, rows[index].key))
      get(handle, rows[1].key)
    end
    local found = counts(group)
    get(handle, rows[1].key)

    assert.is_true(found.evictions > 50)
    assert.is_true(found.block_bytes + found.index_bytes <= 200000)
    assert.equal(tonumber(found.misses), tonumber(counts(group).misses))
  end)

  it("evicts at once when the budget shrinks, and pinned rows outlive it", function()
    local rows = tables.rows(1000, ("v"):rep(100))
    local handle, group = open(rows)
    local it = iterate(lib.testing_table_iter_new(handle, true))
    for _, row in ipairs(rows) do
      get(handle, row.key)
    end
    local out, pin = ffi.new("struct entry"), ffi.new("struct block *[1]")
    lib.testing_table_get(handle, slice(rows[500].key), tables.SEQ_MAX, out, pin, tables.err)
    it("f")

    lib.cache_set_capacity(lib.testing_tables_cache(group), 0)
    lib.epoch_drain()

    assert.equal(0, tonumber(counts(group).block_bytes))
    assert.equal(rows[500].value, tables.row(out).value)
    assert.same(tables.full(rows[2]), it("n"))
    lib.testing_pin_free(pin[0])
  end)

  it("does not fill the cache for compaction", function()
    local rows = tables.rows(3000, ("v"):rep(100))
    local handle, group = open(rows)
    local it = iterate(lib.testing_table_iter_new(handle, false))
    local at, row = 1, it("f")
    while row do
      assert.equal(rows[at].key, row.key)
      at, row = at + 1, it("n")
    end

    assert.equal(#rows + 1, at)
    assert.equal(0, tonumber(counts(group).block_bytes))
  end)

  it("tells its owner when an obsolete table is let go, and only then", function()
    local store = tables.store()
    local group = group_new(store, MIB)
    local out, called = ffi.new("struct table *[2]"), ffi.new("uint64_t[1]")
    for index = 0, 1 do
      local meta = tables.cmeta(store:build(20 + index, tables.rows(10)))
      assert.equal(0, lib.testing_tables_add(group, meta, out + index, tables.err))
    end
    lib.table_ref(out[1])
    lib.table_mark_obsolete(out[1])
    lib.table_unref(out[0])
    lib.table_unref(out[1])
    lib.testing_tables_obsolete(group, called)
    local before = tonumber(called[0])
    lib.table_unref(out[1])

    assert.equal(0, before)
    assert.equal(21, tonumber(lib.testing_tables_obsolete(group, called)))
    assert.equal(1, tonumber(called[0]))
  end)

  -- Error paths.

  it("D07 fails the read that meets an error, and tries again later", function()
    local rows = tables.rows(10)
    local handle, _, store = open(rows)
    os.rename(store:file(7), store:file(8))
    local _, code = get(handle, rows[1].key)
    os.rename(store:file(8), store:file(7))

    assert.equal(CORRUPT, code) -- NOT_FOUND would mean that the key is absent.
    assert.same(tables.full(rows[1]), get(handle, rows[1].key))
  end)

  it("B04 refuses a file of the same number that the manifest does not mean", function()
    local rows = tables.rows(10)
    local store = tables.store()
    local meta = store:build(7, rows)
    meta.seq_max = meta.seq_max + 1
    local handle = table_new(group_new(store, MIB), meta)

    assert.equal(CORRUPT, select(2, get(handle, rows[1].key)))
    assert.truthy(tables.text():find("000000000007.sst at offset", 1, true))
  end)

  it("keeps an iterator nowhere once a block could not be read", function()
    local rows = tables.rows(100, ("v"):rep(50))
    local handle, _, store, meta = open(rows, { block_bytes = 512 })
    local bytes = store:read(7)
    store:write(7, bytes:sub(1, 700) .. "X" .. bytes:sub(702))
    assert.equal(#bytes, meta.size)
    for _, fill in ipairs { true, false } do
      local iter = lib.testing_table_iter_new(handle, fill)
      local err = ffi.new("loam_error")
      lib.testing_iter_set_error(iter, err)
      local it = iterate(iter)

      local row, status = it("f"), nil
      while row do
        row, status = it("n")
      end
      assert.equal(CORRUPT, status)
      assert.truthy(ffi.string(err.text):find("000000000007.sst at offset", 1, true))
      assert.equal(CORRUPT, select(2, it("f")))
      assert.equal(CORRUPT, select(2, it("s", rows[90].key, 0)))
      assert.same(tables.full(rows[90]), get(handle, rows[90].key))
    end
  end)

  it("answers NO_MEMORY or rightly whichever allocation fails", function()
    local rows = tables.rows(60, ("v"):rep(20))
    for failures = 0, 40 do
      local handle = open(rows, { block_bytes = 300, compression = 1 })
      local it = iterate(lib.testing_table_iter_new(handle, failures % 2 == 0))
      lib.memory_fail_at(failures, 1)
      local row, code = get(handle, rows[30].key)
      local first, status = it("s", rows[1].key, rows[1].seq)
      lib.memory_fail_at(-1ULL, 0)
      assert.is_true(row ~= nil or code == -22)
      assert.is_true(first ~= nil or status == -22)
      assert.same(tables.full(rows[30]), get(handle, rows[30].key))
    end
  end)

  it("serves readers while blocks are evicted and tables are dropped", function()
    local store = tables.store()
    local list, keep = ffi.new("struct table_meta[3]"), {}
    for index = 0, 2 do
      keep[index] = store:build(index + 1, tables.rows(3000), { compression = index })
      list[index] = tables.cmeta(keep[index])
    end
    local group = group_new(store, 100000)
    local stress = ffi.new("struct testing_stress", 4, 20000, 100, 3000)

    assert.equal(0, tonumber(lib.testing_tables_stress(group, list, 3, stress, tables.err)))

    lib.epoch_drain()
    local found = counts(group)
    assert.is_true(found.evictions > 100)
    assert.same({ 0, 0 }, { tonumber(found.block_bytes), tonumber(found.index_bytes) })
  end)
end)
