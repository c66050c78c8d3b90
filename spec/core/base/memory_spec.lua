-- Allocation faults on demand: the seam that every out-of-memory spec stands on.
local cdef = require "spec.support.cdef"
local ffi = require "ffi"
local lib = require "spec.support.lib"

cdef.load("base/buf.h")

local OFF = 0xffffffffffffffffULL

-- Appends `size` bytes to a fresh buffer, which always takes one allocation; returns its code.
local function allocate_once(size)
  local buffer, err = ffi.new("loam_buffer"), ffi.new("loam_error")
  local rc = lib.buf_append(buffer, ("x"):rep(size), size, err)
  lib.loam_buffer_free(buffer)
  return rc, ffi.string(err.text)
end

describe("base.memory", function()
  after_each(function() lib.memory_fail_at(OFF, 0) end)

  it("counts allocations from the moment it is armed", function()
    lib.memory_fail_at(OFF, 0)

    allocate_once(10)
    allocate_once(10)

    assert.equal(2, tonumber(lib.memory_alloc_count()))
  end)

  it("fails exactly the allocations asked for", function()
    lib.memory_fail_at(1, 2)

    local codes = {}
    for index = 1, 4 do
      codes[index] = allocate_once(1)
    end

    assert.same({ 0, lib.LOAM_NO_MEMORY, lib.LOAM_NO_MEMORY, 0 }, codes)
  end)

  it("fails every allocation when the count is the largest number", function()
    lib.memory_fail_at(0, OFF)

    for _ = 1, 5 do
      assert.equal(lib.LOAM_NO_MEMORY, (allocate_once(1)))
    end
  end)

  it("names the size that was wanted", function()
    lib.memory_fail_at(0, 1)

    local _, text = allocate_once(100)

    assert.matches("^out of memory: %d+ bytes wanted$", text)
  end)
end)
