-- Tuples keep their order as bytes, and come back as they were.
local kv = require "kv"
local seed = require "spec.support.seed"
local store = require "spec.support.store"

local pack, unpack_key, prefix_end = kv.key.pack, kv.key.unpack, kv.key.prefix_end

-- Each is smaller than the next.
local ASCENDING = {
  { "", n = 0 }, { nil, n = 1 }, { nil, "a", n = 2 }, { false, n = 1 }, { true, n = 1 },
  { -math.huge, n = 1 }, { -1e300, n = 1 }, { -2.5, n = 1 }, { -2, n = 1 }, { -1e-300, n = 1 },
  { 0, n = 1 }, { 0, 0, n = 2 }, { 1e-300, n = 1 }, { 1, n = 1 }, { 255, n = 1 }, { 256, n = 1 },
  { 2 ^ 53, n = 1 }, { math.huge, n = 1 }, { "", n = 1 }, { "", "", n = 2 }, { "\0", n = 1 },
  { "\0\0", n = 1 }, { "\0\255", n = 1 }, { "\1", n = 1 }, { "a", n = 1 }, { "a", nil, n = 2 },
  { "a", 5, n = 2 }, { "a", "b", n = 2 }, { "a\0", n = 1 }, { "a\0b", n = 1 }, { "ab", n = 1 },
  { "b", n = 1 }, { "\255", n = 1 }, { "\255\255", n = 1 },
}

describe("kv.key", function()
  it("packs tuples into strings of the same order", function()
    for index = 2, #ASCENDING do
      local low, high = ASCENDING[index - 1], ASCENDING[index]
      assert.is_true(pack(unpack(low, 1, low.n)) < pack(unpack(high, 1, high.n)),
        "tuple " .. index)
    end
  end)

  it("unpacks what it packed", function()
    for _, tuple in ipairs(ASCENDING) do
      local count = select("#", unpack_key(pack(unpack(tuple, 1, tuple.n))))
      assert.equal(tuple.n, count)
      assert.same({ unpack(tuple, 1, tuple.n) }, { unpack_key(pack(unpack(tuple, 1, tuple.n))) })
    end
  end)

  it("makes 0 of -0", function()
    assert.equal(pack(0), pack(-0.0))
    assert.equal(math.huge, 1 / unpack_key(pack(-0.0)))
  end)

  it("makes a prefix of the tuples that begin with it and of no other", function()
    local prefix = pack("a")

    assert.equal(prefix, pack("a", 1):sub(1, #prefix))
    assert.not_equal(prefix, pack("a\0", 1):sub(1, #prefix))
    assert.not_equal(prefix, pack("ab"):sub(1, #prefix))
  end)

  it("ends a prefix before the next one", function()
    assert.equal("b", prefix_end("a"))
    assert.equal("b", prefix_end("a\255\255"))
    assert.equal("a\1", prefix_end("a\0"))
    assert.is_nil(prefix_end(""))
    assert.is_nil(prefix_end("\255\255"))
  end)

  it("orders random numbers and strings #fuzz", function()
    local random = seed.new()
    for _ = 1, 2000 do
      local left, right = random:int(-1e6, 1e6) / 7, random:int(-1e6, 1e6) / 7
      local low, high = random:bytes(random:int(0, 4), "\0\1\254\255a"),
        random:bytes(random:int(0, 4), "\0\1\254\255a")

      assert.equal(left < right, pack(left) < pack(right))
      assert.equal(low < high, pack(low, 1) < pack(high, 0) and low ~= high)
      assert.equal(left, (unpack_key(pack(left))))
      assert.equal(low, (unpack_key(pack(low))))
    end
  end)

  -- Error paths of key.lua

  it("refuses bytes that are no tuple", function()
    for _, bytes in ipairs({ "x", "\4abc", "\5abc", "\5a\0", "\5a\0\7", "\1\9" }) do
      local first, err, code = unpack_key(bytes)

      assert.is_nil(first)
      assert.equal("INVALID", code)
      assert.matches("^key%.unpack: no tuple element at byte %d+$", err.text)
    end
  end)

  it("raises for what has no order", function()
    assert.equal("key.pack: element 2 is NaN, which has no order",
      store.misuse(function() pack(1, 0 / 0) end))
    assert.equal("key.pack: element 1 is a nil, boolean, number or string, got a table",
      store.misuse(function() pack({}) end))
    assert.equal("key.unpack: takes a string, got nothing",
      store.misuse(function() unpack_key() end))
    assert.equal("key.prefix_end: takes a string, got a number",
      store.misuse(function() prefix_end(5) end))
  end)
end)
