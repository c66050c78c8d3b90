-- Plans, crashes, full disks and clocks of the fault driver. What a reboot leaves is in
-- env_fault_store_spec.lua, the contract in env_spec.lua.
local env = require "spec.support.env"
local fault = require "spec.support.fault"
local seed = require "spec.support.seed"

local ENOSPC = 28

describe("env.env_fault", function()
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

  describe("a plan", function()
    it("fails the calls it names and no other", function()
      local file = assert(dir:create("a"))
      files:fail { kind = "sync", after = 1, times = 2 }

      assert(file:sync())
      local _, code, text = file:sync()
      assert.equal("IO", code)
      assert.equal("cannot sync a (injected): Input/output error", text)
      assert(file:write(0, "x"))
      assert.equal("IO", (select(2, file:sync())))
      assert(file:sync())
      assert.equal(2, files:hits())
      assert.equal("operation 4: sync a", files:first_hit())
    end)

    it("fails each kind of operation", function()
      dir:put("a", "1", true)
      local file, kinds = assert(dir:create("b")), {}
      kinds.create = function() return dir:create("c") end
      kinds.write = function() return file:write(0, "x") end
      kinds.sync = function() return file:sync() end
      kinds.rename = function() return dir:rename("a", "d") end
      kinds.remove = function() return dir:remove("a") end
      kinds.dir_sync = function() return dir:sync() end
      kinds.allocate = function() return file:allocate(10) end
      kinds.open_read = function() return dir:open_read("a") end
      kinds.read = function() return file:read(0, 1) end
      kinds.list = function() return dir:names() end
      kinds.lock = function() return dir:lock() end
      kinds.link = function() return dir:link("a", dir, "e") end
      kinds.open_dir = function() return files:open("/data") end
      kinds.close = function() return file:close() end
      local order = { "create", "write", "sync", "rename", "remove", "dir_sync", "allocate",
        "open_read", "read", "list", "lock", "link", "open_dir", "close" }

      for index, kind in ipairs(order) do
        files:fail { kind = kind, errno = ENOSPC }
        local count = files:op_count()
        assert.equal("NO_SPACE", (select(2, kinds[kind]())))
        assert.equal(count + 1, files:op_count())
        assert.equal(1, files:hits())
        files:clear()
        assert.equal(index == #order and 1 or 2, files:handle_count())
      end
      assert.equal("a 1 1\nb 0 0\n", files:list("/data"))
    end)

    it("keeps to names with a part of text", function()
      files:fail { kind = "create", name = ".sst", times = "forever" }

      dir:put("1.wal", "")

      assert.equal("IO", (select(2, dir:create("1.sst"))))
      assert.equal("IO", (select(2, dir:create("2.sst"))))
    end)

    it("works beside another plan", function()
      files:fail { kind = "create" }
      files:fail { kind = "list" }

      assert.equal("IO", (select(2, dir:create("a"))))
      assert.equal("IO", (select(2, dir:names())))
      assert.equal("", dir:names())
      assert.equal(2, files:hits())
    end)

    it("writes part of a torn write", function()
      local file = assert(dir:create("a"))
      files:fail { kind = "write" }
      files:tear(3)

      assert.equal("IO", (select(2, file:write(0, "12345"))))

      assert.equal("123", file:read(0, 10))
    end)

    it("frees the handle of a close that fails", function()
      local file = assert(dir:create("a"))
      files:fail { kind = "close" }

      assert.equal("IO", (select(2, file:close())))

      assert.equal(1, files:handle_count())
    end)
  end)

  describe("a sync that failed", function()
    it("has dropped its bytes: readable, and no later sync writes them", function()
      local file = assert(dir:create("a"))
      assert(dir:sync())
      assert(file:write(0, "lost "))
      files:fail { kind = "sync" }
      assert.equal("IO", (select(2, file:sync())))

      assert(file:sync())
      assert.equal("lost ", file:read(0, 10))
      assert(file:write(5, "kept"))
      assert(file:sync())
      reboot("lose")

      assert.equal("\0\0\0\0\0kept", dir:get("a"))
    end)
  end)

  describe("a crash", function()
    it("fails its operation and all after it, and nothing of them reaches the store", function()
      local file = assert(dir:create("a"))
      assert(dir:sync())
      assert(file:write(0, "1"))
      assert(file:sync())
      files:crash_after(1)

      assert(file:write(1, "2"))
      local _, code, text = file:sync()
      assert.equal("IO", code)
      assert.equal("cannot sync a (crashed): Input/output error", text)
      assert.equal("IO", (select(2, file:write(2, "3"))))
      assert.equal("IO", (select(2, dir:create("b"))))
      assert.equal("IO", (select(2, dir:remove("a"))))
      assert.equal("IO", (select(2, file:size())))
      assert.equal("IO", (select(2, files:open("/data"))))
      assert.is_true(files:hits() >= 5)

      assert.equal("a 2 1\n", files:list("/data"))
      reboot("lose")
      assert.equal("1", dir:get("a"))
    end)

    it("may tear the write it strikes, and only that one", function()
      local file = assert(dir:create("a"))
      files:tear(2)
      files:crash_after(0)

      assert.equal("IO", (select(2, file:write(0, "12345"))))
      assert.equal("IO", (select(2, file:write(2, "345"))))

      assert.equal("12", files:read_file("/data", "a"))
    end)

    it("loses no acknowledged write of a careful writer, at any operation, in any mode", function()
      for _, mode in ipairs { "lose", "random", "kill" } do
        local count, crashed = 0, true
        while crashed do
          local world = fault.new(1)
          local inside = assert(world:open("/data", true))
          world:crash_after(count)
          local file, acknowledged = inside:create("log"), ""
          local is_open = file and inside:sync()
          while is_open and #acknowledged < 5 do
            local ok = file:write(#acknowledged, "x") and file:sync()
            if not ok then
              break
            end
            acknowledged = acknowledged .. "x"
          end
          crashed = world:hits() > 0
          assert(world:reboot(mode, count))
          local kept = world:read_file("/data", "log") or ""
          assert.equal(acknowledged, kept:sub(1, #acknowledged))
          env.close_all()
          count = count + 1
        end
        assert.is_true(count > 10)
      end
    end)
  end)

  describe("a full disk", function()
    it("writes what fits and answers NO_SPACE", function()
      local file = assert(dir:create("a"))
      files:space(8)

      assert(file:write(0, "12345"))
      local _, code, text = file:write(5, "67890")

      assert.equal("NO_SPACE", code)
      assert.equal("cannot write a at offset 5: 3 of 5 bytes fit: No space left on device", text)
      assert.equal("12345678", file:read(0, 20))
      assert.equal(0, dir:free_bytes())
      assert.equal(1, files:hits())
    end)

    it("refuses to allocate more than there is, and takes what was allocated", function()
      local file = assert(dir:create("a"))
      files:space(8)

      assert.equal("NO_SPACE", (select(2, file:allocate(9))))
      assert(file:allocate(8))

      assert.equal(0, dir:free_bytes())
      assert(file:write(0, "12345678"))
    end)

    it("gets space back when a file is removed and closed", function()
      local file = assert(dir:create("a"))
      assert(file:write(0, "12345"))
      files:space(0)
      assert.equal("NO_SPACE", (select(2, file:write(5, "6"))))

      assert(dir:remove("a"))
      assert.equal(0, dir:free_bytes())
      assert(file:close())

      assert.equal(5, dir:free_bytes())
    end)

    it("stays full over a reboot, until there is no limit", function()
      files:space(2)
      reboot("lose")

      assert.equal(2, dir:free_bytes())
      files:space(nil)

      dir:put("a", ("x"):rep(100))
    end)
  end)

  describe("clocks", function()
    it("stand when set and move when moved", function()
      files:set_wall_ms(1000)
      files:set_now_ns(5000)

      assert.equal(1000, files:wall_ms())
      files:shift_wall_ms(-400)
      assert.equal(600, files:wall_ms())
      files:advance_ns(7)
      assert.equal(5007, files:now_ns())
    end)

    it("run on from another time when moved but not set", function()
      local year_ms = 365 * 86400000
      local before, now = files:wall_ms(), files:now_ns()

      files:shift_wall_ms(-10 * year_ms)
      files:advance_ns(1e12)

      assert.is_true(files:wall_ms() < before - 9 * year_ms)
      assert.is_true(files:now_ns() >= now + 1e12)
    end)
  end)

  it("gives the same random bytes for the same seed", function()
    assert.equal(fault.new(5):random(16), fault.new(5):random(16))
    assert.not_equal(fault.new(5):random(16), fault.new(6):random(16))
  end)
end)
