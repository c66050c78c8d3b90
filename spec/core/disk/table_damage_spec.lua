-- Damaged tables: B02 to B08 of the list of cases. Whatever the bytes are, a read gives the rows
-- that were written or CORRUPT with file and offset. Forged parts carry right checksums, so that
-- the checks behind the checksum are reached.
local ffi = require "ffi"
local lib = require "spec.support.lib"
local seed = require "spec.support.seed"
local tables = require "spec.support.table"

local CORRUPT, UNSUPPORTED = -16, -21
local FOOTER, TRAILER = 88, 9

local function u32(value)
  return string.char(bit.band(value, 255), bit.band(bit.rshift(value, 8), 255),
    bit.band(bit.rshift(value, 16), 255), bit.band(bit.rshift(value, 24), 255))
end

local function u64(value)
  return ffi.string(ffi.new("uint64_t[1]", value), 8)
end

local function get_u64(bytes, offset)
  return tonumber(ffi.cast("const uint64_t *", ffi.cast("const char *", bytes) + offset)[0])
end

local function replace(bytes, offset, with)
  return bytes:sub(1, offset) .. with .. bytes:sub(offset + #with + 1)
end

local function flip(bytes, offset, mask)
  return replace(bytes, offset, string.char(bit.bxor(bytes:byte(offset + 1), mask)))
end

local function seal(store, number, offset, bytes)
  return u64(lib.testing_table_checksum(store.id, number, offset, bytes, #bytes))
end

-- The three parts behind the data: name -> {offset, size}, from the footer.
local function parts(bytes)
  local at = #bytes - FOOTER
  local function handle(place)
    return { offset = get_u64(bytes, at + place), size = get_u64(bytes, at + place + 8) }
  end
  return { point = handle(0), index = handle(16), properties = handle(32) }
end

-- The file with a part's bytes changed in place and sealed again.
local function forge_part(store, number, bytes, part, at, with)
  local body = bytes:sub(part.offset + 1, part.offset + part.size - 8)
  body = replace(body, at, with)
  return replace(bytes, part.offset, body .. seal(store, number, part.offset, body))
end

local function forge_footer(store, number, bytes, at, with)
  local offset = #bytes - FOOTER
  local body = replace(bytes:sub(offset + 1, offset + 72), at, with)
  return replace(bytes, offset, body .. seal(store, number, offset, body))
end

local function rows_of(store, meta)
  local reader, code = store:open(meta)
  if not reader then
    return nil, code
  end
  local rows
  rows, code = tables.all_rows(reader)
  return rows, code, reader
end

local function assert_names_place(number)
  local text = tables.text()
  assert.truthy(text:find(("%012d.sst at offset %%d+: "):format(number)), text)
end

local function small_table(options)
  local store = tables.store()
  options = options or {}
  options.block_bytes = options.block_bytes or 160
  local meta = store:build(7, tables.random_rows(seed.new(), "digits", 24), options)
  local rows, _, reader = rows_of(store, meta)
  return store, meta, store:read(7), rows, reader
end

describe("disk.table, damaged", function()
  for compression = 0, 2 do
    it("B02 detects each flipped byte, codec " .. compression, function()
      local store, meta, bytes, rows = small_table { compression = compression }
      local random = seed.new()
      for offset = 0, #bytes - 1 do
        store:write(7, flip(bytes, offset, 2 ^ random:int(0, 7)))

        local found, code, reader = rows_of(store, meta)

        if not found then
          assert.is_true(code == CORRUPT, "code " .. tostring(code) .. " at " .. offset)
          assert_names_place(7)
        else
          -- Only the point index can be done without; the check reports it all the same.
          assert.same(rows, found)
          assert.is_false(lib.table_reader_has_point_index(reader))
          assert.equal(CORRUPT, lib.table_reader_check(reader, tables.cmeta(meta), tables.err))
        end
      end
    end)
  end

  it("B03 refuses each truncation and extension", function()
    local store, meta, bytes = small_table()
    for size = 0, #bytes + 20 do
      if size ~= #bytes then
        store:write(7, (bytes .. ("\0"):rep(20)):sub(1, size))
        assert.equal(CORRUPT, select(2, store:open(meta)))
        assert_names_place(7)
        assert.equal(CORRUPT, select(2, store:open { number = 7, size = size }))
      end
    end
  end)

  it("B04 refuses a table of another number or store", function()
    local store = tables.store()
    local first = store:build(7, tables.rows(50))
    local second = store:build(8, tables.rows(50))
    assert.equal(first.size, second.size)
    local bytes = store:read(7)
    store:write(7, store:read(8))
    store:write(8, bytes)

    assert.equal(CORRUPT, select(2, store:open(first)))
    assert.equal(CORRUPT, select(2, store:open(second)))
    local other = tables.store("another store id")
    other:write(8, store:read(7))
    assert.equal(CORRUPT, select(2, other:open(second)))
  end)

  it("B05 refuses blocks that changed places", function()
    local store = tables.store()
    local meta = store:build(7, tables.rows(200, ("v"):rep(20)), { block_bytes = 256 })
    local bytes, reader = store:read(7), store:open(meta)
    local place, by_size = ffi.new("uint64_t[2]"), {}
    local one, other
    for index = 0, lib.table_reader_block_count(reader) - 1 do
      lib.table_reader_block_place(reader, index, place, place + 1)
      local found = { index = index, offset = tonumber(place[0]), size = tonumber(place[1]) }
      one, other = by_size[found.size], found
      if one then
        break
      end
      by_size[found.size] = found
    end

    local function cut(block)
      return bytes:sub(block.offset + 1, block.offset + block.size)
    end
    store:write(7, replace(replace(bytes, one.offset, cut(other)), other.offset, cut(one)))

    reader = store:open(meta)
    for _, block in ipairs { one, other } do
      assert.equal(CORRUPT, select(2, tables.block(reader, block.index)))
      assert_names_place(7)
    end
  end)

  it("B06 does without a point index that does not verify or does not add up", function()
    local store, meta, bytes, rows = small_table()
    local point = parts(bytes).point
    local empty = bytes:find("\255\255\255\255", point.offset + 1, true) - 1 - point.offset
    local full = bytes:sub(point.offset + 1, point.offset + 1):byte() ~= 255 and 0 or 64
    local damages = {
      flip(bytes, point.offset + 5, 1),
      -- Sealed: a key lost, a key too many, all slots empty or used.
      forge_part(store, 7, bytes, point, full, "\255\255\255\255"),
      forge_part(store, 7, bytes, point, empty, "\0\0\0\0"),
      forge_part(store, 7, bytes, point, 0, ("\255"):rep(point.size - TRAILER)),
      forge_part(store, 7, bytes, point, 0, ("\0"):rep(point.size - TRAILER)),
    }
    for _, damaged in ipairs(damages) do
      store:write(7, damaged)
      local found, _, reader = rows_of(store, meta)
      assert.same(rows, found)
      assert.is_false(lib.table_reader_has_point_index(reader))
    end
  end)

  it("B07 refuses handles that overlap, overflow or lie beyond the end", function()
    local store, meta, bytes = small_table()
    local size = #bytes
    local values = {
      0ULL, 1ULL, 9ULL, size + 0ULL, size * 2 + 0ULL, 2 ^ 63 + 0ULL, 0ULL - 1, 0ULL - 100,
    }
    for place = 0, 40, 8 do
      for _, value in ipairs(values) do
        local forged = forge_footer(store, 7, bytes, place, u64(value))
        store:write(7, forged)
        if forged ~= bytes then
          assert.equal(CORRUPT, select(2, store:open(meta)), "place " .. place)
        end
      end
    end
  end)

  it("B07 refuses counts and lengths in index and properties that cannot be", function()
    local store, meta, bytes = small_table()
    local found = parts(bytes)
    local long = ("\255"):rep(10)
    local entries = 8 + bytes:byte(found.index.offset + 5) -- Behind the shared bytes.
    local forgeries = {
      { found.index, 0, u32(0xffffffff) }, { found.index, 0, u32(0) }, { found.index, 0, u32(1) },
      { found.index, 4, u32(0xffffffff) }, { found.index, 4, u32(0x7fffffff) },
      { found.index, entries, long }, { found.properties, 0, u64(0) },
      { found.properties, 48, u64(0ULL - 1) },
      { found.properties, 56, u32(0xffffffff) }, { found.properties, 68, u32(0xffffffff) },
      { found.properties, 72, u32(0xffffffff) }, { found.properties, 76, u32(0xfffffff0) },
      { found.properties, 72, u32(0) }, { found.properties, 40, u64(2 ^ 53 + 0ULL) },
    }
    for index, forgery in ipairs(forgeries) do
      store:write(7, forge_part(store, 7, bytes, unpack(forgery)))
      local code = select(2, rows_of(store, meta))
      assert.is_true(code == CORRUPT, "forgery " .. index .. ": " .. tostring(code))
      assert_names_place(7)
    end
  end)

  it("B07 survives any byte of index and properties, sealed", function()
    local store, meta, bytes = small_table()
    local random = seed.new(3)
    for _, part in pairs { parts(bytes).index, parts(bytes).properties } do
      for at = 0, part.size - TRAILER - 1 do
        store:write(7, forge_part(store, 7, bytes, part, at, string.char(random:int(0, 255))))
        local found, code, reader = rows_of(store, meta)
        assert.is_true(found ~= nil or code == CORRUPT)
        if reader then
          for _ = 1, 5 do
            local key = tables.stored(random:bytes(random:int(0, 18), "0123\0\255"))
            local block = lib.testing_reader_find(reader, key, #key, 5)
            assert.is_true(block <= lib.table_reader_block_count(reader))
          end
        end
      end
    end
  end)

  it("B08 refuses a block that declares more than a block may have, without memory", function()
    local store, meta, bytes, _, reader = small_table()
    local place = ffi.new("uint64_t[2]")
    lib.table_reader_block_place(reader, 0, place, place + 1)
    local size = tonumber(place[1])
    for codec = 1, 3 do
      for _, declared in ipairs { 0xffffffff, 0x7fffffff, 65 * 2 ^ 20 + 1, 0 } do
        local body = u32(declared) .. bytes:sub(5, size - TRAILER) .. string.char(codec)
        store:write(7, body .. seal(store, 7, 0, body) .. bytes:sub(size + 1))
        local forged = store:open(meta)
        lib.memory_fail_at(-1ULL, 0) -- Counting begins here.
        local before = lib.memory_alloc_count()

        assert.equal(CORRUPT, select(2, tables.block(forged, 0)))

        assert.equal(1, tonumber(lib.memory_alloc_count() - before))
        assert_names_place(7)
      end
    end
  end)

  it("B10 refuses a newer format and unknown required features, and touches nothing", function()
    local store, meta, bytes = small_table()
    for place, value in pairs { [56] = 1, [64] = 2 } do
      local forged = forge_footer(store, 7, bytes, place, u32(value))
      store:write(7, forged)
      assert.equal(UNSUPPORTED, select(2, store:open(meta)))
      assert.equal(forged, store:read(7))
    end
    store:write(7, forge_footer(store, 7, bytes, 60, u32(bit.bor(1, 0x100))))
    assert.truthy(rows_of(store, meta))
  end)

  it("reports in the check a manifest that tells otherwise", function()
    local _, meta, _, _, reader = small_table()
    local cmeta = tables.cmeta(meta)
    assert.equal(0, lib.table_reader_check(reader, cmeta, tables.err))
    local counters = {
      "row_count", "delete_count", "expiry_count", "raw_size", "seq_min", "seq_max",
    }
    for _, name in ipairs(counters) do
      cmeta[name] = cmeta[name] + 1
      assert.equal(CORRUPT, lib.table_reader_check(reader, cmeta, tables.err))
      cmeta[name] = cmeta[name] - 1
    end
    cmeta.hash = cmeta.hash + 1
    assert.equal(CORRUPT, lib.table_reader_check(reader, cmeta, tables.err))
    assert_names_place(7)
  end)
end)
