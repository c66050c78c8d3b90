-- The pool: pieces do not overlap, chunks are given back, classes are as close as promised.
local cdef = require "spec.support.cdef"
local ffi = require "ffi"
local lib = require "spec.support.lib"
local seed = require "spec.support.seed"

cdef.load("base/memory.h")
cdef.load("base/pool.h")

local CHUNK = 2 * 2 ^ 20

describe("base.pool", function()
  local pieces

  local function take(size)
    local chunk = ffi.new("struct pool_chunk *[1]")
    local piece = lib.pool_alloc(size, chunk)
    assert.is_true(piece ~= nil)
    local index = #pieces + 1
    pieces[index] = { data = piece, size = size, chunk = chunk[0], fill = index % 251 }
    ffi.fill(piece, size, pieces[index].fill)
    return pieces[index]
  end

  local function check(piece)
    local bytes = ffi.cast("unsigned char *", piece.data)
    assert.equal(0, tonumber(ffi.cast("uintptr_t", piece.data) % 64))
    for _, at in ipairs { 0, 7, math.floor(piece.size / 2), piece.size - 1 } do
      if at < piece.size then
        assert.equal(piece.fill, bytes[at])
      end
    end
  end

  local function give(index)
    local piece = pieces[index]
    check(piece)
    lib.pool_free(piece.data, piece.size, piece.chunk)
    pieces[index] = pieces[#pieces]
    pieces[#pieces] = nil
  end

  before_each(function() pieces = {} end)

  after_each(function()
    lib.memory_fail_at(ffi.cast("uint64_t", -1), 0)
    while #pieces > 0 do
      give(#pieces)
    end
  end)

  it("rounds up by at most a sixteenth, or to a cache line", function()
    local last = 0
    for size = 1, 70000, 13 do
      local piece = tonumber(lib.pool_size(size))
      assert.is_true(piece >= size and piece >= last)
      assert.is_true(piece < size + math.max(64, size / 16 + 1), size .. " takes " .. piece)
      assert.equal(piece, tonumber(lib.pool_size(piece)))
      last = piece
    end
  end)

  it("keeps pieces of all sizes apart while they come and go", function()
    local random = seed.new()
    for _ = 1, 6000 do
      if #pieces > 0 and random:int(1, 5) <= 2 then
        give(random:int(1, #pieces))
      else
        take(random:int(1, 4) == 1 and random:int(1, 70000) or random:int(4200, 4400))
      end
    end
    for _, piece in ipairs(pieces) do
      check(piece)
    end
  end)

  it("gives empty chunks back, but for one", function()
    local before = tonumber(lib.pool_chunk_bytes())
    for _ = 1, 2500 do
      take(4300)
    end
    local most = tonumber(lib.pool_chunk_bytes())
    while #pieces > 0 do
      give(#pieces)
    end

    assert.is_true(most - before <= 2500 * 4608 + 2 * CHUNK)
    assert.is_true(tonumber(lib.pool_chunk_bytes()) <= before + CHUNK)
  end)

  it("answers NULL when memory ends, and takes from chunks again afterwards", function()
    for _ = 1, 300 do
      take(5000)
    end
    local chunk = ffi.new("struct pool_chunk *[1]")
    lib.memory_fail_at(0, ffi.cast("uint64_t", -1))

    assert.is_true(lib.pool_alloc(5000, chunk) == nil)
    assert.is_true(lib.pool_alloc(100, chunk) == nil)
    assert.is_true(lib.pool_alloc(100000, chunk) == nil)
    lib.memory_fail_at(ffi.cast("uint64_t", -1), 0)
    check(take(5000))
  end)
end)
