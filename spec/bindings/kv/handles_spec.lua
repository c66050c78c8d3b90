-- What is forgotten without close() is collected, in any order, and leaves nothing behind in C.
local handles = require "kv.handles"
local kv = require "kv"
local store = require "spec.support.store"
local tmpdir = require "spec.support.tmp"

-- Whether the store is closed in C too: its lock is free.
local function is_free(path)
  local db = kv.open(path, { create = false })
  return db ~= nil and db:close() == true
end

describe("kv.handles", function()
  it("collects forgotten children and leaves their database usable", function()
    local db = store.open()
    db:put("k", "v")
    local forgotten = setmetatable({}, { __mode = "k" })
    do
      local scan, snapshot, view, w = db:scan(), db:snapshot(), db:get_view("k"), db:batch()
      scan()
      w:put("a", "b")
      forgotten[scan], forgotten[snapshot], forgotten[view], forgotten[w] = true, true, true, true
      assert.same({ 1, 1, 1 },
        { db:stats().scan_count, db:stats().snapshot_count, db:stats().view_count })
    end

    store.collect()

    local stats = db:stats()
    assert.is_nil(next(forgotten))
    assert.same({ 0, 0, 0 }, { stats.scan_count, stats.snapshot_count, stats.view_count })
    assert.equal("v", db:get("k"))
    db:close()
  end)

  it("collects a forgotten database with children of every kind", function()
    local paths = {}
    for index = 1, 8 do
      local path = tmpdir() .. "/db"
      paths[index] = path
      local db = assert(kv.open(path, { durability = "os" }))
      db:put("k", "v")
      local bucket = db:bucket("b", { create = true })
      local _ = { bucket:scan(), db:snapshot(), db:snapshot():scan(), db:get_view("k"), db:batch() }
    end

    store.collect()
    store.collect()

    assert.equal(0, handles.orphan_count())
    for _, path in ipairs(paths) do
      assert.is_true(is_free(path), path)
    end
  end)

  it("keeps a database alive while a child is in use", function()
    local scan, bucket, snapshot
    do
      local db = store.open()
      db:put("k", "v")
      scan, snapshot = db:scan(), db:snapshot()
      bucket = db:bucket("b", { create = true })
    end

    store.collect()

    assert.same({ "k", "v" }, { scan() })
    assert.equal("v", snapshot:get("k"))
    assert.is_number(bucket:put("x", "y"))
    snapshot._db:close()
  end)

  it("does not keep closed children", function()
    local db = store.open()
    for _ = 1, 100 do
      db:scan():close()
      db:snapshot():close()
      db:batch():close()
    end

    assert.is_nil(next(db._children))
    db:close()
  end)

  it("closes without a word of its children's finalizers", function()
    local db = store.open()
    do
      local scan = db:scan()
      local _ = scan
    end
    db:close()

    store.collect()

    assert.is_true(is_free(db.path))
  end)
end)
