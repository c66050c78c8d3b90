-- Writing through memory: what it looks like from outside, and that it fails with errors.
local env = require "spec.support.env"
local tmpdir = require "spec.support.tmp"

local SIZE = 65536

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

  it("makes the file as long as the mapping, of zeros", function()
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

  it("refuses what the disk has no room for", function()
    local _, code, text = file:map(2 ^ 50)
    assert.truthy(code == "NO_SPACE" or code == "IO", code)
    assert.truthy(text:find("a.wal", 1, true))
  end)
end)
