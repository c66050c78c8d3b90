-- What a reader makes of a log: whole, torn, damaged. The log of most tests has three records, each
-- synced before the next was framed, so that each one proves those before it. Headers of files and
-- of records are in record_spec.lua.
local bit = require "bit"
local env = require "spec.support.env"
local ffi = require "ffi"
local lib = require "spec.support.lib"
local seed = require "spec.support.seed"
local wal = require "spec.support.wal"

local dir
local NUMBER = 7
local NAME = wal.name(NUMBER)
local PAYLOADS = { "first payload", "", "third" }
-- Offsets of the three records and of the end.
local AT = { 96, 149, 189, 234 }

-- Writes the three records; options: sealed, unsynced, previous. Returns the bytes and the link.
local function make(options)
  options = options or {}
  local log = assert(wal.create(dir, NUMBER, { previous = options.previous }))
  for index, payload in ipairs(PAYLOADS) do
    assert(log:add(index * 10, 10, payload))
    assert(log:write())
    if not options.unsynced then
      assert(log:sync())
    end
  end
  if options.sealed then
    assert(log:seal())
  end
  local link = log:link()
  assert(log:close())
  return assert(dir:get(NAME)), link
end

local function read(bytes, options)
  wal.replace(dir, NAME, bytes)
  return wal.read(dir, NUMBER, options)
end

local function flip(bytes, position, bit_index)
  local byte = bytes:byte(position + 1)
  local changed = bit.bxor(byte, bit.lshift(1, bit_index))
  return bytes:sub(1, position) .. string.char(changed) .. bytes:sub(position + 2)
end

local function first(count)
  return { unpack(PAYLOADS, 1, count) }
end

-- How many records lie wholly before a position.
local function records_before(position)
  local count = 0
  while count < 3 and AT[count + 2] <= position do
    count = count + 1
  end
  return count
end

describe("disk.wal_reader", function()
  before_each(function()
    dir = assert(env.mem():open("/wal", true))
  end)
  after_each(env.close_all)

  it("replays a sealed log", function()
    local bytes, link = make { sealed = true }

    local got = assert(wal.read(dir, NUMBER))

    assert.same(PAYLOADS, got.payloads)
    assert.equal("sealed", got.ended)
    assert.equal(#bytes, got.position)
    assert.equal(0, got.dropped)
    assert.same(link, got.link)
    assert.same({ offset = 149, first_seq = 20, count = 10, durable_upto = 149 }, got.records[2])
  end)

  it("replays a log without end record, also one without any record (C09)", function()
    local bytes, link = make()
    local got = assert(wal.read(dir, NUMBER))
    local empty = assert(read(bytes:sub(1, wal.HEADER)))

    assert.same(PAYLOADS, got.payloads)
    assert.equal("open", got.ended)
    assert.same(link, got.link)
    assert.same({}, empty.payloads)
    assert.equal("open", empty.ended)
  end)

  it("knows the log before, and that one of another length or content is not it (C12)", function()
    local before = assert(wal.create(dir, 3))
    before:commit(1, "a")
    before:commit(2, "b")
    assert(before:seal())
    make { previous = before:raw_link() }
    before:close()
    local remembered = assert(wal.read(dir, NUMBER)).previous
    local whole = dir:get(wal.name(3))

    assert.same(remembered, assert(wal.read(dir, 3)).link)
    wal.replace(dir, wal.name(3), whole:sub(1, #whole - wal.RECORD))
    assert.not_same(remembered, assert(wal.read(dir, 3)).link)
    dir:remove(wal.name(3))
    local other = assert(wal.create(dir, 3))
    other:commit(1, "a")
    other:commit(2, "c")
    assert(other:seal())
    other:close()
    local link = assert(wal.read(dir, 3)).link
    assert.equal(remembered.size, link.size)
    assert.not_equal(remembered.chain, link.chain)
  end)

  it("reads records larger than its window", function()
    local random = seed.new(3)
    local payloads = {}
    local log = assert(wal.create(dir, 1))
    for index = 1, 12 do
      payloads[index] = random:bytes(16):rep(random:pick { 1, 4000, 16384, 50000, 400000 })
      log:commit(index, payloads[index])
    end
    assert(log:seal())
    log:close()

    local got = assert(wal.read(dir, 1))

    assert.equal("sealed", got.ended)
    for index = 1, 12 do
      assert.is_true(payloads[index] == got.payloads[index])
    end
  end)

  it("takes zeros to the end for unused space, as a preallocated tail has them (C15)", function()
    local bytes = make()
    for _, count in ipairs { 1, 39, 40, 41, 4096, 600000 } do
      local got = assert(read(bytes .. ("\0"):rep(count)))
      assert.same(PAYLOADS, got.payloads)
      assert.equal("open", got.ended)
      assert.equal(0, got.dropped)
    end
    local got = assert(read(bytes .. ("\0"):rep(5000) .. "x"))
    assert.same(PAYLOADS, got.payloads)
    assert.equal("torn", got.ended)
    assert.equal(5001, got.dropped)
  end)

  it("ends at a record whose end is zeros (C15)", function()
    local bytes = make()
    for cut = AT[3] + 1, #bytes - 1 do
      local got = assert(read(bytes:sub(1, cut) .. ("\0"):rep(#bytes - cut)))
      assert.same(first(2), got.payloads)
      assert.equal("torn", got.ended)
    end
  end)

  it("ignores stale bytes of another log at the same offsets (C16)", function()
    local log = assert(wal.create(dir, 3))
    for index = 1, 6 do
      log:commit(index, "stale record")
    end
    assert(log:seal())
    log:close()
    local stale = dir:get(wal.name(3))
    local bytes = make()

    -- The first record has the size of the stale ones plus one: tails at every alignment.
    for cut = #bytes, #bytes + 60 do
      local got = assert(read(bytes .. stale:sub(cut + 1)))
      assert.same(PAYLOADS, got.payloads)
      assert.equal("torn", got.ended)
    end
  end)

  it("ignores records of its own that stand elsewhere (C16)", function()
    local bytes = make()

    local got = assert(read(bytes .. bytes:sub(AT[1] + 1)))

    assert.same(PAYLOADS, got.payloads)
    assert.equal("torn", got.ended)
  end)

  it("ignores what follows an end record, but counts it", function()
    local bytes = make { sealed = true }

    local got = assert(read(bytes .. "garbage"))

    assert.equal("sealed", got.ended)
    assert.equal(7, got.dropped)
  end)

  -- B01: each bit, by position.

  it("tells damage from a torn tail for each flipped bit of an open log (B01)", function()
    local bytes = make()
    for position = wal.HEADER, #bytes - 1 do
      for bit_index = 0, 7 do
        local got = assert(read(flip(bytes, position, bit_index)))
        local count = records_before(position)
        assert.same(first(count), got.payloads)
        if count < 2 then
          assert.equal("CORRUPT", got.code)
          assert.equal("none", got.ended)
        else
          assert.equal("torn", got.ended)
        end
      end
    end
  end)

  it("finds each flipped bit of a sealed log (B01)", function()
    local bytes = make { sealed = true }
    for position = wal.HEADER, #bytes - 1 do
      local got = assert(read(flip(bytes, position, position % 8)))
      local count = records_before(position)
      assert.same(first(count), got.payloads)
      if position < AT[4] then
        assert.equal("CORRUPT", got.code)
      else
        assert.equal("torn", got.ended)
      end
    end
  end)

  it("keeps the prefix of an unsynced log for each flipped bit (B01, C03)", function()
    local bytes = make { unsynced = true }
    for position = wal.HEADER, #bytes - 1 do
      local got = assert(read(flip(bytes, position, position % 8)))
      assert.same(first(records_before(position)), got.payloads)
      assert.equal("torn", got.ended)
    end
  end)

  it("refuses each flipped bit of the file header (B01)", function()
    local bytes = make()
    for position = 0, wal.HEADER - 1 do
      for bit_index = 0, 7 do
        local got, code = read(flip(bytes, position, bit_index))
        assert.is_nil(got)
        assert.equal("CORRUPT", code)
      end
    end
  end)

  it("says where the damage is and how it knows", function()
    local bytes = make()

    local got = assert(read(flip(bytes, 100, 0)))

    assert.equal("000000000007.wal: damaged at offset 96, which was durable: "
      .. "a record at offset 149 says so", got.text)
  end)

  it("keeps what precedes the damage in prefix mode", function()
    local bytes = make { sealed = true }

    local got = assert(read(flip(bytes, AT[2] + 3, 0), { prefix = true }))

    assert.same(first(1), got.payloads)
    assert.equal("damaged", got.ended)
    assert.equal(AT[2], got.position)
    assert.equal(#bytes - AT[2], got.dropped)
  end)

  it("finds the proof behind a long stretch of damage", function()
    local log = assert(wal.create(dir, NUMBER))
    log:commit(1, ("x"):rep(700000))
    log:commit(2, "last")
    log:close()
    local bytes = dir:get(NAME)
    local last = #bytes - 44
    for shift = 0, 3 do
      -- The window's edge falls on each byte of the marker.
      local from = last + 17 - 2 * 262144 - shift
      local damaged = bytes:sub(1, from) .. ("\0"):rep(last - from) .. bytes:sub(last + 1)
      assert.equal("CORRUPT", assert(read(damaged)).code)
    end
  end)

  -- B03: each length.

  it("reads a prefix at each length (B03)", function()
    local bytes = make { sealed = true }
    for size = 0, #bytes - 1 do
      local got, code = read(bytes:sub(1, size))
      if size < wal.HEADER then
        assert.equal("CORRUPT", code)
      else
        local count = records_before(size)
        assert.same(first(count), got.payloads)
        assert.equal(AT[count + 1] == size and "open" or "torn", got.ended)
      end
    end
  end)

  it("drops garbage behind the last record (B03)", function()
    local random = seed.new(4)
    local bytes = make()
    for size = 1, 200 do
      local tail = random:bytes(size)
      local got = assert(read(bytes .. tail)) -- All zeros: room, no garbage.
      assert.same(PAYLOADS, got.payloads)
      assert.equal(tail:find("[^%z]") and "torn" or "open", got.ended)
    end
  end)

  -- Error paths of wal_reader.c and record_reader.c.

  it("answers NOT_FOUND for an absent log", function()
    assert.same({ nil, "NOT_FOUND", "" }, { wal.read(dir, 99) })
  end)

  local max = 9007199254740991
  local senseless = {
    ["an unknown type"] = { type = 5 },
    ["the type of a begin record, but no link"] = { type = lib.RECORD_BEGIN },
    ["a manifest's type"] = { type = lib.RECORD_EDIT },
    ["no operation"] = { count = 0 },
    ["sequence number 0"] = { first_seq = 0 },
    ["sequence numbers above the limit (K13)"] = { first_seq = max, count = 2 },
    ["a sequence number above the limit (K13)"] = { first_seq = max + 1 },
  }
  for name, fields in pairs(senseless) do
    it("refuses a record that verifies with " .. name, function()
      fields.number, fields.offset = NUMBER, wal.HEADER
      local bytes = wal.header { number = NUMBER } .. wal.record(fields)
      dir:put(NAME, bytes)

      local got = assert(wal.read(dir, NUMBER))
      local prefix = assert(wal.read(dir, NUMBER, { prefix = true }))

      assert.equal("CORRUPT", got.code)
      assert.truthy(got.text:find("record at offset 96 has type", 1, true))
      assert.same({ "damaged", 96, 40 }, { prefix.ended, prefix.position, prefix.dropped })
    end)
  end

  it("refuses a begin record behind another record", function()
    local begin = { type = lib.RECORD_BEGIN, payload = ("\0"):rep(24), number = NUMBER, count = 0 }
    begin.offset = wal.HEADER
    local earlier = wal.record(begin)
    begin.offset = wal.HEADER + #earlier
    dir:put(NAME, wal.header { number = NUMBER } .. earlier .. wal.record(begin))

    local got = assert(wal.read(dir, NUMBER))

    assert.equal("CORRUPT", got.code)
    assert.truthy(got.text:find("record at offset 160 has type 4", 1, true), got.text)
  end)

  it("refuses a begin record that names the log itself", function()
    local link = string.char(NUMBER) .. ("\0"):rep(23)
    dir:put(NAME, wal.header { number = NUMBER } .. wal.record {
      type = lib.RECORD_BEGIN, payload = link, number = NUMBER, offset = wal.HEADER, count = 0 })

    local log, code, text = wal.read(dir, NUMBER)

    assert.is_nil(log)
    assert.equal("CORRUPT", code)
    assert.truthy(text:find("names log " .. NUMBER .. " as the one before it", 1, true), text)
  end)

  it("answers NO_MEMORY at each allocation that fails (R01)", function()
    make { sealed = true }
    local OFF = 0xffffffffffffffffULL
    local err, out = ffi.new("struct loam_error"), ffi.new("struct wal_reader *[1]")
    for after = 0, 2 do
      lib.memory_fail_at(after, OFF)
      local rc = lib.wal_reader_open(dir._p, NUMBER, wal.id(), false, out, err)
      if rc == 0 then
        rc = lib.wal_reader_next(out[0], ffi.new("struct record"), err)
        lib.memory_fail_at(OFF, 0)
        lib.wal_reader_close(out[0])
      end
      lib.memory_fail_at(OFF, 0)
      assert.equal(lib.LOAM_NO_MEMORY, rc)
    end
  end)

  it("survives random damage #fuzz", function()
    local random = seed.new(5)
    local bytes = make { sealed = true }
    for _ = 1, 500 do
      local damaged = bytes
      for _ = 1, random:int(1, 4) do
        local at = random:int(wal.HEADER + 1, #damaged)
        damaged = damaged:sub(1, at - 1) .. random:bytes(random:int(0, 3))
          .. damaged:sub(at + random:int(0, 3))
      end
      local got = assert(read(damaged))
      assert.same(first(#got.payloads), got.payloads)
      wal.read(dir, NUMBER, { prefix = true })
    end
  end)
end)
