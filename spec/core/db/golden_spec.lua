-- Stores that earlier builds have written are read in full and go on; stores of later builds are
-- refused and left as they are (B10).
--
-- spec/data/golden/N holds the files of a store of format N and what is in it. After a change of
-- the format: add the next number here and run this spec with LOAM_REWRITE=1, which writes the
-- newest.
local cdef = require "spec.support.cdef"
local ffi = require "ffi"
local golden = require "spec.support.golden"
local lib = require "spec.support.lib"
local paths = require "spec.support.paths"
local wal = require "spec.support.wal"

cdef.load("base/checksum.h")
cdef.load("disk/table_testing.h")

local FORMATS = { 1, 2 } -- The last one is what this build writes.
local HEADER_CHECKED, FOOTER, FOOTER_CHECKED = 88, 88, 72
local VERSION_OF_FILE, FEATURES_OF_FILE = 8, 12
local VERSION_OF_TABLE, FEATURES_OF_TABLE = 64, 56

local function directory(format)
  return ("%s/spec/data/golden/%d"):format(paths.root, format)
end

if os.getenv("LOAM_REWRITE") == "1" then
  golden.write(directory(FORMATS[#FORMATS]))
  golden.close_all()
end

local function u64(number)
  return ffi.string(ffi.new("uint64_t[1]", number), 8)
end

local function replaced(bytes, offset, with)
  return bytes:sub(1, offset) .. with .. bytes:sub(offset + #with + 1)
end

-- A log or a manifest with two bytes of its header changed, sealed again.
local function forge_header(bytes, offset, with)
  local body = replaced(bytes:sub(1, HEADER_CHECKED), offset, with)
  return body .. u64(lib.checksum_64(body, #body, 0)) .. bytes:sub(HEADER_CHECKED + 9)
end

-- A table with two bytes of its footer changed, sealed again.
local function forge_footer(bytes, number, uuid, offset, with)
  local at = #bytes - FOOTER
  local body = replaced(bytes:sub(at + 1, at + FOOTER_CHECKED), offset, with)
  local seal = lib.testing_table_checksum(wal.id(uuid), number, at, body, #body)
  return replaced(bytes, at, body .. u64(seal))
end

for _, format in ipairs(FORMATS) do
  describe("a store of format " .. format, function()
    local files, listing

    before_each(function()
      files, listing = golden.load(directory(format))
    end)

    after_each(golden.close_all)

    it("is read in full", function()
      local db = assert(golden.open(files))

      assert.equal(listing, golden.listing(db))

      local forward, backward = assert(db:rows()), assert(db:rows { reverse = true })
      assert.equal(#forward, #backward)
      for at, row in ipairs(forward) do
        assert.same(row, backward[#backward + 1 - at])
        assert.equal(row[2], db:get(row[1]))
      end
      assert.is_nil(db:get "row-1-05")
      assert(db:check())
    end)

    it("holds what it is meant to hold", function()
      assert.equal(3, select(2, assert(files:list "/db"):gsub("%.sst ", "")))
      local sizes = {}
      for name, bytes in pairs(golden.contents(files)) do
        if name:find("%.sst$") then
          sizes[#sizes + 1] = #bytes
        end
      end
      table.sort(sizes)
      assert.is_true(sizes[2] < sizes[3] * 2 / 3, "two of three tables are compressed")
      assert.matches("bucket sums ttl_ms=0 merge=1\nn = 42 ", listing)
      assert.matches("log%-2 = 2 ", listing)
    end)

    it("loses rows when their time has come, and goes on", function()
      local db = assert(golden.open(files))
      files:set_wall_ms(golden.NOW_MS + 1000)
      assert.is_nil(db:get "timed-1")
      assert(db:put("new", "1"))
      assert(db:compact())
      assert(db:check())
      assert(db:close())

      db = assert(golden.open(files))
      assert.equal("1", db:get "new")
      assert.is_nil(db:get "timed-2")
      assert.equal(("row-2-01 "):rep(20), db:get "row-2-01")
      assert(db:check())
    end)
  end)
end

describe("a store of a later format (B10)", function()
  local files, uuid

  before_each(function()
    files = golden.load(directory(FORMATS[#FORMATS]))
    for name, bytes in pairs(golden.contents(files)) do
      uuid = name:find("^MANIFEST") and bytes:sub(33, 48) or uuid
    end
  end)

  after_each(golden.close_all)

  -- Changes one file, expects opening, or reading where tables are only looked into then, to be
  -- refused, and every file to be as it was.
  local function refused(name, bytes, wanted)
    assert(files:write_file("/db", name, bytes))
    local before = golden.contents(files)

    local db, code, text = golden.open(files)
    if db then
      code, text = select(2, db:rows())
      db:close()
    end

    assert.equal("UNSUPPORTED", code)
    assert.truthy(text:find(name, 1, true), text)
    assert.truthy(text:find(wanted, 1, true), text)
    return before, db == nil
  end

  it("is refused for a log or a manifest, and left as it is", function()
    for name, bytes in pairs(golden.contents(files)) do
      if name:find("%.wal$") or name:find("^MANIFEST") then
        for offset, wanted in pairs {
          [VERSION_OF_FILE] = "format version 3", [FEATURES_OF_FILE] = "required features 0x3" } do
          local before, is_closed = refused(name, forge_header(bytes, offset, "\3\0"), wanted)
          assert.is_true(is_closed)
          assert.same(before, golden.contents(files))
        end
        assert(files:write_file("/db", name, bytes))
      end
    end
    assert(golden.open(files))
  end)

  it("is refused for a table, and the table is left as it is", function()
    for name, bytes in pairs(golden.contents(files)) do
      local number = tonumber(name:match("^(%d+)%.sst$"))
      if number then
        for offset, wanted in pairs { [VERSION_OF_TABLE] = "format 2",
          [FEATURES_OF_TABLE] = "required features" } do
          files = golden.load(directory(FORMATS[#FORMATS]))
          local forged = forge_footer(bytes, number, uuid, offset, "\2\0")
          refused(name, forged, wanted)
          assert.equal(forged, files:read_file("/db", name))
        end
      end
    end
  end)
end)
