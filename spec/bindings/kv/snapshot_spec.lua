local store = require "spec.support.store"

describe("kv.snapshot", function()
  local db
  before_each(function() db = store.open() end)
  after_each(function() db:close() end)

  it("shows the store as it was", function()
    local users = assert(db:bucket("users", { create = true }))
    db:put("k", "old")
    users:put("u", "old")
    local snapshot = assert(db:snapshot())
    db:put("k", "new")
    users:delete("u")

    assert.equal("old", snapshot:get("k"))
    assert.equal("old", snapshot:bucket("users"):get("u"))
    assert.same({ "k" }, (snapshot:keys()))
    assert.same({ "u", "old" }, { snapshot:bucket("users"):first() })
    assert.equal(db:seq() - 2, snapshot.seq)
    assert.equal("kv.snapshot(" .. snapshot.seq .. ")", tostring(snapshot))
    assert.is_nil(snapshot.put)
  end)

  it("belongs to the bucket it was taken from", function()
    local users = assert(db:bucket("users", { create = true }))
    users:put("u", "v")

    local snapshot = assert(users:snapshot())

    assert.equal("v", snapshot:get("u"))
  end)

  it("fails for a bucket that does not exist", function()
    local part, _, code = db:snapshot():bucket("absent")

    assert.is_nil(part)
    assert.equal("NOT_FOUND", code)
  end)

  it("closes twice, with its buckets, and with its database", function()
    local snapshot, other = assert(db:snapshot()), assert(db:snapshot())
    local part = snapshot:bucket("default")
    assert.equal(2, db:stats().snapshot_count)

    snapshot:close()
    snapshot:close()

    assert.equal(1, db:stats().snapshot_count)
    assert.equal("get: snapshot is closed", store.misuse(function() snapshot:get("k") end))
    assert.equal("get: snapshot is closed", store.misuse(function() part:get("k") end))
    db:close()
    assert.equal("scan: database is closed", store.misuse(function() other:scan() end))
  end)
end)
