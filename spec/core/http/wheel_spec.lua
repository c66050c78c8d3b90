-- The wheel of deadlines against a plain table: random sets, moves, clears and steps of time.
local cdef = require "spec.support.cdef"
local ffi = require "ffi"
local lib = require "spec.support.lib"

cdef.load("http/wheel.h")

local TICK_NS = 16e6
local NEVER = 0xffffffffffffffffULL

local function new_wheel(now_ns)
  local wheel = ffi.new("struct wheel")
  lib.wheel_init(wheel, now_ns)
  return wheel
end

describe("http.wheel", function()
  it("has nothing to wait for when empty", function()
    local wheel = new_wheel(1e9)

    assert.is_true(lib.wheel_next_ns(wheel) == NEVER)
    assert.is_true(lib.wheel_expire(wheel, 1e12) == nil)
  end)

  it("returns a deadline beyond its horizon in time", function()
    local wheel, entry = new_wheel(0), ffi.new("struct wheel_entry")
    lib.wheel_set(wheel, entry, 100e9)

    local now_ns, expired = 0, false
    while not expired do
      local next_ns = lib.wheel_next_ns(wheel)
      assert.is_true(next_ns ~= NEVER)
      now_ns = tonumber(next_ns)
      expired = lib.wheel_expire(wheel, now_ns) ~= nil
    end

    assert.is_true(now_ns >= 100e9 and now_ns <= 100e9 + TICK_NS)
  end)

  it("agrees with a plain table", function()
    local now_ns, count = 5e9, 50
    local wheel, entries = new_wheel(now_ns), ffi.new("struct wheel_entry[?]", count)
    local model = {}

    local function step()
      local i = math.random(0, count - 1)
      local choice = math.random(10)
      if choice == 1 then
        lib.wheel_set(wheel, entries + i, NEVER)
        model[i] = nil
      elseif choice == 2 then
        lib.wheel_remove(wheel, entries + i)
        model[i] = nil
      elseif choice < 8 then
        model[i] = now_ns + math.floor(math.random() ^ 3 * 60e9)
        lib.wheel_set(wheel, entries + i, model[i])
      end
    end

    local function expire()
      while true do
        local entry = lib.wheel_expire(wheel, now_ns)
        if entry == nil then
          return
        end
        local i = tonumber(entry - entries)
        assert.is_true(model[i] ~= nil and model[i] <= now_ns)
        model[i] = nil
      end
    end

    for _ = 1, 20000 do
      step()
      now_ns = now_ns + math.floor(math.random() ^ 8 * 20e9)
      expire()
      local next_ns = lib.wheel_next_ns(wheel)
      for _, at_ns in pairs(model) do
        assert.is_true(at_ns > now_ns - 2 * TICK_NS)
        assert.is_true(next_ns <= at_ns + TICK_NS)
      end
    end
  end)
end)
