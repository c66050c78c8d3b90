-- The manifest file and CURRENT. Each edit is synced before the next is framed: damage is told
-- from a torn tail for all but the last record.
local bit = require "bit"
local cdef = require "spec.support.cdef"
local env = require "spec.support.env"
local example = require "spec.support.format_example"
local fault = require "spec.support.fault"
local lib = require "spec.support.lib"
local manifest = require "spec.support.manifest"
local seed = require "spec.support.seed"
local wal = require "spec.support.wal"

cdef.load("base/memory.h")

local OFF = 0xffffffffffffffffULL
local dir
local NAME = manifest.name(3)
local EDITS = {
  { next_file = 100, logs_added = { 4 } },
  { last_seq = 10, logs_removed = { 4 }, tables_added = { manifest.table_meta() } },
  { last_seq = 20 },
}

-- Writes the three edits and returns the bytes and where each record begins, and the end.
local function make(is_open)
  local writer = assert(manifest.create(dir, 3))
  local at = {}
  for index, edit in ipairs(EDITS) do
    at[index] = writer:size()
    assert(writer:append(edit))
  end
  at[4] = writer:size()
  assert(writer:close())
  local bytes = dir:get(NAME)
  return is_open and bytes:sub(1, at[4]) or bytes, at
end

local function read(bytes)
  wal.replace(dir, NAME, bytes)
  return manifest.read(dir, 3)
end

local function flip(bytes, position, bit_index)
  local changed = bit.bxor(bytes:byte(position + 1), bit.lshift(1, bit_index))
  return bytes:sub(1, position) .. string.char(changed) .. bytes:sub(position + 2)
end

-- How many records lie wholly before a position.
local function records_before(at, position)
  local count = 0
  while count < 3 and at[count + 2] <= position do
    count = count + 1
  end
  return count
end

local function first(count)
  return { unpack(EDITS, 1, count) }
end

describe("disk.manifest_log", function()
  before_each(function()
    dir = assert(env.mem():open("/m", true))
  end)
  after_each(function()
    lib.memory_fail_at(OFF, 0)
    env.close_all()
  end)

  it("reads back its edits and the store's id, closed or not", function()
    local bytes = make()
    local edits, uuid = manifest.read(dir, 3)
    local open_edits = read(bytes:sub(1, #bytes - wal.RECORD))

    assert.same(EDITS, edits)
    assert.equal(wal.UUID, uuid)
    assert.same(EDITS, open_edits)
  end)

  it("frames edits as the format says", function()
    local bytes, at = make()
    local payload = manifest.encode(EDITS[2])

    local record = wal.record {
      number = 3, offset = at[2], type = lib.RECORD_EDIT, count = 0, first_seq = 0,
      durable_upto = at[2], payload = payload,
    }
    assert.equal(wal.header { magic = "LOAM.MAN", number = 3 }, bytes:sub(1, wal.HEADER))
    assert.equal(record, bytes:sub(at[2] + 1, at[3]))
  end)

  it("leaves a manifest without edits as it is on closing", function()
    local writer = assert(manifest.create(dir, 3))
    assert(writer:close())

    assert.equal(wal.HEADER, #dir:get(NAME))
  end)

  it("tells damage from a torn tail for each flipped bit (B01)", function()
    local bytes, at = make(true)
    for position = wal.HEADER, #bytes - 1 do
      local edits, code, _, some = read(flip(bytes, position, position % 8))
      local count = records_before(at, position)
      if count < 2 then
        assert.equal("CORRUPT", code)
        assert.same(first(count), some)
      else
        assert.same(first(2), edits)
      end
    end
  end)

  it("finds each flipped bit of a closed manifest's edits (B01)", function()
    local bytes, at = make()
    for position = wal.HEADER, at[4] - 1 do
      local _, code, _, some = read(flip(bytes, position, position % 8))
      assert.equal("CORRUPT", code)
      assert.same(first(records_before(at, position)), some)
    end
    for position = at[4], #bytes - 1 do
      assert.same(EDITS, read(flip(bytes, position, position % 8)))
    end
  end)

  it("refuses each flipped bit of its header (B01)", function()
    local bytes = make()
    for position = 0, wal.HEADER - 1 do
      local _, code = read(flip(bytes, position, position % 8))
      assert.equal("CORRUPT", code)
    end
  end)

  it("reads a prefix at each length that holds the first edit (B03)", function()
    local bytes, at = make()
    for size = 0, #bytes - 1 do
      local edits, code = read(bytes:sub(1, size))
      if size < at[2] then
        assert.equal("CORRUPT", code)
      else
        assert.same(first(records_before(at, size)), edits)
      end
    end
  end)

  it("ends at zeros and at garbage behind the last edit (B03, C15)", function()
    local random = seed.new(7)
    local bytes = make(true)
    for size = 1, 100 do
      assert.same(EDITS, read(bytes .. ("\0"):rep(size)))
      assert.same(EDITS, read(bytes .. random:bytes(size)))
    end
  end)

  -- Error paths of manifest_log.c.

  it("takes an edit back whose write failed with every byte on the disk (D11)", function()
    local files = fault.new(1)
    local place = assert(files:open("/m", true))
    local writer = assert(manifest.create(place, 3))
    assert(writer:append(EDITS[1]))
    files:tear(10000)
    files:fail { kind = "write", name = "MANIFEST" }

    assert.is_nil((writer:append(EDITS[2])))

    assert.equal(1, files:hits())
    assert.same(first(1), (manifest.read(place, 3)))
  end)

  it("answers NOT_FOUND for an absent manifest", function()
    assert.same({ nil, "NOT_FOUND", "" }, { manifest.read(dir, 9) })
  end)

  it("never opens a manifest that exists", function()
    dir:put(NAME, "old bytes")

    assert.equal("EXISTS", (select(2, manifest.create(dir, 3))))
    assert.equal("old bytes", dir:get(NAME))
  end)

  it("leaves no file behind when it cannot open", function()
    lib.memory_fail_at(0, OFF)
    local _, code = manifest.create(dir, 3)
    lib.memory_fail_at(OFF, 0)

    assert.equal("NO_MEMORY", code)
    assert.equal("", dir:names())
  end)

  local headers = {
    { "a log", { magic = "LOAM.WAL" }, "CORRUPT", "does not begin with LOAM.MAN" },
    { "another number", { number = 4 }, "CORRUPT", "header says file number 4" },
    { "a newer version (B10)", { version = 2 }, "UNSUPPORTED",
      "format version 2, this build reads 1 to 1" },
    { "an unknown required feature (B10)", { required = 1 }, "UNSUPPORTED",
      "format version 1 with required features 0x1, this build knows none" },
  }
  for _, case in ipairs(headers) do
    local name, fields, code, text = unpack(case)
    it("refuses " .. name, function()
      fields.magic, fields.number = fields.magic or "LOAM.MAN", fields.number or 3
      dir:put(NAME, wal.header(fields))

      assert.same({ nil, code, NAME .. ": " .. text }, { manifest.read(dir, 3) })
    end)
  end

  it("refuses records that make no sense", function()
    local header = wal.header { magic = "LOAM.MAN", number = 3 }
    local function with(fields)
      fields.number, fields.offset, fields.count = 3, #header, 0
      dir:put(NAME, header .. wal.record(fields))
      local _, code, text = manifest.read(dir, 3)
      dir:remove(NAME)
      return code .. " " .. text
    end

    assert.equal("CORRUPT " .. NAME .. ": record at offset 96 has type 1", with { type = 1 })
    assert.equal("CORRUPT " .. NAME .. ": record at offset 96 has type 2", with { type = 2 })
    assert.equal("CORRUPT " .. NAME .. ": record at offset 96: manifest field 1: bad number",
      with { type = 3, payload = "\1\1\0" })
    assert.equal("UNSUPPORTED " .. NAME .. ": record at offset 96: "
      .. "manifest field 20 is unknown to this build", with { type = 3, payload = "\20\0" })
  end)

  it("writes CURRENT as the format says, and reads it back", function()
    assert(manifest.set_current(dir, 7))

    assert.equal(example "current", dir:get("CURRENT"))
    assert.equal(7, manifest.current(dir))
    assert.equal("CURRENT", dir:names())
  end)

  it("replaces CURRENT, and what a crash left of a replacement (C05)", function()
    assert(manifest.set_current(dir, 7))
    dir:put("CURRENT.tmp", "half a li")

    assert(manifest.set_current(dir, 8))

    assert.equal(8, manifest.current(dir))
    assert.equal("CURRENT", dir:names())
  end)

  -- Error paths of current_read().

  it("refuses CURRENT with any bit flipped, cut or extended (B01, B03)", function()
    assert(manifest.set_current(dir, 7))
    local text = dir:get("CURRENT")
    local function refuse(bytes)
      wal.replace(dir, "CURRENT", bytes)
      local number, code = manifest.current(dir)
      assert.is_nil(number)
      assert.equal("CORRUPT", code)
    end

    for position = 0, #text - 1 do
      for bit_index = 0, 7 do
        refuse(flip(text, position, bit_index))
      end
      refuse(text:sub(1, position))
    end
    for _, tail in ipairs { "\0", "\n", "garbage", ("\0"):rep(5000) } do
      refuse(text .. tail)
    end
    refuse(("\0"):rep(#text))
  end)

  it("answers NOT_FOUND without CURRENT", function()
    assert.same({ nil, "NOT_FOUND", "" }, { manifest.current(dir) })
  end)
end)
