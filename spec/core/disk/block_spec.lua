-- Blocks: what goes in comes out, searches agree with a sorted list, and no bytes at all make a
-- block that is not one.
local ffi = require "ffi"
local lib = require "spec.support.lib"
local seed = require "spec.support.seed"
local tables = require "spec.support.table"

local CORRUPT, INVALID = -16, -5

local function builder_new()
  return ffi.gc(lib.block_builder_new(), lib.block_builder_free)
end

local function encode(builder, rows)
  local entry, out = ffi.new("struct entry"), ffi.new("loam_buffer")
  for _, row in ipairs(rows) do
    assert.equal(0, lib.block_builder_add(builder, tables.entry(row, entry), tables.err))
  end
  local estimate = tonumber(lib.block_builder_size(builder))
  assert.equal(0, lib.block_builder_finish(builder, out, tables.err))
  local bytes = ffi.string(out.data, out.size)
  lib.loam_buffer_free(out)
  return bytes, estimate
end

local function decode(bytes)
  local out = ffi.new("struct block *[1]")
  local code = lib.testing_block_new(bytes, #bytes, out)
  if code ~= 0 then
    return nil, code
  end
  return ffi.gc(out[0], lib.testing_block_free)
end

local function full(rows)
  local list = {}
  for index, row in ipairs(rows) do
    list[index] = tables.full(row)
  end
  return list
end

local function add(builder, row)
  return lib.block_builder_add(builder, tables.entry(row), tables.err)
end

describe("disk.block", function()
  for salt, mode in ipairs(tables.modes) do
    it("gives back the rows it was built of: " .. mode .. " keys", function()
      local random = seed.new(salt)
      local builder = builder_new()
      for _ = 1, 10 do
        local rows = tables.random_rows(random, mode, random:int(1, 60))

        local block = decode((encode(builder, rows)))

        assert.same(full(rows), tables.block_rows(block))
      end
    end)

    it("finds what a sorted list finds: " .. mode .. " keys", function()
      local random = seed.new(salt + 10)
      local rows = tables.random_rows(random, mode, 60)
      local block = decode((encode(builder_new(), rows)))

      for _, other in ipairs(tables.random_rows(random, mode, 60)) do
        for _, row in ipairs { other, random:pick(rows) } do
          local seq = random:pick { 0, row.seq, row.seq - 1, row.seq + 1, tables.SEQ_MAX }
          local found = lib.testing_block_seek(block, row.key, #row.key, seq)
          assert.equal(tables.lower_bound(rows, row.key, seq) - 1, found)
        end
      end
    end)
  end

  it("shares what all keys have in front", function()
    local rows = tables.rows(30)
    local bytes, estimate = encode(builder_new(), rows)

    assert.equal(12, tonumber(lib.testing_block_prefix_size(decode(bytes))))
    assert.equal(#bytes, estimate)
  end)

  it("has wide offsets when rows need more than 64 KiB", function()
    local rows = {}
    for index = 1, 4 do
      local value = ("v"):rep(30000)
      rows[index] = { key = tables.stored("k" .. index), value = value, seq = 2 ^ 40 * index }
    end
    local block = decode((encode(builder_new(), rows)))

    assert.same(full(rows), tables.block_rows(block))
  end)

  it("holds one row of the largest key and a large value", function()
    local key, value = tables.stored(("k"):rep(65536)), ("v"):rep(2 ^ 20)
    local rows = { { key = key, value = value, seq = 2 ^ 53 - 1 } }
    local block = decode((encode(builder_new(), rows)))

    assert.same(full(rows), tables.block_rows(block))
  end)

  it("refuses rows out of order, of other kinds and above limits", function()
    local builder = builder_new()
    local key = tables.stored("m")
    assert.equal(0, add(builder, { key = key, value = "1", seq = 5 }))

    assert.equal(INVALID, add(builder, { key = key, value = "1", seq = 5 }))
    assert.equal(INVALID, add(builder, { key = key, value = "1", seq = 6 }))
    assert.equal(INVALID, add(builder, { key = tables.stored("l"), value = "1", seq = 1 }))
    assert.equal(INVALID, add(builder, { key = tables.stored("n"), seq = 1, kind = 3 }))
    local delete = { key = tables.stored("n"), value = "x", seq = 1, kind = tables.DELETE }
    assert.equal(INVALID, add(builder, delete))
    assert.equal(INVALID, add(builder, { key = tables.stored("n"), seq = 2 ^ 53 }))
    assert.equal(INVALID, add(builder, { key = tables.stored("n"), seq = 1, type = 65536 }))
    assert.equal(INVALID, add(builder, { key = "\0\0\1", seq = 1 }))
    assert.equal(INVALID, add(builder, { key = ("n"):rep(65541), seq = 1 }))
    assert.equal(1, lib.block_builder_count(builder))
    assert.equal(0, add(builder, { key = key, value = "1", seq = 4 }))
  end)

  -- Error paths of block_validate().

  it("accepts no truncated or extended block", function()
    local bytes = encode(builder_new(), tables.random_rows(seed.new(), "small", 12))
    for size = 0, #bytes - 1 do
      assert.is_nil(decode(bytes:sub(1, size)))
    end
    assert.is_nil(decode(bytes .. "\0"))
  end)

  it("never yields unsound rows, whichever byte changes", function()
    local random = seed.new()
    local bytes = encode(builder_new(), tables.random_rows(random, "small", 12))
    for index = 1, #bytes do
      for _, value in ipairs { 0, 1, 0x7f, 0x80, 0xff, random:int(0, 255) } do
        local changed = bytes:sub(1, index - 1) .. string.char(value) .. bytes:sub(index + 1)
        local block, code = decode(changed)
        if block then
          local rows = tables.block_rows(block)
          for at = 2, #rows do
            assert.is_true(tables.before(rows[at - 1], rows[at]))
          end
        else
          assert.equal(CORRUPT, code)
        end
      end
    end
  end)

  it("refuses huge counts and sizes", function()
    local bytes = encode(builder_new(), tables.rows(2))
    local max = "\255\255\255\255"
    assert.is_nil(decode(max .. bytes:sub(5)))
    assert.is_nil(decode(bytes:sub(1, 4) .. "\0\255\255\255" .. bytes:sub(9)))
    assert.is_nil(decode(bytes:sub(1, 8) .. max .. max .. bytes:sub(17)))
  end)
end)
