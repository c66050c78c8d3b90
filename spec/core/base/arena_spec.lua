local cdef = require "spec.support.cdef"
local ffi = require "ffi"
local lib = require "spec.support.lib"

cdef.load("base/testing.h")
cdef.load("base/memory.h")

local OFF = 0xffffffffffffffffULL
local CHUNK = 4096
local arena

local function address(pointer)
  return tonumber(ffi.cast("uintptr_t", pointer))
end

describe("base.arena", function()
  before_each(function() arena = lib.testing_arena_new(CHUNK) end)
  after_each(function()
    lib.memory_fail_at(OFF, 0)
    lib.testing_arena_free(arena)
  end)

  it("takes no memory before the first piece", function()
    assert.equal(0, tonumber(lib.testing_arena_bytes(arena)))
  end)

  it("hands out pieces that are aligned and do not overlap", function()
    local previous_end = 0
    for size = 1, 100 do
      local piece = address(lib.testing_arena_alloc(arena, size))
      assert.equal(0, piece % 8)
      assert.is_true(piece >= previous_end or previous_end - piece > CHUNK / 2)
      previous_end = piece + size
    end
  end)

  it("keeps what was written to earlier pieces", function()
    local pieces = {}
    for index = 1, 500 do
      pieces[index] = ffi.cast("char *", lib.testing_arena_alloc(arena, 40))
      ffi.fill(pieces[index], 40, index % 251)
    end

    for index, piece in ipairs(pieces) do
      assert.equal(string.char(index % 251):rep(40), ffi.string(piece, 40))
    end
  end)

  it("gives a large piece a chunk of its own and goes on in the current one", function()
    local first = address(lib.testing_arena_alloc(arena, 8))
    lib.testing_arena_alloc(arena, CHUNK * 10)
    local second = address(lib.testing_arena_alloc(arena, 8))

    assert.equal(first + 8, second)
  end)

  it("counts the bytes it took from the system", function()
    lib.testing_arena_alloc(arena, 8)
    local small = tonumber(lib.testing_arena_bytes(arena))
    lib.testing_arena_alloc(arena, CHUNK * 10)
    local large = tonumber(lib.testing_arena_bytes(arena))

    assert.is_true(small >= CHUNK and small < CHUNK + 64)
    assert.is_true(large - small >= CHUNK * 10 and large - small < CHUNK * 10 + 64)
  end)

  describe("error paths", function()
    it("answers NULL when memory runs out, and works again after", function()
      lib.memory_fail_at(0, 1)

      assert.is_true(lib.testing_arena_alloc(arena, 8) == nil)
      assert.equal(0, tonumber(lib.testing_arena_bytes(arena)))
      assert.is_true(lib.testing_arena_alloc(arena, 8) ~= nil)
    end)

    it("answers NULL for sizes that no memory has", function()
      assert.is_true(lib.testing_arena_alloc(arena, 2 ^ 63) == nil)
      assert.is_true(lib.testing_arena_alloc(arena, OFF - 16) == nil)
    end)

    it("answers NULL for sizes that rounding up to 8 would wrap to zero", function()
      assert.is_true(lib.testing_arena_alloc(arena, OFF) == nil)
      lib.testing_arena_alloc(arena, 8)
      assert.is_true(lib.testing_arena_alloc(arena, OFF - 3) == nil)
    end)
  end)
end)
