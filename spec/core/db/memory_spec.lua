-- Allocations that fail (R01): one of eight here; scripts/torture --only memory takes all.
local allocations = require "spec.torture.allocations"
local cdef = require "spec.support.cdef"
local env = require "spec.support.env"
local lib = require "spec.support.lib"
local seed = require "spec.support.seed"
local store = require "spec.support.db"

cdef.load("base/memory.h")

local STEP = 8

describe("db without memory", function()
  after_each(function()
    lib.memory_fail_at(0xffffffffffffffffULL, 0)
    store.close_all()
    env.close_all()
  end)

  for _, times in ipairs { 1, "forever" } do
    it("loses nothing acknowledged when an allocation fails (R01), times: " .. times, function()
      for n = seed.value % STEP, allocations.count(), STEP do
        allocations.fail(n, times)
        store.close_all()
        env.close_all()
      end
    end)
  end
end)
