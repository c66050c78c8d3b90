local cdef = require "spec.support.cdef"
local ffi = require "ffi"
local lib = require "spec.support.lib"

cdef.load("disk/file_name.h")

local function make(kind, number)
  local name = ffi.new("char[?]", lib.FILE_NAME_SIZE)
  lib.file_name_make(kind, number, name)
  return ffi.string(name)
end

local function parse(name)
  local number = ffi.new("uint64_t[1]", 77)
  local kind = lib.file_name_parse(name, number)
  return kind, tonumber(number[0])
end

describe("disk.file_name", function()
  it("makes the names of the format", function()
    assert.equal("000000000012.wal", make(lib.FILE_WAL, 12))
    assert.equal("000000000013.sst", make(lib.FILE_TABLE, 13))
    assert.equal("MANIFEST-000000000014", make(lib.FILE_MANIFEST, 14))
    assert.equal("CURRENT", make(lib.FILE_CURRENT, 0))
    assert.equal("CURRENT.tmp", make(lib.FILE_CURRENT_TMP, 0))
    assert.equal("LOCK", make(lib.FILE_LOCK, 99))
  end)

  it("parses what it makes", function()
    for kind = lib.FILE_UNKNOWN + 1, lib.FILE_LOCK do
      for _, number in ipairs { 1, 12, 999999999999 } do
        local found, parsed = parse(make(kind, number))
        assert.equal(kind, found)
        assert.equal(kind <= lib.FILE_MANIFEST and number or 0, parsed)
      end
    end
  end)

  it("knows no other name (C19)", function()
    local others = {
      "", "current", "CURRENT ", "CURRENT.tmp2", "CURRENT.", "LOCK2", "lock", "MANIFEST",
      "MANIFEST-", "MANIFEST-1", "MANIFEST-000000000000", "MANIFEST-0000000000014",
      "MANIFEST-000000000014.bak", "000000000012", "000000000012.", "000000000012.log",
      "000000000012.wal.bak", "000000000012.WAL", "12.wal", "0000000000012.wal", "00000000001a.wal",
      "000000000000.wal", "000000000000.sst", "+00000000012.wal", " 00000000012.wal",
      "-00000000012.sst", "x000000000012.wal", "00000000001", ".wal", "000000000012.sstx",
    }
    for _, name in ipairs(others) do
      local kind, number = parse(name)
      assert.equal(lib.FILE_UNKNOWN, kind, name)
      assert.equal(0, number, name)
    end
  end)
end)
