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
