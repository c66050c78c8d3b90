-- Headers that a reader must not believe: of files and of records. Whole logs are in
-- wal_reader_spec.lua.
local env = require "spec.support.env"
local wal = require "spec.support.wal"

local dir
local NUMBER = 7
local NAME = wal.name(NUMBER)

describe("disk.record", function()
  before_each(function()
    dir = assert(env.mem():open("/wal", true))
  end)
  after_each(env.close_all)

  -- Error paths of record.c.

  local headers = {
    { "another magic", { magic = "LOAM.MAN" }, "CORRUPT", "does not begin with LOAM.WAL" },
    { "another number", { number = 8 }, "CORRUPT", "header says file number 8" },
    { "another store", { uuid = "fedcba9876543210" }, "CORRUPT",
      "belongs to another store (its uuid differs)" },
    { "a later epoch", { epoch = 2 }, "CORRUPT", "epoch 2 is later than the store's 1" },
    { "a link to itself", { link = { number = 7, size = 0, chain = 0 } }, "CORRUPT",
      "names log 7 as the one before it" },
    { "a newer version (B10)", { version = 3 }, "UNSUPPORTED",
      "format version 3, this build reads 1 to 2" },
    { "version 0 (B10)", { version = 0 }, "UNSUPPORTED",
      "format version 0, this build reads 1 to 2" },
    { "an unknown required feature (B10)", { required = 0x40 }, "UNSUPPORTED",
      "format version 2 with required features 0x40, this build knows none" },
  }
  for _, case in ipairs(headers) do
    local name, fields, code, text = unpack(case)
    it("refuses " .. name, function()
      fields.number = fields.number or NUMBER
      local bytes = wal.header(fields)
      dir:put(NAME, bytes)

      assert.same({ nil, code, NAME .. ": " .. text }, { wal.read(dir, NUMBER) })

      assert.equal(bytes, dir:get(NAME))
    end)
  end

  it("accepts unknown optional features", function()
    dir:put(NAME, wal.header { number = NUMBER, optional = 0xffffffff })

    assert.equal("open", assert(wal.read(dir, NUMBER)).ended)
  end)

  local unbelievable = {
    ["a size above the limit (B07)"] = { size = 512 * 1024 * 1024 + 1 },
    ["a size of 2^32-1 (B07)"] = { size = 0xffffffff },
    ["a size beyond the end of the file (B07)"] = { size = 400 * 1024 * 1024 },
    ["a durable mark behind itself"] = { durable_upto = 97 },
  }
  for name, fields in pairs(unbelievable) do
    it("takes a header for no record with " .. name .. ", before allocating", function()
      fields.number, fields.offset = NUMBER, wal.HEADER
      dir:put(NAME, wal.header { number = NUMBER } .. wal.record(fields))

      local got = assert(wal.read(dir, NUMBER))

      assert.same({ "torn", 96, 40 }, { got.ended, got.position, got.dropped })
    end)
  end
end)
