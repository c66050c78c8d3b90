local kv = require "kv"
local store = require "spec.support.store"

describe("kv.many", function()
  local db
  before_each(function() db = store.open() end)
  after_each(function() db:close() end)

  it("reads many keys in the order asked, kv.null where absent", function()
    assert(db:mput({ a = "1", b = "", c = "3" }))

    local values, found = db:mget({ "c", "absent", "b", "a", "c" })

    assert.same({ "3", kv.null, "", "1", "3" }, values)
    assert.equal(4, found)
    assert.equal("kv.null", tostring(kv.null))
  end)

  it("reads no key and very many", function()
    local keys = {}
    for index = 1, 1000 do
      keys[index] = ("%04d"):format(index)
      assert(db:put(keys[index], "v" .. index))
    end

    local values, found = db:mget(keys)
    local none, nothing_found = db:mget({})

    assert.equal(1000, found)
    assert.equal("v777", values[777])
    assert.same({}, none)
    assert.equal(0, nothing_found)
  end)

  it("reads at a snapshot", function()
    assert(db:put("a", "old"))
    local snapshot = assert(db:snapshot())
    assert(db:put("a", "new"))

    assert.same({ "old" }, (db:mget({ "a" }, { snapshot = snapshot })))
    assert.same({ "old" }, (snapshot:mget({ "a" })))
  end)

  it("writes maps, lists of pairs and lists of entries as one batch", function()
    local before = db:seq()

    local seq = assert(db:mput({ { "a", "1" }, { "b", "2" }, { key = "c", value = "3" } }))

    assert.equal(before + 3, seq)
    assert.same({ "1", "2", "3" }, (db:mget({ "a", "b", "c" })))
    assert.is_number(db:mput({ d = "4" }, { ttl = 50, durability = "sync" }))
    assert.is_true(db:ttl("d") > 40)
    assert.is_number(db:mput({ e = "5" }, 50))
    assert.is_true(db:ttl("e") > 40)
  end)

  it("writes nothing of a batch with a bad row", function()
    local seq, _, code = db:mput({ { "a", "1" }, { ("k"):rep(70000), "2" } })
    local text = store.misuse(function() db:mput({ { "b", "1" }, { "c", 2 } }) end)

    assert.is_nil(seq)
    assert.equal("TOO_LARGE", code)
    assert.matches("^mput: the value is a string, got the number 2", text)
    assert.equal(0, db:count())
  end)

  it("deletes many keys as one batch", function()
    assert(db:mput({ a = "1", b = "2", c = "3" }))

    assert.is_number(db:mdelete({ "a", "c", "absent" }))

    assert.same({ "b" }, (db:keys()))
  end)

  it("deletes ranges and prefixes and counts", function()
    for _, key in ipairs({ "a", "b", "c", "user:1", "user:2" }) do
      assert(db:put(key, "v"))
    end

    assert.equal(2, db:delete_range("a", "c"))
    assert.equal(2, db:delete_prefix("user:"))
    assert.equal(0, db:delete_prefix("user:"))
    assert.same({ "c" }, (db:keys()))
    assert.equal(1, db:delete_range("b", nil, { durability = "sync" }))
  end)

  it("raises for what is no list of keys, no rows, no bound", function()
    assert.equal("mget: the keys are an array, got a string",
      store.misuse(function() db:mget("a") end))
    assert.equal("mget: the keys are an array, got a table with other indexes",
      store.misuse(function() db:mget({ a = 1 }) end))
    assert.matches("^mget: the key is a string, got the number 5",
      store.misuse(function() db:mget({ "a", 5 }) end))
    assert.matches("^mdelete: the key is a string",
      store.misuse(function() db:mdelete({ 5 }) end))
    assert.equal("mput: the rows are a map or a list of pairs, got nothing",
      store.misuse(function() db:mput() end))
    assert.equal("mput: pair 1 is a table {key, value}, got a string",
      store.misuse(function() db:mput({ "a", "b" }) end))
    assert.matches("^delete_range: needs a bound", store.misuse(function() db:delete_range() end))
    assert.equal("delete_prefix: the prefix is a string, got nothing",
      store.misuse(function() db:delete_prefix() end))
  end)
end)
