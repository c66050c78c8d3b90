-- Integers as bytes. Decoders are fed bytes that end early and varints that are too long: what
-- comes from disk is refused here, never asserted.
local cdef = require "spec.support.cdef"
local ffi = require "ffi"
local lib = require "spec.support.lib"
local seed = require "spec.support.seed"

cdef.load("base/testing.h")

local scratch = ffi.new("char[16]")
local wide = ffi.new("uint64_t[1]")
local narrow = ffi.new("uint32_t[1]")

local function hex(bytes)
  return (bytes:gsub(".", function(c) return ("%02x"):format(c:byte()) end))
end

local function fixed(bits, value)
  return hex(ffi.string(scratch, lib.testing_put_fixed(scratch, bits, value)))
end

local function varint(value)
  return ffi.string(scratch, lib.testing_put_varint(scratch, value))
end

local function read_varint(bytes)
  local used = tonumber(lib.testing_get_varint(bytes, #bytes, wide))
  return used > 0 and wide[0] or nil, used
end

describe("base.coding", function()
  it("writes fixed widths in little-endian order", function()
    assert.equal("0201", fixed(16, 0x0102))
    assert.equal("04030201", fixed(32, 0x01020304))
    assert.equal("0807060504030201", fixed(64, 0x0102030405060708ULL))
  end)

  it("writes bucket ids in big-endian order, which sorts as memcmp does", function()
    assert.equal("01020304", fixed(-32, 0x01020304))
    assert.is_true(fixed(-32, 255) < fixed(-32, 256))
  end)

  it("reads back what it wrote", function()
    for _, bits in ipairs { 16, 32, -32, 64 } do
      local value = bits == 64 and 0xfedcba9876543210ULL or 0xfedcULL
      lib.testing_put_fixed(scratch, bits, value)
      assert.equal(value, lib.testing_get_fixed(scratch, bits))
    end
  end)

  it("writes varints in groups of seven bits", function()
    assert.equal("00", hex(varint(0)))
    assert.equal("7f", hex(varint(127)))
    assert.equal("8001", hex(varint(128)))
    assert.equal("ac02", hex(varint(300)))
    assert.equal("ffffffffffffffffff01", hex(varint(0xffffffffffffffffULL)))
  end)

  it("knows the size of a varint before it is written", function()
    local value = 1ULL
    for _ = 0, 63 do
      assert.equal(#varint(value), tonumber(lib.testing_varint_size(value)))
      assert.equal(#varint(value - 1), tonumber(lib.testing_varint_size(value - 1)))
      value = value * 2
    end
  end)

  it("reads back random varints and leaves what follows them", function()
    local random = seed.new()
    for _ = 1, 2000 do
      local value = 0ULL
      for _ = 1, random:int(1, 8) do
        value = value * 256 + random:int(0, 255)
      end
      local bytes = varint(value)

      local got, used = read_varint(bytes .. random:bytes(3))

      assert.is_true(got == value)
      assert.equal(#bytes, used)
    end
  end)

  describe("error paths", function()
    it("refuses a varint whose bytes end early", function()
      local bytes = varint(0xffffffffffffffffULL)
      for size = 0, #bytes - 1 do
        assert.is_nil((read_varint(bytes:sub(1, size))))
      end
    end)

    it("refuses a varint of more than 64 bits", function()
      assert.is_nil((read_varint(("\255"):rep(9) .. "\2")))
      assert.is_nil((read_varint(("\255"):rep(10) .. "\1")))
      assert.is_nil((read_varint(("\128"):rep(10) .. "\0")))
    end)

    it("accepts padding with zero groups up to ten bytes", function()
      local got, used = read_varint("\129" .. ("\128"):rep(8) .. "\0")

      assert.is_true(got == 1)
      assert.equal(10, used)
    end)

    it("refuses a 32-bit varint that is larger", function()
      local largest, over = varint(0xffffffffULL), varint(0x100000000ULL)

      assert.equal(5, tonumber(lib.testing_get_varint32(largest, #largest, narrow)))
      assert.equal(0xffffffff, narrow[0])
      assert.equal(0, tonumber(lib.testing_get_varint32(over, #over, narrow)))
    end)
  end)
end)
