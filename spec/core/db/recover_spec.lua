-- Recovery that fails half-way and is tried again.
local env = require "spec.support.env"
local fault = require "spec.support.fault"
local store = require "spec.support.db"

describe("db.recover #crash", function()
  after_each(function()
    store.close_all()
    env.close_all()
  end)

  -- Found by scripts/torture --only syscalls: EMFILE at the listing of the directory that follows
  -- the edit made recovery remove the tables which the durable edit names.
  for _, kind in ipairs { "list", "open_read", "create", "sync", "dir_sync", "write", "remove" } do
    it("keeps every row when one operation fails: " .. kind .. " (C02 D10)", function()
      local n, was_struck = 0, true
      while was_struck do
        local files = fault.new(n)
        local db = assert(store.open(files._p, "/db"))
        assert(db:put("a", "1"))
        files:crash_after(0)
        db:close()
        files:clear()
        assert(files:reboot("kill", 1))

        files:fail { kind = kind, after = n, times = 1 }
        db = store.open(files._p, "/db")
        was_struck = files:hits() > 0
        if db then
          db:close()
        end
        files:clear()
        assert(files:reboot("kill", 1))
        local text
        db, _, text = store.open(files._p, "/db")
        assert(db, ("%s %d: %s"):format(kind, n, tostring(text)))
        assert.equal("1", db:get "a")
        assert(db:close())
        env.close_all()
        n = n + 1
      end
      assert.is_true(n > 1, "the kind is met at least once")
    end)
  end
end)

describe("db.recover of logs", function()
  after_each(function()
    store.close_all()
    env.close_all()
  end)

  -- Two logs live, as tables cannot be written. Same seed, same uuid: the second store's first log
  -- is whole and sealed, but not the one that the log after it was written behind.
  local function two_logs(first_rows)
    local files = fault.new(7)
    files:fail { kind = "create", name = ".sst", times = "forever" }
    local db = assert(store.open(files._p, "/db"))
    for index = 1, first_rows do
      assert(db:put("a" .. index, "1"))
    end
    db:flush()
    assert(db:put("z", "1"))
    files:crash_after(0)
    db:close()
    files:clear()
    assert(files:reboot("kill", 1))
    return files
  end

  it("replays every log though recovery is cut at each of its steps (C14)", function()
    local n, is_done = 0, false
    while not is_done do
      local files = two_logs(3)
      files:crash_after(n)
      local cut = store.open(files._p, "/db")
      is_done = files:hits() == 0
      if cut then
        cut:close()
      end
      files:clear()
      assert(files:reboot(n % 2 == 0 and "kill" or "random", n))

      local db, _, text = store.open(files._p, "/db")
      assert(db, ("operation %d: %s"):format(n, tostring(text)))
      assert.same({ { "a1", "1" }, { "a2", "1" }, { "a3", "1" }, { "z", "1" } }, db:rows())
      assert(db:check())
      assert(db:close())
      env.close_all()
      n = n + 1
    end
    assert.is_true(n > 10, "recovery has more than ten operations")
  end)

  it("refuses a log that replaces the one before another (C12)", function()
    local files, other = two_logs(3), two_logs(2)
    local name = files:list("/db"):match("(%d+%.wal)")
    assert(files:write_file("/db", name, assert(other:read_file("/db", name))))

    local db, code, text = store.open(files._p, "/db")
    assert.is_nil(db)
    assert.equal("CORRUPT", code)
    assert.truthy(text:find("not the one", 1, true), text)
  end)

  it("gives no number twice, not even one of a write that was lost (C11)", function()
    local files = fault.new(1)
    local db = assert(store.open(files._p, "/db"))
    assert(db:put("kept", "1"))
    local lost
    for _ = 1, 20 do
      lost = assert(db:put("lost", "1", { durability = "os" }))
    end
    files:crash_after(0)
    db:close()
    files:clear()
    assert(files:reboot("lose", 1))

    db = assert(store.open(files._p, "/db"))
    assert.is_nil(db:get "lost")
    assert.is_true(assert(db:put("next", "1")) > lost)
  end)

  it("opens after a cut at each step of opening, whichever names are kept (C05 C06)", function()
    for n = 0, 45 do
      for round = 1, 6 do
        local files = fault.new(n)
        files:crash_after(n)
        local cut = store.open(files._p, "/db")
        if cut then
          cut:close()
        end
        files:clear()
        assert(files:reboot("random", n * 100 + round))

        local db, _, text = store.open(files._p, "/db")
        assert(db, ("operation %d, names %d: %s"):format(n, round, tostring(text)))
        assert(db:close())
        env.close_all()
      end
    end
  end)
end)
