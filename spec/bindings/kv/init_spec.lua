local kv = require "kv"
local store = require "spec.support.store"

describe("kv", function()
  after_each(function() kv.use(nil) end)

  it("raises until a database is in use", function()
    for _, name in ipairs({ "get", "put", "exists", "delete", "incr", "scan", "batch", "stats" }) do
      assert.equal(
        ("kv.%s: no database is in use; call kv.use(kv.open(path)) first, or db:%s(...)"):format(
          name, name),
        store.misuse(function() kv[name]("k", "v") end))
    end
  end)

  it("tells which database is in use", function()
    local db = store.open()

    assert.is_nil(kv.current())
    kv.use(db)
    assert.equal(db, kv.current())
    db:close()
  end)

  it("has every function of a database, for the one in use", function()
    local db = kv.use(store.open())

    assert.is_number(kv.put("a", "1"))
    assert.is_number(kv.set("b", "2"))
    assert.equal(3, kv.incr("n", 3, 0))
    assert.is_true(kv.del("n"))
    assert.is_number(kv.batch(function(w) w:put("c", "3") end))
    local keys = {}
    for key in kv.scan({ limit = 2 }) do
      keys[#keys + 1] = key
    end
    assert.same({ "a", "b" }, keys)
    assert.equal(3, kv.count())
    assert.is_number(kv.bucket("x", { create = true }):put("k", "v"))
    assert.equal("ok", kv.health().status)
    local own = { close = true, pointer = true, is_closed = true }
    for name, member in pairs(getmetatable(db).__index) do
      if name:sub(1, 1) ~= "_" and not own[name] then
        assert.equal(type(member), type(kv[name]), name)
      end
    end
    db:close()
  end)

  it("raises misuse with the caller's line there too", function()
    local db = kv.use(store.open())

    assert.equal("get: the key is missing", store.misuse(function() kv.get() end))
    assert.equal("cas: the key is missing", store.misuse(function() kv.cas() end))
    db:close()
    assert.equal("get: database is closed", store.misuse(function() kv.get("k") end))
  end)

  it("uses databases only", function()
    assert.equal("use: takes an open database, got a table",
      store.misuse(function() kv.use({}) end))
    assert.equal("use: takes an open database, got a string",
      store.misuse(function() kv.use("data") end))
  end)

  it("passes on why there is no database to use", function()
    local db, err, code = kv.use(kv.open("/", { create = false, error_if_exists = true }))

    assert.is_nil(db)
    assert.is_true(kv.is_error(err))
    assert.equal(err.code, code)
  end)

  it("tells its version", function()
    assert.matches("^%d+%.%d+%.%d+$", kv.version)
  end)
end)
