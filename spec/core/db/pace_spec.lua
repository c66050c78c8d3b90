local cdef = require "spec.support.cdef"
local ffi = require "ffi"
local lib = require "spec.support.lib"

cdef.load("db/pace.h")

local MIB = 2 ^ 20

local function delay_ns(changes, bytes)
  local input = ffi.new("struct pace_input", {
    backlog_bytes = 0,
    room_bytes = 100 * MIB,
    flush_rate = 100 * MIB,
    run_count = 0,
    run_soft = 10,
    run_hard = 20,
    compact_rate = 50 * MIB,
  })
  for name, value in pairs(changes) do
    input[name] = value
  end
  return tonumber(lib.pace_delay_ns(input, bytes or MIB))
end

describe("db.pace", function()
  it("lets writers go while half of the room is free", function()
    assert.equal(0, delay_ns { backlog_bytes = 50 * MIB })
  end)

  it("slows writers down smoothly as the backlog grows", function()
    local before = 0
    for backlog = 51, 100 do
      local now = delay_ns { backlog_bytes = backlog * MIB }
      assert.is_true(now > before)
      before = now
    end
    assert.is_true(math.abs(before - 20e6) < 1e3, "half of the flush rate at the end")
  end)

  it("does not slow anybody down by a bandwidth that is not known", function()
    assert.equal(0, delay_ns { backlog_bytes = 99 * MIB, flush_rate = 0 })
  end)

  it("counts runs above the soft limit against compaction's bandwidth", function()
    assert.equal(0, delay_ns { run_count = 10 })
    assert.is_true(delay_ns { run_count = 11 } > 0)
    assert.is_true(delay_ns { run_count = 20 } > delay_ns { run_count = 11 })
    assert.equal(delay_ns { run_count = 20 }, delay_ns { run_count = 200 })
  end)

  it("takes the longer of both delays", function()
    local by_runs = delay_ns { run_count = 20 }
    assert.equal(by_runs, delay_ns { run_count = 20, backlog_bytes = 51 * MIB })
  end)
end)
