local cdef = require "spec.support.cdef"
local ffi = require "ffi"
local lib = require "spec.support.lib"

cdef.load("base/buf.h")

local OFF = 0xffffffffffffffffULL
local buffer, err

local function contents()
  return ffi.string(buffer.data, buffer.size)
end

describe("base.buf", function()
  before_each(function()
    buffer, err = ffi.new("loam_buffer"), ffi.new("loam_error")
  end)
  after_each(function()
    lib.memory_fail_at(OFF, 0)
    lib.loam_buffer_free(buffer)
  end)

  it("is empty and valid when zeroed", function()
    lib.loam_buffer_free(buffer)
    lib.loam_buffer_free(nil)

    assert.equal(0, tonumber(buffer.size))
  end)

  it("appends bytes, zeroes included", function()
    assert.equal(0, lib.buf_append(buffer, "a\0b", 3, err))
    assert.equal(0, lib.buf_append(buffer, "", 0, err))
    assert.equal(0, lib.buf_append(buffer, "c", 1, err))

    assert.equal("a\0bc", contents())
  end)

  it("grows so that appending is cheap", function()
    lib.memory_fail_at(OFF, 0)

    for _ = 1, 10000 do
      assert(lib.buf_append(buffer, "0123456789", 10, err) == 0)
    end

    assert.equal(100000, tonumber(buffer.size))
    assert.is_true(tonumber(lib.memory_alloc_count()) < 20)
  end)

  it("replaces its contents and keeps its capacity", function()
    assert.equal(0, lib.buf_assign(buffer, ("x"):rep(100), 100, err))
    local capacity = tonumber(buffer.capacity)

    assert.equal(0, lib.buf_assign(buffer, "short", 5, err))

    assert.equal("short", contents())
    assert.equal(capacity, tonumber(buffer.capacity))
  end)

  it("appends formatted text without its NUL", function()
    assert.equal(0, lib.buf_append(buffer, "n=", 2, err))
    assert.equal(0, lib.buf_printf(buffer, err, "%d %s", ffi.new("int", 42), ("y"):rep(300)))

    assert.equal("n=42 " .. ("y"):rep(300), contents())
  end)

  it("is as before when memory runs out", function()
    assert.equal(0, lib.buf_append(buffer, "kept", 4, err))
    lib.memory_fail_at(0, OFF)

    assert.equal(lib.LOAM_NO_MEMORY, lib.buf_append(buffer, ("x"):rep(4096), 4096, err))

    assert.equal("kept", contents())
    assert.equal(lib.LOAM_NO_MEMORY, err.code)
  end)

  it("refuses a size that no memory has", function()
    assert.equal(lib.LOAM_NO_MEMORY, lib.buf_grow(buffer, OFF, err))
    assert.equal(0, lib.buf_append(buffer, "a", 1, err))
    assert.equal(lib.LOAM_NO_MEMORY, lib.buf_grow(buffer, OFF, err))

    assert.equal("a", contents())
  end)
end)
