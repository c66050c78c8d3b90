local ffi = require "ffi"
local lib = require "kv.lib"

local TYPES = { [0] = "loam_options", "loam_op", "loam_rows", "loam_stats" }

-- A library as kv.lib sees it, with sizes of its own.
local function library(version, sizes)
  return {
    loam_abi_version = function() return version end,
    loam_abi_size = function(which) return sizes[TYPES[which]] or ffi.sizeof(TYPES[which]) end,
  }
end

describe("kv.lib", function()
  it("takes the library that the declarations were made for", function()
    lib.check_abi(lib.C)
    lib.check_abi(library(1, {}))
  end)

  it("refuses another version and other sizes, and says what to do", function()
    assert.has_error(function() lib.check_abi(library(2, {})) end,
      "kv: libloam has ABI 2, this module needs 1: rebuild, then run scripts/gen_cdef.lua")
    for _, name in pairs(TYPES) do
      assert.has_error(function() lib.check_abi(library(1, { [name] = 3 })) end,
        ("kv: %s has 3 bytes in libloam and %d in kv/cdef.lua: rebuild, then run "
          .. "scripts/gen_cdef.lua"):format(name, ffi.sizeof(name)))
    end
  end)
end)
