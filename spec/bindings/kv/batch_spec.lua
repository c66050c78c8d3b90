local kv = require "kv"
local store = require "spec.support.store"

describe("kv.batch", function()
  local db
  before_each(function() db = store.open() end)
  after_each(function() db:close() end)

  it("applies all of its operations together", function()
    assert(db:put("old", "x"))
    local w = assert(db:batch())

    w:put("a", "1"):put("b", "2", 60):delete("old")

    assert.equal(3, #w)
    assert.is_true(w:bytes() > 0)
    assert.equal("kv.batch(3 operations)", tostring(w))
    assert.is_nil(db:get("a"))
    local seq = assert(w:write())
    assert.equal(db:seq(), seq)
    assert.same({ "1", "2", kv.null }, (db:mget({ "a", "b", "old" })))
    assert.is_true(db:ttl("b") > 50)
  end)

  it("keeps its operations until cleared", function()
    local w = db:batch():put("a", "1")

    w:write()
    assert.equal(1, #w)
    w:clear()
    assert.equal(0, #w)
    w:put("b", "2"):write()

    assert.equal("2", db:get("b"))
    assert.equal(2, db:seq())
  end)

  it("commits nothing when it is empty", function()
    assert.equal(0, db:batch():write())
    assert.equal(0, db:seq())
  end)

  it("writes into several buckets", function()
    local users = assert(db:bucket("users", { create = true }))
    local w = db:batch()

    w:put("k", "default")
    w:bucket("users"):put("k", "user"):put("gone", "x"):delete("gone")
    w:bucket(users):put("second", "user")
    w:write()

    assert.equal("default", db:get("k"))
    assert.same({ "k", "second" }, (users:keys()))
  end)

  it("belongs to the bucket it was made from", function()
    local users = assert(db:bucket("users", { create = true }))

    users:batch():put("k", "v"):write()

    assert.is_nil(db:get("k"))
    assert.equal("v", users:get("k"))
  end)

  it("merges by the operator of the bucket", function()
    local sums = assert(db:bucket("sums", { create = true, merge = "add" }))

    sums:batch():merge("n", 5):merge("n", "2"):write()

    assert.equal(7, tonumber(sums:get("n")))
  end)

  it("writes what a function puts into it", function()
    local seq = assert(db:batch(function(w)
      w:put("a", "1")
      w:put("b", "2")
    end, { durability = "sync" }))

    assert.equal(db:seq(), seq)
    assert.equal(seq, db:durable_seq())
    assert.same({ "a", "b" }, (db:keys()))
  end)

  it("writes nothing when the function raises", function()
    local is_fine, message = pcall(db.batch, db, function(w)
      w:put("a", "1")
      error("no", 0)
    end)

    assert.is_false(is_fine)
    assert.equal("no", message)
    assert.is_nil(db:get("a"))
  end)

  it("names the operation whose condition fails, and applies nothing", function()
    local seq = assert(db:put("taken", "x"))
    local w = db:batch():put("a", "1"):put("taken", "y", { if_absent = true })

    assert.same({ false, "exists", seq, 2 }, { w:write() })
    assert.is_nil(db:get("a"))
    w:clear():put("b", "1"):delete("taken", { if_seq = seq + 9 })
    assert.same({ false, "mismatch", seq, 2 }, { w:write() })
    assert.same({ false, "mismatch", seq, 1 }, { db:batch(function(other)
      other:delete("taken", { if_seq = seq + 9 })
    end) })
  end)

  it("remembers the first failure and does not write with a hole", function()
    local w = db:batch()

    local added, _, code = w:put(("k"):rep(70000), "v")
    w:put("a", "1")
    local seq, err, write_code = w:write()

    assert.is_nil(added)
    assert.equal("TOO_LARGE", code)
    assert.is_nil(seq)
    assert.equal("TOO_LARGE", write_code)
    assert.matches("70000", err.text)
    assert.is_nil(db:get("a"))
    assert.is_number(w:clear():put("a", "1"):write())
    local part, _, bucket_code = w:bucket("absent")
    assert.is_nil(part)
    assert.equal("NOT_FOUND", bucket_code)
    assert.is_nil(w:write())
  end)

  it("raises for misuse, with the name of the call", function()
    local w = db:batch()

    assert.equal("put: the key is missing", store.misuse(function() w:put() end))
    assert.matches("^put: the value is a string, got the number",
      store.misuse(function() w:put("k", 5) end))
    assert.equal("put is a method: call it with a colon, batch:put(...)",
      store.misuse(function() w.put("k", "v") end))
    assert.matches("^put: unknown option 'durability'",
      store.misuse(function() w:put("k", "v", { durability = "sync" }) end))
    assert.equal("write: unknown option 'durabilty'; did you mean 'durability'?",
      store.misuse(function() w:write({ durabilty = "os" }) end))
    assert.equal("bucket: takes a name or a bucket, got a number",
      store.misuse(function() w:bucket(5) end))
    assert.equal("batch: takes a function, got a table", store.misuse(function() db:batch({}) end))
  end)

  it("closes twice, and with its database", function()
    local w, other = db:batch(), db:batch()
    w:close()
    w:close()

    assert.equal("put: batch is closed", store.misuse(function() w:put("k", "v") end))
    assert.equal("kv.batch(closed)", tostring(w))
    db:close()
    assert.equal("write: database is closed", store.misuse(function() other:write() end))
    assert.equal("#: database is closed", store.misuse(function() return #other end))
    other:close()
  end)
end)
