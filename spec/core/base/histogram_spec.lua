local cdef = require "spec.support.cdef"
local ffi = require "ffi"
local lib = require "spec.support.lib"
local seed = require "spec.support.seed"

cdef.load("base/testing.h")

local histogram

local function summary()
  local out = ffi.new("loam_histogram")
  lib.testing_histogram_summary(histogram, out)
  return {
    count = tonumber(out.count), sum = tonumber(out.sum_ns),
    min = tonumber(out.min_ns), max = tonumber(out.max_ns),
    p50 = tonumber(out.p50_ns), p90 = tonumber(out.p90_ns),
    p99 = tonumber(out.p99_ns), p999 = tonumber(out.p999_ns),
  }
end

local function add(...)
  for _, value in ipairs { ... } do
    lib.testing_histogram_add(histogram, value)
  end
end

describe("base.histogram", function()
  before_each(function() histogram = lib.testing_histogram_new() end)
  after_each(function() lib.testing_histogram_free(histogram) end)

  it("is all zeroes while empty", function()
    assert.same({ count = 0, sum = 0, min = 0, max = 0, p50 = 0, p90 = 0, p99 = 0, p999 = 0 },
      summary())
  end)

  it("keeps count, sum, least and largest exactly", function()
    add(7, 1000000, 3, 123456789)

    local got = summary()

    assert.equal(4, got.count)
    assert.equal(7 + 1000000 + 3 + 123456789, got.sum)
    assert.equal(3, got.min)
    assert.equal(123456789, got.max)
  end)

  it("knows small values exactly", function()
    for value = 0, 15 do
      add(value)
    end

    assert.equal(8, summary().p50)
    assert.equal(15, summary().p999)
  end)

  it("gives quantiles that are never below the truth and at most a sixteenth above", function()
    local random = seed.new()
    local values = {}
    for index = 1, 5000 do
      values[index] = math.floor(2 ^ (random:int(0, 40000) / 1000))
      add(values[index])
    end
    table.sort(values)

    local got = summary()

    for name, q in pairs { p50 = 0.5, p90 = 0.9, p99 = 0.99, p999 = 0.999 } do
      local truth = values[math.floor(#values * q) + 1]
      assert.is_true(got[name] >= truth, name .. " below the truth")
      assert.is_true(got[name] <= truth * (1 + 1 / 16), name .. " too far above the truth")
    end
  end)

  it("never gives a quantile above the largest value", function()
    add(1000)

    assert.equal(1000, summary().p50)
  end)

  it("takes the largest number there is", function()
    add(0xffffffffffffffffULL)

    local out = ffi.new("loam_histogram")
    lib.testing_histogram_summary(histogram, out)

    assert.is_true(out.max_ns == 0xffffffffffffffffULL)
    assert.is_true(out.p99_ns == 0xffffffffffffffffULL)
  end)
end)
