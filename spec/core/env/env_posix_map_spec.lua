-- Writing through memory: what it looks like from outside, and that it fails with errors.
local env = require "spec.support.env"
local tmpdir = require "spec.support.tmp"

local SIZE = 65536
local MIB = 2 ^ 20

describe("env.posix_map", function()
  local path, dir, file

  before_each(function()
    path = tmpdir()
    dir = assert(env.posix():open(path, false))
    file = assert(dir:create("a.wal"))
  end)

  after_each(function()
    env.close_all()
  end)

  it("makes the file as long as a small mapping, of zeros", function()
    assert(file:map(SIZE))

    assert.equal(SIZE, file:size())
    assert.equal(("\0"):rep(SIZE), file:read(0, SIZE))
  end)

  it("shows every write to every reader at once", function()
    assert(file:write(0, "head"))
    assert(file:map(SIZE))
    assert(file:write(4, "tail"))
    local other = assert(dir:open_read("a.wal"))

    assert.equal("headtail", other:read(0, 8))
    assert(file:sync())
  end)

  it("writes behind and across the mapping as an ordinary file", function()
    assert(file:map(SIZE))
    assert(file:write(SIZE - 2, "abcd"))
    assert(file:write(SIZE + 10, "e"))

    assert.equal(SIZE + 11, file:size())
    assert.equal("abcd", file:read(SIZE - 2, 4))
  end)

  it("cuts the file and goes on without the mapping", function()
    assert(file:map(SIZE))
    assert(file:write(0, "12345678"))
    assert(file:trim(5))

    assert.equal(5, file:size())
    assert(file:write(5, "x"))
    assert.equal("12345x", file:read(0, 10))
  end)

  it("answers IO, and not SIGBUS, when somebody cut the file below the write", function()
    assert(file:map(SIZE))
    assert(file:write(0, "1"))
    assert.equal(0, os.execute("truncate -s 0 '" .. path .. "/a.wal'"))

    for _ = 1, 3 do
      local _, code, text = file:write(8192, "lost")
      assert.equal("IO", code)
      assert.equal("cannot write a.wal at offset 8192: the kernel has no page for it", text)
    end
  end)

  it("allocates ahead of what is written, in steps of 1 to 16 MiB", function()
    assert(file:map(100 * MIB))
    local chunk = ("x"):rep(MIB)
    local previous = 0

    for at = 0, 99 do
      local size = file:size()
      assert.is_true(size <= at * MIB + math.max(MIB, math.min(at, 16) * MIB), size)
      assert.is_true(size >= at * MIB and size >= previous)
      assert(file:write(at * MIB, chunk))
      previous = size
    end

    assert.equal(100 * MIB, file:size())
    assert.equal(chunk, file:read(63 * MIB, MIB))
  end)

  it("answers NO_SPACE when the disk is full at a step, and keeps what was written", function()
    if os.execute("mount -t tmpfs -o size=3m tmpfs " .. path .. " 2>/dev/null") ~= 0 then
      return pending "a tmpfs cannot be mounted: not root"
    end
    finally(function()
      env.close_all()
      assert(os.execute("umount " .. path) == 0)
    end)
    dir = assert(env.posix():open(path, false))
    file = assert(dir:create("b.wal"))
    assert(file:map(8 * MIB))
    local chunk = ("x"):rep(MIB / 2)
    local at = 0
    local ok, code, text
    repeat
      ok, code, text = file:write(at, chunk)
      at = at + (ok and #chunk or 0)
    until not ok

    assert.equal("NO_SPACE", code)
    assert.equal("cannot allocate 4194304 bytes for b.wal: No space left on device", text)
    assert.equal(2 * MIB, at)
    assert.equal(chunk, file:read(at - #chunk, #chunk))
    assert(file:trim(at))
    assert.equal(at, file:size())
  end)
end)
