-- What a reboot of the fault driver leaves, and what damage does: the loss model that every crash
-- spec of the floors above stands on.
local env = require "spec.support.env"
local fault = require "spec.support.fault"
local seed = require "spec.support.seed"

describe("env.env_fault_store", function()
  local files, dir

  -- The world after a reboot: old handles closed, directory open again.
  local function reboot(mode, number)
    assert(files:reboot(mode, number))
    dir:close()
    dir = assert(files:open("/data", true))
  end

  before_each(function()
    files = fault.new(seed.value)
    dir = assert(files:open("/data", true))
  end)

  after_each(env.close_all)

  describe("after a power cut that loses all it may", function()
    it("keeps synced bytes under a synced name", function()
      dir:put("a", "synced", true)
      assert(dir:sync())

      reboot("lose")

      assert.equal("synced", dir:get("a"))
    end)

    it("loses a file whose name was not synced, although its bytes were", function()
      dir:put("a", "synced", true)

      reboot("lose")

      assert.equal("", dir:names())
    end)

    it("loses the bytes after the last sync", function()
      local file = assert(dir:create("a"))
      assert(dir:sync())
      assert(file:write(0, "one "))
      assert(file:sync())
      assert(file:write(4, "two"))
      assert(file:close())

      reboot("lose")

      assert.equal("one ", dir:get("a"))
    end)

    it("leaves a synced name of unsynced bytes empty", function()
      dir:put("a", "lost")
      assert(dir:sync())

      reboot("lose")

      assert.equal("", dir:get("a"))
      assert.equal("a", dir:names())
    end)

    it("puts back synced bytes that were written over without a sync", function()
      local file = assert(dir:create("a"))
      assert(dir:sync())
      assert(file:write(0, "old bytes"))
      assert(file:sync())
      assert(file:write(0, "new"))
      assert(file:close())

      reboot("lose")

      assert.equal("old bytes", dir:get("a"))
    end)

    it("undoes a rename: the old CURRENT is back, and the temporary one", function()
      dir:put("CURRENT", "old", true)
      assert(dir:sync())
      dir:put("CURRENT.tmp", "new", true)
      assert(dir:sync())
      assert(dir:rename("CURRENT.tmp", "CURRENT"))

      reboot("lose")

      assert.equal("old", dir:get("CURRENT"))
      assert.equal("new", dir:get("CURRENT.tmp"))
    end)

    it("keeps a rename that was synced", function()
      dir:put("CURRENT", "old", true)
      dir:put("CURRENT.tmp", "new", true)
      assert(dir:rename("CURRENT.tmp", "CURRENT"))
      assert(dir:sync())

      reboot("lose")

      assert.equal("new", dir:get("CURRENT"))
      assert.equal("CURRENT", dir:names())
    end)

    it("brings back a removed file", function()
      dir:put("a", "1", true)
      assert(dir:sync())
      assert(dir:remove("a"))

      reboot("lose")

      assert.equal("1", dir:get("a"))
    end)

    it("keeps directories", function()
      assert(files:open("/data/nested", true))

      reboot("lose")

      assert(files:open("/data/nested", false))
    end)

    it("is the same twice: what it left is durable", function()
      dir:put("a", "1", true)
      dir:put("b", "2")
      assert(dir:sync())

      reboot("lose")
      local first = files:list("/data")
      reboot("lose")

      assert.equal("a 1 1\nb 0 0\n", first)
      assert.equal(first, files:list("/data"))
    end)
  end)

  describe("after a kill of the process", function()
    it("keeps everything", function()
      dir:put("a", "1")
      dir:put("b", "2")
      assert(dir:rename("b", "c"))
      assert(dir:remove("a"))

      reboot("kill")

      assert.equal("c", dir:names())
      assert.equal("2", dir:get("c"))
    end)

    it("has made nothing durable by it", function()
      dir:put("a", "1")
      reboot("kill")

      reboot("lose")

      assert.equal("", dir:names())
    end)

    it("has released the lock", function()
      assert(dir:lock())
      local other = assert(files:open("/data"))
      assert.equal("BUSY", (select(2, other:lock())))

      reboot("kill")

      assert(dir:lock())
    end)
  end)

  describe("after a power cut at random", function()
    local synced = ("s"):rep(10000)
    local unsynced = ("u"):rep(20000)

    -- One file of synced and unsynced bytes after such a cut.
    local function cut(number)
      local world = fault.new(1)
      local inside = assert(world:open("/data", true))
      local file = assert(inside:create("a"))
      assert(inside:sync())
      assert(file:write(0, synced))
      assert(file:sync())
      assert(file:write(#synced, unsynced))
      assert(world:reboot("random", number))
      return assert(world:read_file("/data", "a"))
    end

    it("keeps synced bytes, always", function()
      for number = 1, 50 do
        assert.equal(synced, cut(number):sub(1, #synced))
      end
    end)

    it("gives every outcome: kept, shorter, zeroes, garbage", function()
      local seen = {}
      for number = 1, 50 do
        local rest = cut(number):sub(#synced + 1)
        seen.kept = seen.kept or rest == unsynced
        seen.gone = seen.gone or rest == ""
        seen.short = seen.short or (#rest > 0 and #rest < #unsynced)
        seen.zeroes = seen.zeroes or rest:find(("%z"):rep(100)) ~= nil
        seen.garbage = seen.garbage or rest:find("[^u%z]") ~= nil
        seen.torn = seen.torn or rest:find("u[^u]") ~= nil
      end

      -- All pages of one cut kept is rarer than one in fifty; the size alone tells it.
      seen.kept = nil
      assert.same({ gone = true, short = true, zeroes = true, garbage = true, torn = true }, seen)
    end)

    it("repeats itself for a seed", function()
      assert.equal(cut(7), cut(7))
      assert.not_equal(cut(7), cut(8))
    end)

    it("does changes of names or not, but none by half", function()
      local seen = {}
      for number = 1, 60 do
        local world = fault.new(1)
        local inside = assert(world:open("/data", true))
        inside:put("CURRENT", "old", true)
        inside:put("tmp", "new", true)
        assert(inside:sync())
        assert(inside:rename("tmp", "CURRENT"))
        inside:put("extra", "", true)
        assert(world:reboot("random", number))
        local current = assert(world:read_file("/data", "CURRENT"))
        local has_tmp = world:read_file("/data", "tmp") ~= nil
        local has_extra = world:read_file("/data", "extra") ~= nil
        assert.equal(current == "old", has_tmp)
        seen[current .. tostring(has_extra)] = true
      end

      assert.same({ oldtrue = true, oldfalse = true, newtrue = true, newfalse = true }, seen)
    end)
  end)

  describe("a handle of before the reboot", function()
    it("is dead, and closes", function()
      local file = assert(dir:create("a"))
      local before = files:op_count()

      assert(files:reboot("kill"))

      local _, code, text = file:write(0, "x")
      assert.equal("IO", code)
      assert.equal("a: handle is from before the reboot", text)
      assert.equal("IO", (select(2, file:read(0, 1))))
      assert.equal("IO", (select(2, file:sync())))
      assert.equal("IO", (select(2, file:size())))
      assert.equal("IO", (select(2, dir:names())))
      assert.equal("IO", (select(2, dir:free_bytes())))
      assert.equal(before, files:op_count())
      file:close()
      dir:close()
      assert.equal(0, files:handle_count())
    end)

    it("keeps its env until it is closed", function()
      local file = assert(dir:create("a"))

      files:close()
      dir:close()

      assert(file:write(0, "x"))
      assert(file:close())
    end)
  end)

  describe("damage", function()
    it("flips bits of one byte, for open handles too", function()
      dir:put("a", "abc", true)
      assert(dir:sync())
      local file = assert(dir:open_read("a"))

      assert(files:flip("/data", "a", 1, 0x20))

      assert.equal("aBc", file:read(0, 3))
      reboot("lose")
      assert.equal("aBc", dir:get("a"))
      local _, code, text = files:flip("/data", "a", 3)
      assert.equal("INVALID", code)
      assert.equal("a has 3 bytes, none at offset 3", text)
    end)

    it("cuts and lengthens files", function()
      dir:put("a", "abc", true)

      assert(files:truncate("/data", "a", 2))
      assert.equal("ab", dir:get("a"))
      assert(files:truncate("/data", "a", 4))

      assert.equal("ab\0\0", dir:get("a"))
      assert.equal("a 4 4\n", files:list("/data"))
    end)

    it("writes, copies and removes files, durable at once", function()
      dir:put("pending", "1")

      assert(files:write_file("/data", "a", "bytes"))
      assert(files:copy("/data", "a", "/data", "b"))
      assert(files:write_file("/data", "c", ""))
      assert(files:remove_file("/data", "c"))
      reboot("lose")

      assert.equal("a 5 5\nb 5 5\n", files:list("/data"))
      assert.equal("bytes", dir:get("b"))
      assert.equal("INVALID", (select(2, files:write_file("/data", "../x", ""))))
    end)

    it("copies a whole directory over another", function()
      dir:put("a", "1")
      dir:put("b", "2")
      assert(files:open("/copy", true)):put("old", "x")

      assert(files:copy_dir("/data", "/copy"))
      assert(files:copy_dir("/data", "/second"))
      reboot("lose")

      assert.equal("", files:list("/data"))
      assert.equal("a 1 1\nb 1 1\n", files:list("/copy"))
      assert.equal("a 1 1\nb 1 1\n", files:list("/second"))
    end)

    it("answers NOT_FOUND for what is absent", function()
      assert.equal("NOT_FOUND", (select(2, files:flip("/data", "a", 0))))
      assert.equal("NOT_FOUND", (select(2, files:truncate("/data", "a", 0))))
      assert.equal("NOT_FOUND", (select(2, files:read_file("/data", "a"))))
      assert.equal("NOT_FOUND", (select(2, files:remove_file("/data", "a"))))
      assert.equal("NOT_FOUND", (select(2, files:copy("/data", "a", "/data", "b"))))
      assert.equal("NOT_FOUND", (select(2, files:copy_dir("/no", "/data"))))
      assert.equal("NOT_FOUND", (select(2, files:list("/no"))))
      assert.equal("NOT_FOUND", (select(2, files:write_file("/no", "a", ""))))
    end)
  end)

  it("survives a random history of every operation, cut again and again", function()
    local random = seed.new(42)
    local letters = { "a", "b", "c", "d" }
    for step = 1, 400 do
      local choice, name = random:int(1, 8), random:pick(letters)
      if choice == 1 then
        local file = dir:create(name)
        if file then
          assert(file:write(random:int(0, 9000), random:bytes(random:int(0, 9000), "xyz")))
          assert(random:int(1, 2) == 1 or file:sync())
          assert(file:close())
        end
      elseif choice == 2 then
        dir:rename(name, random:pick(letters))
      elseif choice == 3 then
        dir:remove(name)
      elseif choice == 4 then
        dir:link(name, dir, random:pick(letters))
      elseif choice == 5 then
        assert(dir:sync())
      elseif choice == 6 then
        reboot(random:pick { "lose", "random", "kill" }, step)
      elseif choice == 7 then
        files:copy("/data", name, "/data", random:pick(letters))
      else
        files:truncate("/data", name, random:int(0, 5000))
      end
    end

    dir:close()
    assert.equal(0, files:handle_count())
  end)
end)
