local store = require "spec.support.store"

describe("kv.bucket", function()
  local db
  before_each(function() db = store.open() end)
  after_each(function() db:close() end)

  it("keeps the keys of buckets apart", function()
    local first = assert(db:bucket("first", { create = true }))
    local second = assert(db:bucket("second", { create = true }))

    first:put("k", "1")
    second:put("k", "2")
    db:put("k", "0")

    assert.same({ "0", "1", "2" }, { db:get("k"), first:get("k"), second:get("k") })
    assert.equal(1, first:count())
    assert.same({ "k", "2" }, { second:first() })
    assert.equal("0", db:bucket("default"):get("k"))
  end)

  it("tells name, default time to live and merge operator", function()
    local made = assert(db:bucket("cache", { create = true, ttl = 1.5, merge = "max" }))
    local found = assert(db:bucket("cache"))

    assert.equal("cache", made.name)
    assert.equal(1.5, found.default_ttl)
    assert.equal("max", found.merge)
    assert.equal('kv.bucket("cache")', tostring(found))
    assert.is_nil(db:bucket("default").merge)
  end)

  it("fails for a bucket that does not exist", function()
    local found, err, code = db:bucket("absent")

    assert.is_nil(found)
    assert.equal("NOT_FOUND", code)
    assert.equal("bucket 'absent' does not exist; {create = true} makes it", err.text)
  end)

  it("fails for names that are none", function()
    for _, name in ipairs({ "", "a b", "a/b", ("x"):rep(65) }) do
      local _, _, code = db:bucket(name, { create = true })
      assert.equal("INVALID", code)
    end
    assert.equal("bucket: the name of a bucket is a string, got nothing",
      store.misuse(function() db:bucket() end))
    assert.equal("bucket: unknown option 'crate'; did you mean 'create'?",
      store.misuse(function() db:bucket("x", { crate = true }) end))
  end)

  it("lists buckets in name order", function()
    assert(db:bucket("zoo", { create = true }))
    assert(db:bucket("ape", { create = true, ttl = 5, merge = "append" }))

    local list = db:buckets()
    local names = {}
    for index, info in ipairs(list) do
      names[index] = info.name
    end

    assert.same({ "ape", "default", "zoo" }, names)
    assert.equal(5, list[1].ttl)
    assert.equal("append", list[1].merge)
  end)

  it("drops a bucket with its rows", function()
    local bucket = assert(db:bucket("temp", { create = true }))
    bucket:put("k", "v")

    assert.is_true(db:drop_bucket("temp"))

    local _, _, code = db:drop_bucket("temp")
    assert.equal("NOT_FOUND", code)
    assert.equal(0, assert(db:bucket("temp", { create = true })):count())
    local _, _, default_code = db:drop_bucket("default")
    assert.equal("INVALID", default_code)
  end)

  it("is unusable after the close of its database", function()
    local bucket = assert(db:bucket("b", { create = true }))

    db:close()

    assert.equal("get: database is closed", store.misuse(function() bucket:get("k") end))
    assert.equal("put: database is closed", store.misuse(function() bucket:put("k", "v") end))
  end)
end)
