-- Background threads offer their processor: who does, how often, and when not.
local cdef = require "spec.support.cdef"
local lib = require "spec.support.lib"

cdef.load("base/give_way.h")
cdef.load("base/testing.h")

local ORDINARY, BACKGROUND, URGENT = 0, 1, 2

local function offers(how, bytes, count)
  return tonumber(lib.testing_give_way(how, bytes, count))
end

describe("base.give_way", function()
  it("offers the processor every 8 KiB of work, less often where others take it", function()
    assert.equal(0, offers(BACKGROUND, 1000, 8))
    assert.equal(1, offers(BACKGROUND, 1000, 9))
    local many = offers(BACKGROUND, 4096, 2000)
    assert.is_true(many >= 1 and many <= 1000, many)
  end)

  it("offers once for a large piece", function()
    assert.equal(1, offers(BACKGROUND, 1000000, 1))
  end)

  it("offers nothing in a thread that somebody waits for, nor while its work is urgent", function()
    assert.equal(0, offers(ORDINARY, 8192, 100))
    assert.equal(0, offers(URGENT, 8192, 100))
  end)
end)
