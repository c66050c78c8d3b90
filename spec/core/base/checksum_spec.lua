local cdef = require "spec.support.cdef"
local ffi = require "ffi"
local lib = require "spec.support.lib"
local seed = require "spec.support.seed"

cdef.load("base/checksum.h")

local function hex(value)
  local text = ""
  for _ = 1, 16 do
    text = ("%x"):format(tonumber(value % 16)) .. text
    value = value / 16
  end
  return text
end

describe("base.checksum", function()
  it("is XXH3-64, so that other programs can verify our files", function()
    assert.equal("2d06800538d394c2", hex(lib.checksum_64("", 0, 0)))
  end)

  it("depends on the seed", function()
    assert.not_equal(hex(lib.checksum_64("abc", 3, 1)), hex(lib.checksum_64("abc", 3, 2)))
  end)

  it("sees each flipped bit of a block", function()
    local random = seed.new()
    local block = ffi.new("uint8_t[?]", 300, 0)
    ffi.copy(block, random:bytes(300), 300)
    local sound = lib.checksum_64(block, 300, 7)

    for index = 0, 299 do
      local flip = 2 ^ random:int(0, 7)
      block[index] = bit.bxor(block[index], flip)
      assert.is_true(lib.checksum_64(block, 300, 7) ~= sound)
      block[index] = bit.bxor(block[index], flip)
    end
  end)

  it("gives a stream the sum of the whole, however it is cut", function()
    local random = seed.new()
    local data = random:bytes(5000)
    local stream = ffi.new("struct checksum_stream")
    assert.equal(0, lib.checksum_stream_init(stream))

    local at = 1
    while at <= #data do
      local piece = data:sub(at, at + random:int(0, 700))
      lib.checksum_stream_add(stream, piece, #piece)
      at = at + #piece
    end
    local sum = lib.checksum_stream_value(stream)
    lib.checksum_stream_deinit(stream)

    assert.is_true(sum == lib.checksum_64(data, #data, 0))
  end)

  it("gives two pieces the sum of the whole", function()
    local random = seed.new()
    local first, second = ffi.new("struct slice"), ffi.new("struct slice")
    for _ = 1, 2000 do
      local a, b = random:bytes(random:int(0, 60)), random:bytes(random:int(0, 3000))
      local given = random:int(0, 3)
      first.data, first.size, second.data, second.size = a, #a, b, #b

      local sum = lib.checksum_64_joined(first, second, given)

      assert.is_true(sum == lib.checksum_64(a .. b, #a + #b, given))
    end
  end)
end)
