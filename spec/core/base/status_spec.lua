-- Codes and the error object, seen from Lua as bindings see them.
local cdef = require "spec.support.cdef"
local ffi = require "ffi"
local kv_cdef = require "kv.cdef"
local lib = require "spec.support.lib"

cdef.load("base/status.h")

local function error_of(fill)
  local err = ffi.new("loam_error")
  fill(err)
  return { code = err.code, os_errno = err.os_errno, line = err.line, text = ffi.string(err.text) }
end

describe("base.status", function()
  it("gives every code of loam.h the name that Lua knows it by", function()
    for value, name in pairs(kv_cdef.codes) do
      assert.equal(name, ffi.string(lib.loam_code_name(value)))
    end
  end)

  it("gives every code of loam.h its own text", function()
    local seen = {}
    for value, name in pairs(kv_cdef.codes) do
      local text = ffi.string(lib.loam_code_text(value))
      assert.is_nil(seen[text], name .. " shares its text with " .. tostring(seen[text]))
      assert.not_equal("unknown code", text)
      seen[text] = name
    end
  end)

  it("names a number that is no code", function()
    assert.equal("UNKNOWN_CODE", ffi.string(lib.loam_code_name(7)))
    assert.equal("unknown code", ffi.string(lib.loam_code_text(-1000)))
  end)

  it("fills the error once and returns the code", function()
    local rc
    local err = error_of(function(err)
      local offset = ffi.new("int", 7)
      rc = lib.loam_fail(err, lib.LOAM_CORRUPT, 0, "wal.c", 12, "%s at %d", "torn", offset)
    end)

    assert.equal(lib.LOAM_CORRUPT, rc)
    assert.same({ code = lib.LOAM_CORRUPT, os_errno = 0, line = 12, text = "torn at 7" }, err)
  end)

  it("appends the text of the system's error", function()
    local ENOSPC = 28
    local err = error_of(function(err)
      lib.loam_fail(err, lib.LOAM_NO_SPACE, ENOSPC, "env.c", 1, "write of %s", "a.wal")
    end)

    assert.equal("write of a.wal: No space left on device", err.text)
    assert.equal(ENOSPC, err.os_errno)
  end)

  it("takes no error object", function()
    assert.equal(lib.LOAM_IO, lib.loam_fail(nil, lib.LOAM_IO, 5, "x.c", 1, "text"))
    lib.error_prefix(nil, "text")
  end)

  it("puts context in front and keeps code and origin", function()
    local err = error_of(function(err)
      lib.loam_fail(err, lib.LOAM_IO, 0, "x.c", 9, "read fails")
      lib.error_prefix(err, "opening %s", "000000000012.sst")
    end)

    assert.same({ code = lib.LOAM_IO, os_errno = 0, line = 9,
                  text = "opening 000000000012.sst: read fails" }, err)
  end)

  it("cuts texts that are too long, with their NUL", function()
    local long = ("x"):rep(1000)
    local err = error_of(function(err)
      lib.loam_fail(err, lib.LOAM_IO, 5, "x.c", 1, "%s", long)
      lib.error_prefix(err, "%s", long)
    end)

    assert.equal(("x"):rep(255), err.text)
  end)
end)
