local cdef = require "spec.support.cdef"
local lib = require "spec.support.lib"
local seed = require "spec.support.seed"

cdef.load("base/testing.h")

local function sign(n)
  return n < 0 and -1 or n > 0 and 1 or 0
end

local function compare(a, b)
  return sign(lib.testing_slice_cmp(a, #a, b, #b))
end

local function expected(a, b)
  for index = 1, math.min(#a, #b) do
    if a:byte(index) ~= b:byte(index) then
      return sign(a:byte(index) - b:byte(index))
    end
  end
  return sign(#a - #b)
end

describe("base.slice", function()
  it("orders bytes as unsigned, a prefix first", function()
    assert.equal(-1, compare("", "\0"))
    assert.equal(-1, compare("a", "a\0"))
    assert.equal(-1, compare("\127", "\128"))
    assert.equal(1, compare("b", "abc"))
    assert.equal(0, compare("a\0b", "a\0b"))
  end)

  it("orders a NULL slice as the empty one", function()
    assert.equal(0, lib.testing_slice_cmp(nil, 0, "", 0))
    assert.equal(-1, sign(lib.testing_slice_cmp(nil, 0, "a", 1)))
  end)

  it("agrees with a comparison byte by byte", function()
    local random = seed.new()
    for _ = 1, 2000 do
      local a = random:bytes(random:int(0, 4), "\0a\255")
      local b = random:bytes(random:int(0, 4), "\0a\255")
      assert.equal(expected(a, b), compare(a, b))
    end
  end)

  it("knows prefixes", function()
    assert.is_true(lib.testing_slice_starts_with("abc", 3, "ab", 2))
    assert.is_true(lib.testing_slice_starts_with("abc", 3, nil, 0))
    assert.is_false(lib.testing_slice_starts_with("ab", 2, "abc", 3))
    assert.is_false(lib.testing_slice_starts_with("abc", 3, "ac", 2))
  end)
end)
