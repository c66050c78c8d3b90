-- The contract of core/env/env.h, the same table of behaviour for every driver. What only one
-- driver does is in its own spec.
local env = require "spec.support.env"
local fault = require "spec.support.fault"
local tmpdir = require "spec.support.tmp"

local drivers = {
  { name = "posix", new = env.posix, root = function() return tmpdir() end },
  { name = "mem", new = env.mem, root = function() return "/data" end },
  { name = "fault", new = fault.new, root = function() return "/data" end },
}

for _, driver in ipairs(drivers) do
  describe("env contract of driver " .. driver.name, function()
    local files, root, dir

    before_each(function()
      files, root = driver.new(), driver.root()
      dir = assert(files:open(root, true))
    end)

    after_each(env.close_all)

    it("reads what was written", function()
      local file = assert(dir:create("000000000001.wal"))

      assert(file:write(0, "hello "))
      assert(file:write(6, "world"))

      assert.equal("hello world", file:read(0, 100))
      assert.equal("world", file:read_exact(6, 5))
      assert.equal(11, file:size())
      assert(file:close())
      assert.equal("hello world", dir:get("000000000001.wal"))
    end)

    it("keeps binary bytes of some size", function()
      local bytes = ("\0\1\254\255"):rep(50000)

      dir:put("a.sst", bytes, true)

      assert.equal(bytes, dir:get("a.sst"))
    end)

    it("answers fewer bytes at the end of a file and none behind it", function()
      dir:put("a", "12345")
      local file = assert(dir:open_read("a"))

      assert.equal("45", file:read(3, 10))
      assert.equal("", file:read(5, 10))
      assert.equal("", file:read(2 ^ 62, 10))
      assert.equal("", file:read(-1ULL, 10))
    end)

    it("calls bytes that are missing CORRUPT, with file and offset", function()
      dir:put("a.sst", "12345")
      local file = assert(dir:open_read("a.sst"))

      local _, code, text = file:read_exact(3, 10)

      assert.equal("CORRUPT", code)
      assert.equal("a.sst ends early: 10 bytes wanted at offset 3, 2 are there", text)
    end)

    it("fills a hole with zeroes", function()
      local file = assert(dir:create("a"))

      assert(file:write(3, "x"))

      assert.equal("\0\0\0x", file:read(0, 10))
    end)

    it("allocates without changing the size", function()
      local file = assert(dir:create("a"))

      assert(file:allocate(100000))
      file:write_behind(0, 100000)

      assert.equal(0, file:size())
      assert.equal("", file:read(0, 10))
    end)

    it("refuses to write a file that is open for reading", function()
      dir:put("a", "1")
      local file = assert(dir:open_read("a"))

      local _, code, text = file:write(0, "2")

      assert.equal("IO", code)
      assert.matches("cannot write a", text, 1, true)
    end)

    it("answers NOT_FOUND for an absent name, without a text", function()
      assert.same({ nil, "NOT_FOUND", "" }, { dir:open_read("a") })
      assert.same({ nil, "NOT_FOUND", "" }, { dir:remove("a") })
      assert.same({ nil, "NOT_FOUND", "" }, { dir:rename("a", "b") })
      assert.same({ nil, "NOT_FOUND", "" }, { dir:link("a", dir, "b") })
      assert.same({ nil, "NOT_FOUND", "" }, { dir:get("a") })
    end)

    it("creates only what does not exist", function()
      dir:put("a", "old")

      local file, code, text = dir:create("a")

      assert.is_nil(file)
      assert.equal("EXISTS", code)
      assert.matches("cannot create a in " .. root, text, 1, true)
      assert.equal("old", dir:get("a"))
    end)

    it("renames over a file that is there", function()
      dir:put("CURRENT", "old")
      dir:put("CURRENT.tmp", "new")

      assert(dir:rename("CURRENT.tmp", "CURRENT"))

      assert.equal("new", dir:get("CURRENT"))
      assert.equal("CURRENT", dir:names())
    end)

    it("renames a file to its own name", function()
      dir:put("a", "1")

      assert(dir:rename("a", "a"))

      assert.equal("1", dir:get("a"))
    end)

    it("reads on in a file that was removed or replaced while open", function()
      dir:put("a", "first")
      dir:put("b", "second")
      local a, b = assert(dir:open_read("a")), assert(dir:open_read("b"))

      assert(dir:remove("a"))
      assert(dir:rename("b", "a"))
      assert(dir:remove("a"))

      assert.equal("first", a:read(0, 10))
      assert.equal("second", b:read(0, 10))
      assert.equal("", dir:names())
    end)

    it("links a file under a second name", function()
      dir:put("a", "1", true)
      local other = assert(files:open(root .. "/other", true))

      assert(dir:link("a", other, "b"))
      assert(dir:remove("a"))

      assert.equal("1", other:get("b"))
      other:put("c", "2")
      assert.equal("EXISTS", (select(2, other:link("b", other, "c"))))
    end)

    it("lists files and nothing else", function()
      dir:put("b.sst", "")
      dir:put("a.wal", "")
      assert(files:open(root .. "/nested", true))

      assert.equal("a.wal b.sst", dir:names())
    end)

    it("syncs files and directories", function()
      local file = assert(dir:create("a"))
      assert(file:write(0, "1"))

      assert(file:sync())
      assert(file:sync())
      assert(dir:sync())
    end)

    it("refuses names of another form, and says which form", function()
      local bad = { "", ".", "..", ".hidden", "a/b", "/etc", "a b", "a\n", "\195\164",
        ("a"):rep(40) }

      for _, name in ipairs(bad) do
        local _, code, text = dir:create(name)
        assert.equal("INVALID", code)
        assert.matches("1..39 characters of A-Z a-z 0-9 . _ -", text, 1, true)
        assert.equal("INVALID", (select(2, dir:open_read(name))))
        assert.equal("INVALID", (select(2, dir:remove(name))))
        assert.equal("INVALID", (select(2, dir:rename("a", name))))
        assert.equal("INVALID", (select(2, dir:rename(name, "a"))))
        assert.equal("INVALID", (select(2, dir:link("a", dir, name))))
        assert.equal("INVALID", (select(2, dir:lock(name))))
      end
    end)

    it("takes a name of 39 characters", function()
      local name = ("a"):rep(35) .. "_-.Z"

      dir:put(name, "1")

      assert.equal(name, dir:names())
    end)

    it("reads a whole file only up to the limit of the caller", function()
      dir:put("a", "12345")

      local _, code, text = dir:get("a", 4)

      assert.equal("TOO_LARGE", code)
      assert.equal("a has 5 bytes, at most 4 are read", text)
      assert.equal("12345", dir:get("a", 5))
    end)

    it("makes a directory only when asked, and only the last part", function()
      local path = root .. "/new"

      assert.same({ nil, "NOT_FOUND", "" }, { files:open(path, false) })
      local _, code, text = files:open(path .. "/deep", true)
      local made = assert(files:open(path, true))
      made:put("a", "1")

      assert.equal("IO", code)
      assert.matches("cannot make directory", text, 1, true)
      assert.equal("1", assert(files:open(path .. "/", false)):get("a"))
    end)

    it("removes an empty directory only", function()
      local path = root .. "/new"
      local made = assert(files:open(path, true))
      made:put("a", "1")

      local _, code, text = files:remove_dir(path)
      assert(made:remove("a"))
      made:close()

      assert.equal("IO", code)
      assert.matches("cannot remove directory", text, 1, true)
      assert(files:remove_dir(path))
      assert.same({ nil, "NOT_FOUND", "" }, { files:remove_dir(path) })
      assert.same({ nil, "NOT_FOUND", "" }, { files:open(path, false) })
    end)

    it("refuses an empty path", function()
      assert.equal("INVALID", (select(2, files:open("", true))))
    end)

    it("locks a directory once, whatever handle asks", function()
      local second = assert(files:open(root, false))
      assert(dir:lock())

      local _, code, text = second:lock()

      assert.equal("BUSY", code)
      assert.matches("is already open in this process", text, 1, true)
      assert.equal("BUSY", (select(2, dir:lock())))
    end)

    it("gives the lock to the next when the holder closes", function()
      local second = assert(files:open(root, false))
      assert(dir:lock())

      dir:close()

      assert(second:lock())
      assert.equal("LOCK", second:names())
    end)

    it("keeps the lock when another handle closes", function()
      local second, third = assert(files:open(root)), assert(files:open(root))
      assert(dir:lock())

      second:close()

      assert.equal("BUSY", (select(2, third:lock())))
    end)

    it("knows free space", function()
      assert.is_true(assert(dir:free_bytes()) > 0)
    end)

    it("has clocks and random bytes", function()
      local before = files:now_ns()

      assert.is_true(files:wall_ms() > 1600000000000)
      assert.is_true(files:now_ns() >= before)
      assert.equal(32, #files:random(32))
      assert.not_equal(files:random(32), files:random(32))
    end)
  end)
end

describe("env.env", function()
  after_each(env.close_all)

  it("refuses a link between two drivers", function()
    local files = env.mem()
    local memory = assert(files:open("/a", true))
    local disk = assert(env.posix():open(tmpdir(), false))
    memory:put("a", "1")

    assert.equal("UNSUPPORTED", (select(2, memory:link("a", disk, "a"))))
  end)
end)
