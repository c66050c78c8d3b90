local cdef = require "spec.support.cdef"
local ffi = require "ffi"
local lib = require "spec.support.lib"
local seed = require "spec.support.seed"

cdef.load("disk/compress.h")

local CORRUPT, INVALID = -16, -5
local NONE, LZ4, ZSTD = 0, 1, 2

local function compressor_new(codec)
  local out = ffi.new("struct compressor *[1]")
  local code = lib.compressor_new(codec, out, nil)
  return code == 0 and ffi.gc(out[0], lib.compressor_free) or nil, code
end

local function compress(compressor, raw)
  local out, codec = ffi.new("loam_buffer"), ffi.new("int[1]")
  assert.equal(0, lib.compressor_run(compressor, raw, #raw, out, codec, nil))
  local stored = ffi.string(out.data, out.size)
  lib.loam_buffer_free(out)
  return stored, codec[0]
end

local function decompress(codec, stored)
  local size = ffi.new("size_t[1]")
  local code = lib.decompress_size(codec, stored, #stored, size)
  if code ~= 0 then
    return nil, code
  end
  local raw = ffi.new("char[?]", size[0])
  code = lib.decompress(codec, stored, #stored, raw, size[0])
  if code ~= 0 then
    return nil, code
  end
  return ffi.string(raw, size[0])
end

describe("disk.compress", function()
  for _, codec in ipairs { LZ4, ZSTD } do
    it("gives back what it compressed, codec " .. codec, function()
      local random = seed.new(codec)
      local compressor = compressor_new(codec)
      for _ = 1, 200 do
        local raw = random:bytes(random:int(0, 40)):rep(random:int(1, 200))
          .. random:bytes(random:int(1, 900))

        local stored, used = compress(compressor, raw)

        if used == NONE then
          assert.equal("", stored)
        else
          assert.equal(codec, used)
          assert.is_true(#stored <= #raw - math.floor(#raw / 8))
          assert.equal(raw, decompress(used, stored))
        end
      end
    end)

    it("leaves random bytes as they are, codec " .. codec, function()
      local stored, used = compress(compressor_new(codec), seed.new():bytes(4096))

      assert.equal(NONE, used)
      assert.equal("", stored)
    end)

    it("B08 refuses a declared size that is a lie or a bomb, codec " .. codec, function()
      local stored = compress(compressor_new(codec), ("a"):rep(4096))

      local lies = { "\255\15\0\0", "\1\16\0\0", "\0\0\0\0", "\255\255\255\255", "\0\0\0\128" }
      for _, declared in ipairs(lies) do
        local raw, code = decompress(codec, declared .. stored:sub(5))
        assert.is_nil(raw)
        assert.equal(CORRUPT, code)
      end
      for size = 0, #stored - 1 do
        assert.is_nil(decompress(codec, stored:sub(1, size)))
      end
    end)
  end

  it("refuses unknown codecs", function()
    assert.equal(INVALID, select(2, compressor_new(3)))
    assert.equal(CORRUPT, select(2, decompress(3, "12345678")))
    assert.equal(CORRUPT, select(2, decompress(-1, "12345678")))
  end)
end)
