-- Blocks of a new table that are resident before anybody asks for them: as far as there is free
-- room, evicting nothing, and only of a table that verifies.
local cdef = require "spec.support.cdef"
local env = require "spec.support.env"
local fault = require "spec.support.fault"
local ffi = require "ffi"
local lib = require "spec.support.lib"
local socket = require "socket"
local store = require "spec.support.db"
local tables = require "spec.support.table"

cdef.load("lsm/table_testing.h")

local CORRUPT = -16
local MIB = 2 ^ 20
local ROWS = 2000
local VALUE = ("v"):rep(100)

local opened = {}

local function defer(release, object)
  opened[#opened + 1] = function() release(object) end
end

-- A table of 2,000 rows of 100 bytes in blocks of 4 KiB, and its cache.
local function new_table(capacity)
  local files = tables.store()
  local meta = files:build(7, tables.rows(ROWS, VALUE), {})
  local group = lib.testing_tables_new(files.dir, files.id, capacity)
  defer(lib.testing_tables_free, group)
  local out = ffi.new("struct table *[1]")
  assert.equal(0, lib.testing_tables_add(group, tables.cmeta(meta), out, tables.err))
  defer(lib.table_unref, out[0])
  return out[0], lib.testing_tables_cache(group), files
end

local function counts(cache)
  local out = ffi.new("struct cache_counts")
  lib.cache_counts(cache, out)
  return out
end

local function read_all(from)
  local out, pin, key = ffi.new("struct entry"), ffi.new("struct block *[1]"),
    ffi.new("struct slice")
  for _, row in ipairs(tables.rows(ROWS, VALUE)) do
    key.data, key.size = row.key, #row.key
    assert.equal(0, lib.testing_table_get(from, key, tables.SEQ_MAX, out, pin, tables.err))
    assert.same(tables.full(row), tables.row(out))
    lib.testing_pin_free(pin[0])
  end
end

describe("lsm.table_warm", function()
  after_each(function()
    while #opened > 0 do
      table.remove(opened)()
    end
    store.close_all()
    env.close_all()
  end)

  it("leaves the blocks of a verified table resident", function()
    local new, cache = new_table(64 * MIB)
    local digest = ffi.new("uint64_t[1]")

    assert.equal(0, lib.table_verify(new, digest, tables.err))
    read_all(new)

    assert.equal(0, tonumber(counts(cache).misses))
    assert.is_true(counts(cache).block_bytes > ROWS * #VALUE)
  end)

  it("keeps of them what leaves an eighth of the capacity free, and the rest is read", function()
    local capacity = 160 * 1024
    local new, cache = new_table(capacity)

    assert.equal(0, lib.table_verify(new, ffi.new("uint64_t[1]"), tables.err))

    local after = counts(cache)
    assert.is_true(after.block_bytes > 0)
    assert.is_true(after.block_bytes + after.index_bytes <= capacity * 7 / 8)
    assert.equal(0, tonumber(after.evictions))
    read_all(new)
    assert.is_true(counts(cache).misses > 0)
  end)

  it("brings the rest when there is room", function()
    local new, cache = new_table(160 * 1024)
    assert.equal(0, lib.table_verify(new, ffi.new("uint64_t[1]"), tables.err))
    local before = counts(cache).block_bytes

    lib.table_warm(new)
    assert.equal(before, counts(cache).block_bytes)
    assert.is_true(lib.table_is_cold(new))
    lib.cache_set_capacity(cache, 64 * MIB)
    lib.table_warm(new)
    read_all(new)

    assert.equal(0, tonumber(counts(cache).misses))
    assert.is_false(lib.table_is_cold(new))
  end)

  it("leaves a table alone that had room, whatever became of its blocks", function()
    local new, cache = new_table(64 * MIB)
    assert.equal(0, lib.table_verify(new, ffi.new("uint64_t[1]"), tables.err))

    assert.is_false(lib.table_is_cold(new))
    assert.is_true(counts(cache).block_bytes > 0)
  end)

  it("leaves a cold table that cannot be read to whoever wants it", function()
    local new, cache, files = new_table(160 * 1024)
    assert.equal(0, lib.table_verify(new, ffi.new("uint64_t[1]"), tables.err))
    local bytes = files:read(7)
    local before = counts(cache).block_bytes
    files:write(7, ("x"):rep(#bytes))

    lib.cache_set_capacity(cache, 64 * MIB)
    lib.table_warm(new)

    assert.equal(before, counts(cache).block_bytes)
    assert.is_false(lib.table_is_cold(new))
  end)

  it("does not verify a table with a damaged block", function()
    local new, cache, files = new_table(64 * MIB)
    local bytes = files:read(7)
    local at = math.floor(#bytes / 2)
    files:write(7, bytes:sub(1, at) .. string.char((bytes:byte(at + 1) + 1) % 256)
      .. bytes:sub(at + 2))

    assert.equal(CORRUPT, lib.table_verify(new, ffi.new("uint64_t[1]"), tables.err))

    assert.is_true(counts(cache).misses == 0)
  end)

  it("lets nobody miss after a flush or a compaction", function()
    local files = fault.new(1)
    local db = assert(store.open(files._p, "/db"))
    local function fill(from)
      for i = from, from + 999 do
        assert(db:put(("k%05d"):format(i), VALUE))
      end
      assert(db:flush())
    end
    local function misses_of_all(last)
      local before = db:stats().block_misses
      for i = 1, last do
        assert.equal(VALUE, db:get(("k%05d"):format(i)))
      end
      return tonumber(db:stats().block_misses - before)
    end

    fill(1)
    assert.equal(0, misses_of_all(1000))
    fill(1001)
    assert(db:compact())
    assert.equal(0, misses_of_all(2000))
  end)

  -- While a memtable is flushed the cache has less room than afterwards.
  it("brings what a flush found no room for once there is room", function()
    local files = fault.new(1)
    local db = assert(store.open(files._p, "/db",
      { memory_bytes = 12 * MIB, memtable_bytes = 2 * MIB, compression = 0 }))
    local value = ("v"):rep(1000)
    local function fill(front)
      for i = 1, 1550 do
        assert(db:put(("%s%05d"):format(front, i), value))
      end
      assert(db:flush())
      return tonumber(db:stats().block_bytes)
    end
    local first = fill "a"
    assert.is_true(first > 1550 * 1000)

    fill "b"
    fill "c"

    local deadline = socket.gettime() + 30
    while tonumber(db:stats().block_bytes) < 3 * first do
      assert.is_true(socket.gettime() < deadline, "a table stays cold")
      socket.sleep(0.01)
    end  end)
end)
