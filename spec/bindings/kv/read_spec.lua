local kv = require "kv"
local store = require "spec.support.store"

describe("kv.read", function()
  local db
  before_each(function() db = store.open() end)
  after_each(function() db:close() end)

  it("gives nil alone for an absent key", function()
    assert.equal(1, select("#", db:get("absent")))
    assert.is_nil(db:get("absent"))
    assert.is_nil(db:get_entry("absent"))
    assert.is_nil(db:get_view("absent"))
    assert.is_nil(db:ttl("absent"))
    assert.is_false(db:exists("absent"))
  end)

  it("gives what was put, large values too", function()
    local large = ("0123456789abcdef"):rep(200000)
    assert(db:put("large", large))
    assert(db:put("small", "x"))

    assert.equal(large, db:get("large"))
    assert.equal("x", db:get("small"))
    assert.is_true(db:exists("small"))
  end)

  it("tells everything of a row in its entry", function()
    local before = os.time()
    local seq = assert(db:put("k", "value", { content_type = "text/plain", ttl = 60 }))
    local after = os.time() + 2 -- os.time() may be a tick late.

    local entry = db:get_entry("k")

    assert.equal(seq, entry.seq)
    assert.equal(5, entry.size)
    assert.equal("value", entry.value)
    assert.equal("k", entry.key)
    assert.equal("text/plain", entry.content_type)
    assert.is_true(entry.expires_at >= before + 60 and entry.expires_at <= after + 60)
  end)

  it("leaves out of an entry what a row has not", function()
    assert(db:put("k", "v"))

    local entry = db:get_entry("k")

    assert.is_nil(entry.expires_at)
    assert.is_nil(entry.content_type)
  end)

  it("tells the seconds left, 0 for a row that never expires", function()
    assert(db:put("short", "v", 60.5))
    assert(db:put("ever", "v"))

    local left = db:ttl("short")

    assert.is_true(left > 0 and left <= 60.5, tostring(left))
    assert.equal(0, db:ttl("ever"))
  end)

  it("reads at a snapshot when told to", function()
    assert(db:put("k", "old"))
    local snapshot = assert(db:snapshot())
    assert(db:put("k", "new"))
    assert(db:put("later", "v"))

    assert.equal("old", db:get("k", { snapshot = snapshot }))
    assert.equal("new", db:get("k"))
    assert.is_false(db:exists("later", { snapshot = snapshot }))
    assert.equal("old", db:get_entry("k", { snapshot = snapshot }).value)
    assert.equal("old", db:get_view("k", { snapshot = snapshot }):tostring())
  end)

  it("shows a value in place until it is released", function()
    assert(db:put("k", "a\0b"))
    local view = assert(db:get_view("k"))

    assert.equal(3, view.size)
    assert.equal(98, view.ptr[2])
    assert.equal("a\0b", view:tostring())

    view:release()
    view:release()

    assert.is_nil(view.ptr)
    assert.equal("tostring: view is released", store.misuse(function() view:tostring() end))
    assert.equal(0, db:stats().view_count)
  end)

  it("appends a value to a string.buffer", function()
    local has_buffer, buffer = pcall(require, "string.buffer")
    if not has_buffer then
      return pending("this LuaJIT has no string.buffer")
    end
    assert(db:put("k", "value"))
    local bytes = buffer.new():put("<")

    assert.equal(5, db:get_into("k", bytes))
    assert.is_nil(db:get_into("absent", bytes))
    assert.equal("<value", tostring(bytes))
    assert.equal("get_into: the second argument is a string.buffer, got a table",
      store.misuse(function() db:get_into("k", {}) end))
  end)

  it("raises for a call without colon and for unknown options", function()
    assert.equal("get is a method: call it with a colon, object:get(...)",
      store.misuse(function() db.get("k") end))
    assert.equal("exists is a method: call it with a colon, object:exists(...)",
      store.misuse(function() db.exists({}, "k") end))
    assert.equal("get: unknown option 'snapshoot'; did you mean 'snapshot'?",
      store.misuse(function() db:get("k", { snapshoot = 1 }) end))
    assert.equal("get: option 'snapshot' is what db:snapshot() returns",
      store.misuse(function() db:get("k", { snapshot = {} }) end))
  end)

  it("refuses the snapshot of another database and a closed one", function()
    local other = store.open()
    local foreign = assert(other:snapshot())
    local closed = assert(db:snapshot())
    closed:close()

    assert.equal("get: the snapshot belongs to another database",
      store.misuse(function() db:get("k", { snapshot = foreign }) end))
    assert.equal("get: snapshot is closed",
      store.misuse(function() db:get("k", { snapshot = closed }) end))
    other:close()
  end)

  it("is there on kv itself, for the database in use", function()
    kv.use(db)
    assert(kv.put("k", "v"))

    assert.equal("v", kv.get("k"))
    assert.is_true(kv.exists("k"))
    assert.equal(0, kv.ttl("k"))
    kv.use(nil)
  end)
end)
