-- Every write of one key: results, conditions, times to live, misuse.
local store = require "spec.support.store"

local function wait_until(is_true)
  local deadline = os.time() + 30
  while not is_true() do
    assert(os.time() < deadline, "not true in time")
  end
end

describe("kv.write", function()
  local db
  before_each(function() db = store.open() end)
  after_each(function() db:close() end)

  it("returns growing sequence numbers as plain numbers", function()
    local first, second = db:put("a", "1"), db:put("b", "2")

    assert.equal("number", type(first))
    assert.is_true(second > first)
    assert.equal(second, db:seq())
  end)

  it("knows set and del as other names", function()
    assert(db:set("k", "v"))
    assert.equal("v", db:get("k"))
    assert.is_true(db:del("k"))
    assert.is_nil(db:get("k"))
  end)

  it("deletes what is absent too", function()
    assert.is_true(db:delete("absent"))
    assert.equal(1, select("#", db:delete("absent")))
  end)

  it("reports whether a key was there before", function()
    local _, before_first = db:put("k", "1", { report = true })
    local _, before_second = db:put("k", "2", { report = true })

    assert.is_false(before_first)
    assert.is_true(before_second)
  end)

  describe("conditions", function()
    it("adds only where there is nothing", function()
      local seq = assert(db:add("k", "1"))

      assert.same({ false, "exists", seq }, { db:add("k", "2") })
      assert.equal("1", db:get("k"))
    end)

    it("replaces only where there is something", function()
      assert.same({ false, "not found" }, { db:replace("k", "1") })
      assert(db:put("k", "1"))
      assert.is_number(db:replace("k", "2"))
      assert.equal("2", db:get("k"))
    end)

    it("compares and sets", function()
      local seq = assert(db:put("k", "1"))

      assert.same({ false, "mismatch", "1", seq }, { db:cas("k", "0", "2") })
      assert.is_number(db:cas("k", "1", "2"))
      assert.equal("2", db:get("k"))
    end)

    it("compares with absence when nil is expected", function()
      local seq = assert(db:cas("k", nil, "1"))

      assert.same({ false, "mismatch", "1", seq }, { db:cas("k", nil, "2") })
      local is_set, why, value, current = db:cas("absent", "x", "2")
      assert.same({ false, "mismatch", 0 }, { is_set, why, current })
      assert.is_nil(value)
    end)

    it("puts under if_absent, if_present, if_seq and if_value", function()
      assert.same({ false, "not found" }, { db:put("k", "1", { if_present = true }) })
      local seq = assert(db:put("k", "1", { if_absent = true }))
      assert.same({ false, "exists", seq }, { db:put("k", "2", { if_absent = true }) })
      assert.same({ false, "mismatch", seq }, { db:put("k", "2", { if_seq = seq + 5 }) })
      assert.same({ false, "mismatch", seq }, { db:put("k", "2", { if_seq = 0 }) })
      assert.same({ false, "mismatch", "1", seq }, { db:put("k", "2", { if_value = "0" }) })
      seq = assert(db:put("k", "2", { if_seq = seq }))
      assert.is_number(db:put("k", "3", { if_value = "2" }))
      assert.is_true(db:get_entry("k").seq > seq)
    end)

    it("deletes under if_seq and if_value", function()
      local seq = assert(db:put("k", "1"))

      assert.same({ false, "mismatch", seq }, { db:delete("k", { if_seq = seq + 1 }) })
      assert.same({ false, "mismatch", "1", seq }, { db:delete("k", { if_value = "x" }) })
      assert.is_true(db:delete("k", { if_seq = seq }))
      assert.is_false(db:exists("k"))
    end)

    it("takes one condition only", function()
      assert.equal("put: takes one condition of if_absent, if_present, if_seq, if_value",
        store.misuse(function() db:put("k", "v", { if_seq = 1, if_absent = true }) end))
    end)
  end)

  describe("times to live", function()
    it("hides a row when its time is over", function()
      assert(db:put("short", "v", 0.03))
      assert(db:put("long", "v", { ttl = 100 }))
      assert(db:put("past", "v", { expire_at = 1 }))

      wait_until(function() return not db:exists("short") end)

      assert.is_nil(db:get("short"))
      assert.is_nil(db:get("past"))
      assert.equal("v", db:get("long"))
      assert.is_number(db:add("short", "again"))
    end)

    it("expires at a point in time", function()
      local at = os.time() + 100

      assert(db:put("k", "v", { expire_at = at + 0.25 }))

      assert.equal(at + 0.25, db:get_entry("k").expires_at)
    end)

    it("touches and persists", function()
      assert(db:put("k", "v", 50))

      assert.is_number(db:touch("k", 1000))
      assert.is_true(db:ttl("k") > 900)
      assert.is_number(db:persist("k"))
      assert.equal(0, db:ttl("k"))
      assert.is_number(db:touch("k", 10))
      assert.is_number(db:touch("k", 0))
      assert.equal(0, db:ttl("k"))
      assert.equal("v", db:get("k"))
    end)

    it("touches nothing that is absent", function()
      assert.is_nil(db:touch("absent", 5))
      assert.is_nil(db:persist("absent"))
      assert.equal("touch: the TTL is a number of seconds, got nothing",
        store.misuse(function() db:touch("k") end))
    end)

    it("takes the bucket's default, and 0 against it", function()
      local bucket = assert(db:bucket("cache", { create = true, ttl = 60 }))

      assert(bucket:put("default", "v"))
      assert(bucket:put("ever", "v", 0))

      assert.is_true(bucket:ttl("default") > 50)
      assert.equal(0, bucket:ttl("ever"))
    end)
  end)

  describe("numbers", function()
    it("adds, from an initial value where there is none", function()
      assert.is_nil(db:incr("n", 1))
      assert.equal(15, db:incr("n", 5, 10))
      assert.equal(12.5, db:incr("n", -2.5))
      assert.equal(12.5, tonumber(db:get("n")))
    end)

    it("gives a new number a time to live", function()
      assert.equal(1, db:incr("n", 1, 0, 30))

      assert.is_true(db:ttl("n") > 20)
    end)

    it("fails for a value that is no number", function()
      assert(db:put("k", "text"))

      local sum, _, code = db:incr("k", 1)

      assert.is_nil(sum)
      assert.equal("INVALID", code)
    end)

    it("raises for what is no number to add", function()
      assert.equal("incr: the second argument is a finite number, got a string",
        store.misuse(function() db:incr("n", "1") end))
      assert.matches("^incr: the second argument is a finite number, got .*nan",
        store.misuse(function() db:incr("n", 0 / 0) end))
      assert.equal("incr: the initial value is a number, got a string",
        store.misuse(function() db:incr("n", 1, "0") end))
    end)
  end)

  it("swaps, takes away and appends", function()
    assert.is_nil(db:getset("k", "1"))
    assert.equal("1", db:getset("k", "2"))
    assert.is_number(db:append("k", "34"))
    assert.equal("234", db:get("k"))
    assert.equal("234", db:getdel("k"))
    assert.is_nil(db:getdel("k"))
    assert.is_number(db:append("new", "x"))
    assert.equal("x", db:get("new"))
  end)

  it("tells empty values from absent ones", function()
    assert(db:put("k", ""))

    assert.equal("", db:get("k"))
    assert.equal("", db:getset("k", "x"))
    assert(db:put("k", ""))
    local _, _, value = db:cas("k", "y", "z")
    assert.equal("", value)
  end)

  it("writes at the durability that a call asks for", function()
    assert.is_number(db:put("k", "v", { durability = "sync", deadline_ms = 30000 }))
    assert.equal(db:seq(), db:durable_seq())
    assert.is_true(db:delete("k", { durability = "interval" }))
    assert.equal("put: option 'durability' is one of interval, os, sync, got 'fsync'",
      store.misuse(function() db:put("k", "v", { durability = "fsync" }) end))
  end)

  it("fails for a key above the limit", function()
    local seq, err, code = db:put(("k"):rep(65537), "v")

    assert.is_nil(seq)
    assert.equal("TOO_LARGE", code)
    assert.matches("65537", err.text)
  end)
end)
