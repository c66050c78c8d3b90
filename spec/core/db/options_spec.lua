-- Options: what is refused, and what automatic values become.
local cdef = require "spec.support.cdef"
local ffi = require "ffi"
local lib = require "spec.support.lib"

cdef.load("db/open.h")
cdef.load("db/options.h")

local MIB = 2 ^ 20
local err = ffi.new("loam_error")

local function options_of(given)
  local options = ffi.new("loam_options")
  lib.loam_options_init(options)
  for name, value in pairs(given) do
    options[name] = value
  end
  return options
end

local function settled(given)
  local options = options_of(given)
  assert.equal(0, lib.options_check(options, err))
  lib.options_settle(options)
  return options
end

local function refusal(given)
  assert.is_true(lib.options_check(options_of(given), err) < 0)
  return ffi.string(err.text)
end

describe("db.options", function()
  it("gives a memtable an eighth of the budget, up to 128 MiB", function()
    local cases = { [64] = 8, [256] = 32, [512] = 64, [1024] = 128, [8192] = 128 }
    for memory, memtable in pairs(cases) do
      local options = settled({ memory_bytes = memory * MIB })
      assert.equal(memtable * MIB, tonumber(options.memtable_bytes))
    end
  end)

  it("keeps a memtable that was asked for, as far as the budget holds six of them", function()
    local kept = settled({ memory_bytes = 64 * MIB, memtable_bytes = 3 * MIB })
    local cut = settled({ memory_bytes = 60 * MIB, memtable_bytes = 64 * MIB })

    assert.equal(3 * MIB, tonumber(kept.memtable_bytes))
    assert.equal(10 * MIB, tonumber(cut.memtable_bytes))
  end)

  it("refuses values out of bounds by name", function()
    assert.equal("option memtable_bytes is 65535; it takes 65536 to 1152921504606846975",
      refusal({ memtable_bytes = 65535 }))
    assert.equal("option block_bytes is 511; it takes 512 to 1048576",
      refusal({ block_bytes = 511 }))
    assert.matches("not made by loam_options_init", refusal({ struct_size = 1 }))
  end)

  it("counts compaction threads by the cores", function()
    assert.is_true(settled({}).background_threads >= 1)
    assert.equal(3, settled({ background_threads = 3 }).background_threads)
  end)
end)
