-- Allocation faults on demand: the seam that every out-of-memory spec stands on.
local cdef = require "spec.support.cdef"
local ffi = require "ffi"
local lib = require "spec.support.lib"

cdef.load("base/memory.h")

local OFF = 0xffffffffffffffffULL

describe("base.memory", function()
  after_each(function() lib.memory_fail_at(OFF, 0) end)

  it("counts allocations from the moment it is armed", function()
    lib.memory_fail_at(OFF, 0)

    assert.equal(0, tonumber(lib.memory_alloc_count()))
  end)
end)
