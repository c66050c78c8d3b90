-- Tables: builder and reader together. Rows come back, indexes lead to them, metas say the truth,
-- and the builder refuses what no table may hold.
local example = require "spec.support.format_example"
local ffi = require "ffi"
local lib = require "spec.support.lib"
local seed = require "spec.support.seed"
local tables = require "spec.support.table"

local INVALID, EXISTS = -5, -2

local function full(rows)
  local list = {}
  for index, row in ipairs(rows) do
    list[index] = tables.full(row)
  end
  return list
end

-- Calls each(block, row, entry row, is newest of its key) for each row of the table.
local function each_row(reader, rows, each)
  local at = 0
  for index = 0, lib.table_reader_block_count(reader) - 1 do
    for row = 0, lib.testing_block_count(tables.block(reader, index)) - 1 do
      at = at + 1
      each(index, row, rows[at], at == 1 or rows[at].key ~= rows[at - 1].key)
    end
  end
  assert.equal(#rows, at)
end

local function slice(key)
  local out = ffi.new("struct slice")
  out.data, out.size = key, #key
  return out
end

local function check(reader, meta)
  return lib.table_reader_check(reader, tables.cmeta(meta), tables.err)
end

describe("disk.table", function()
  for salt, mode in ipairs(tables.modes) do
    for compression = 0, 2 do
      it(("gives back its rows: %s keys, codec %d"):format(mode, compression), function()
        local random = seed.new(salt * 10 + compression)
        local rows = tables.random_rows(random, mode, mode == "long" and 60 or 400)
        local store = tables.store()

        local options = { compression = compression, block_bytes = random:int(100, 900) }
        local meta = store:build(7, rows, options)
        local reader = store:open(meta)

        assert.same(full(rows), tables.all_rows(reader))
        assert.equal(0, check(reader, meta), tables.text())
      end)
    end

    it("B06 finds every key through the point index: " .. mode .. " keys", function()
      local random = seed.new(salt + 100)
      local rows = tables.random_rows(random, mode, mode == "long" and 60 or 600)
      local store = tables.store()
      local reader = store:open(store:build(7, rows, { block_bytes = 300 }))
      assert.is_true(lib.table_reader_has_point_index(reader))

      local is_right, key_count = ffi.new("bool[1]"), 0
      each_row(reader, rows, function(block, row_index, row, is_newest)
        lib.testing_reader_probe(reader, slice(row.key), block, row_index, is_right)
        assert.equal(is_newest, is_right[0])
        key_count = key_count + (is_newest and 1 or 0)
      end)
      assert.equal(key_count, tonumber(lib.table_reader_key_count(reader)))
    end)

    it("leads any key to its block through the block index: " .. mode .. " keys", function()
      local random = seed.new(salt + 200)
      local rows = tables.random_rows(random, mode, mode == "long" and 60 or 300)
      local store = tables.store()
      local reader = store:open(store:build(7, rows, { block_bytes = 200 }))
      local block_of, first_of = {}, {}
      each_row(reader, rows, function(block, row_index, row)
        block_of[row] = block
        first_of[block] = row_index == 0 and row or first_of[block]
      end)

      for _, row in ipairs(rows) do
        assert.equal(block_of[row], lib.testing_reader_find(reader, row.key, #row.key, row.seq))
      end
      for _, other in ipairs(tables.random_rows(random, mode, 100)) do
        local at = tables.lower_bound(rows, other.key, other.seq)
        local found = lib.testing_reader_find(reader, other.key, #other.key, other.seq)
        if found == lib.table_reader_block_count(reader) then
          assert.is_nil(rows[at])
        elseif rows[at] then
          assert.is_true(found == block_of[rows[at]] or found == block_of[rows[at]] - 1)
          assert.is_true(found == block_of[rows[at]] or first_of[found + 1] == rows[at])
        end
      end
    end)
  end

  it("leads to each of any number of blocks, at the edges of the levels of its index", function()
    for _, count in ipairs { 1, 2, 7, 8, 9, 63, 64, 65, 66, 511, 512, 513, 577 } do
      for mode, key_of in pairs {
        digits = function(i) return ("aaaa%06d"):format(i * 2) end,
        -- Eight bytes of 0xff, which are no end; then keys of equal heads.
        alike = function(i) return "aaaa" .. ("\255"):rep(8) .. ("%06d"):format(i * 2) end,
      } do
        local rows = {}
        for i = 1, count do
          rows[i] = { kind = 1, key = key_of(i), value = "v", seq = 5, expire_at_ms = 0,
            content_type = 0 }
        end
        local store = tables.store()
        local reader = store:open(store:build(7, rows, { block_bytes = 1 }))
        assert.equal(count, lib.table_reader_block_count(reader), mode)
        for i = 1, count do
          local key = rows[i].key
          assert.equal(i - 1, lib.testing_reader_find(reader, key, #key, 5))
          local behind = key_of(i + 0.5)
          local found = lib.testing_reader_find(reader, behind, #behind, 5)
          assert.is_true(found == i - 1 and i < count or found == i)
        end
        assert.equal(0, lib.testing_reader_find(reader, "aaaa", 4, 5))
        assert.equal(count, lib.testing_reader_find(reader, "b", 1, 5))
      end
    end
  end)

  it("writes the bytes of the example in core/FORMAT.md", function()
    local store = tables.store()
    local rows = {
      { key = tables.stored("a"), value = "v2", seq = 9 },
      { key = tables.stored("a"), value = "v1", seq = 7 },
      { key = tables.stored("b", 258), seq = 8, kind = tables.DELETE },
      { key = tables.stored("bc", 258), value = "x", seq = 300, expire = 1700000000000, type = 2 },
    }

    local meta = store:build(12, rows, { block_bytes = 40 })

    assert.equal(example "table", store:read(12))
    assert.same(full(rows), tables.all_rows(store:open(meta)))
  end)

  it("says the truth of its rows", function()
    local random = seed.new()
    local rows = tables.random_rows(random, "digits", 500)
    local store = tables.store()
    local meta = store:build(123, rows, { write_behind_bytes = 4096 })

    local deletes, expiries, raw, low, high = 0, 0, 0, math.huge, 0
    for _, row in ipairs(rows) do
      deletes = deletes + (row.kind == tables.DELETE and 1 or 0)
      expiries = expiries + (row.expire > 0 and 1 or 0)
      raw = raw + #row.key + #row.value
      low, high = math.min(low, row.seq), math.max(high, row.seq)
    end
    assert.same({ 123, #store:read(123), 500, deletes, expiries, raw, low, high }, {
      meta.number, meta.size, meta.row_count, meta.delete_count, meta.expiry_count, meta.raw_size,
      meta.seq_min, meta.seq_max,
    })
    assert.equal(rows[1].key, meta.smallest)
    assert.equal(rows[#rows].key, meta.largest)
    assert.is_true(meta.hash == lib.checksum_64(store:read(123), meta.size, 0))
  end)

  it("names its buckets and the largest sequence of each block", function()
    local rows = tables.random_rows(seed.new(), "digits", 300)
    local store = tables.store()
    local reader = store:open(store:build(7, rows, { block_bytes = 256 }))

    local count = ffi.new("size_t[1]")
    local ids = lib.table_reader_buckets(reader, count)
    assert.same({ 3, 1, 2, 300 }, { tonumber(count[0]), ids[0], ids[1], ids[2] })
    local largest = {}
    each_row(reader, rows, function(block, _, row)
      largest[block] = math.max(largest[block] or 0, row.seq)
    end)
    for index, seq in pairs(largest) do
      assert.equal(seq, tonumber(lib.table_reader_block_seq_max(reader, index)))
    end
  end)

  it("gives a row larger than a block one of its own", function()
    local rows = tables.rows(3)
    rows[2].value = ("v"):rep(50000)
    local store = tables.store()
    local reader = store:open(store:build(7, rows, { block_bytes = 1000 }))

    assert.equal(3, lib.table_reader_block_count(reader))
    assert.same(full(rows), tables.all_rows(reader))
  end)

  it("goes without a point index when asked to", function()
    local store = tables.store()
    local meta = store:build(7, tables.rows(100), { point_index = false })
    local reader = store:open(meta)

    assert.is_false(lib.table_reader_has_point_index(reader))
    assert.equal(0, check(reader, meta))
  end)

  it("costs few bytes a key beyond its rows", function()
    local rows = tables.rows(20000, ("v"):rep(100))
    local store = tables.store()
    local meta = store:build(7, rows)
    local reader = store:open(meta)

    assert.is_true(meta.size < meta.raw_size * 1.03)
    assert.is_true(tonumber(lib.table_reader_memory(reader)) < 7 * #rows)
  end)

  -- Error paths of table_builder.c.

  it("refuses rows out of order, also over the border of a block", function()
    local store = tables.store()
    local builder, add = store:builder(7, { block_bytes = 1 })
    assert.equal(0, add { key = tables.stored("b"), seq = 5 })

    assert.equal(INVALID, add { key = tables.stored("b"), seq = 5 })
    assert.equal(INVALID, add { key = tables.stored("b"), seq = 6 })
    assert.equal(INVALID, add { key = tables.stored("a"), seq = 1 })
    assert.equal(INVALID, add { key = "abc", seq = 1 })
    assert.equal(0, add { key = tables.stored("b"), seq = 4 })
    assert.equal(2, tonumber(lib.table_builder_count(builder)))
  end)

  it("refuses to be empty, to overwrite, and unknown options", function()
    local store = tables.store()
    local builder = store:builder(7)

    local meta = ffi.new("struct table_meta")
    assert.equal(INVALID, lib.table_builder_finish(builder, meta, tables.err))
    assert.equal(EXISTS, select(2, store:builder(7)))
    assert.equal(INVALID, select(2, store:builder(8, { block_bytes = 0 })))
    assert.equal(INVALID, select(2, store:builder(8, { compression = 9 })))
  end)

  it("answers NO_MEMORY whichever allocation fails, and leaks nothing", function()
    local rows = tables.rows(50)
    local store = tables.store()
    local failures, is_built = 0, false
    local number = 10
    while not is_built do
      number = number + 1
      lib.memory_fail_at(failures, 1)
      local options = { block_bytes = 200, compression = 1 }
      local ok, message = pcall(store.build, store, number, rows, options)
      lib.memory_fail_at(-1ULL, 0)
      is_built = ok
      failures = failures + 1
      assert.is_true(ok or message:find("out of memory", 1, true) ~= nil, message)
    end
    assert.is_true(failures > 10)
  end)

  it("opens or answers NO_MEMORY whichever allocation fails", function()
    local store = tables.store()
    local meta = store:build(7, tables.rows(50))
    local failures, reader = 0
    repeat
      lib.memory_fail_at(failures, 1)
      local code
      reader, code = store:open(meta)
      lib.memory_fail_at(-1ULL, 0)
      failures = failures + 1
      assert.is_true(reader ~= nil or code == -22)
    until reader
    assert.is_true(failures > 3)
  end)
end)
