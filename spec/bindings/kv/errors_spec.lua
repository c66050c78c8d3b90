local errors = require "kv.errors"
local ffi = require "ffi"
local kv = require "kv"
local lib = require "kv.lib"
local store = require "spec.support.store"

describe("kv.errors", function()
  it("makes nil, err, CODE from a code and its error object", function()
    local detail = ffi.new("loam_error")
    detail.code, detail.os_errno = lib.C.LOAM_IO, 5
    ffi.copy(detail.text, "write of a.wal: Input/output error")

    local value, err, code = errors.failure(lib.C.LOAM_IO, detail)

    assert.is_nil(value)
    assert.equal("IO", code)
    assert.same({ code = "IO", text = "write of a.wal: Input/output error", os_errno = 5 },
      { code = err.code, text = err.text, os_errno = err.os_errno })
    assert.equal("IO: write of a.wal: Input/output error", tostring(err))
  end)

  it("takes the code's own text when the error object is of another failure", function()
    local detail = ffi.new("loam_error")
    detail.code = lib.C.LOAM_IO
    ffi.copy(detail.text, "old")

    local _, err = errors.failure(lib.C.LOAM_CORRUPT, detail)

    assert.equal(ffi.string(lib.C.loam_code_text(lib.C.LOAM_CORRUPT)), err.text)
  end)

  it("does not tell a text twice", function()
    local detail = ffi.new("loam_error")
    detail.code = lib.C.LOAM_IO
    ffi.copy(detail.text, "once")

    errors.failure(lib.C.LOAM_IO, detail)
    local _, err = errors.failure(lib.C.LOAM_IO, detail)

    assert.not_equal("once", err.text)
  end)

  it("joins error objects with strings", function()
    assert.equal("open: IO: gone", "open: " .. errors.new("IO", "gone"))
    assert.equal("IO: gone!", errors.new("IO", "gone") .. "!")
  end)

  it("tells its objects from other tables", function()
    assert.is_true(kv.is_error(errors.new("IO", "gone")))
    assert.is_false(kv.is_error({ code = "IO" }))
    assert.is_false(kv.is_error("IO"))
  end)

  it("raises misuse at the line of the caller, through any number of own functions", function()
    local db = store.open()
    local here = debug.getinfo(1, "l").currentline

    local _, direct = pcall(function() db:get() end)
    local _, deep = pcall(function() db:mput({ { "a", 5 } }) end)

    assert.matches("errors_spec%.lua:" .. here + 2 .. ": get: the key is missing", direct)
    assert.matches("errors_spec%.lua:" .. here + 3 .. ": mput: the value is a string", deep)
    db:close()
  end)
end)
