local kv = require "kv"
local lib = require "kv.lib"
local store = require "spec.support.store"
local tmpdir = require "spec.support.tmp"

describe("kv.database", function()
  it("keeps what was written over a close", function()
    local path = tmpdir() .. "/db"
    local db = assert(kv.open(path))
    local bucket = assert(db:bucket("b", { create = true }))
    local seq = assert(db:put("k", "v"))
    bucket:put("k", "in b")
    assert.is_true(db:close())

    db = assert(kv.open(path, { create = false }))

    assert.equal("v", db:get("k"))
    assert.equal("in b", db:bucket("b"):get("k"))
    assert.is_true(db:seq() >= seq)
    db:close()
  end)

  it("knows its path and names itself", function()
    local path = tmpdir() .. "/db"
    local db = assert(kv.open(path))

    assert.equal(path, db.path)
    assert.equal(("kv.database(%q)"):format(path), tostring(db))
    assert.is_false(db:is_closed())
    db:close()
    assert.equal(("kv.database(%q, closed)"):format(path), tostring(db))
    assert.is_true(db:is_closed())
  end)

  it("takes every option of its kind", function()
    local db = store.open({
      create = true, error_if_exists = true, durability = "interval", sync_interval_ms = 50,
      sync_batch_bytes = 65536, memory_bytes = 64 * 1024 * 1024, memtable_bytes = 4 * 1024 * 1024,
      block_bytes = 8192, table_bytes = 8 * 1024 * 1024, compression = "zstd", point_index = false,
      background_threads = 1, compaction_rate_bytes = 0, max_open_files = 100,
      wal_recovery = "prefix", key_bytes_max = 1000, value_bytes_max = 100000,
      batch_bytes_max = 1000000,
    })

    assert(db:put("k", "v"))
    assert.equal("v", db:get("k"))
    local _, _, code = db:put(("k"):rep(1001), "v")
    assert.equal("TOO_LARGE", code)
    db:close()
  end)

  it("fails when there is nothing to open, or something in the way", function()
    local dir = tmpdir()
    local db, err, code = kv.open(dir .. "/absent", { create = false })

    assert.is_nil(db)
    assert.equal("NOT_FOUND", code)
    assert.matches(dir .. "/absent", err.text, 1, true)

    local path = dir .. "/db"
    assert(kv.open(path)):close()
    db, err, code = kv.open(path, { error_if_exists = true })
    assert.is_nil(db)
    assert.equal("EXISTS", code)
    assert.equal("EXISTS", err.code)
  end)

  it("opens a store once at a time", function()
    local path = tmpdir() .. "/db"
    local db = assert(kv.open(path))

    local second, _, code = kv.open(path)

    assert.is_nil(second)
    assert.equal("BUSY", code)
    db:close()
    assert(kv.open(path)):close()
  end)

  it("refuses writes when it is opened read-only", function()
    local path = tmpdir() .. "/db"
    local db = assert(kv.open(path))
    db:put("k", "v")
    db:close()

    db = assert(kv.open(path, { read_only = true }))

    assert.equal("v", db:get("k"))
    local seq, err, code = db:put("k", "w")
    assert.is_nil(seq)
    assert.equal("READ_ONLY", code)
    assert.equal("not_committed", err.outcome)
    db:close()
  end)

  it("closes twice, and is unusable then", function()
    local db = store.open()
    assert.is_true(db:close())
    assert.is_true(db:close())

    for _, name in ipairs({ "get", "put", "delete", "exists", "incr", "scan", "count", "list",
      "mget", "mput", "batch", "snapshot", "bucket", "buckets", "stats", "levels", "health",
      "flush", "sync", "compact", "jobs", "seq", "durable_seq", "check", "touch", "ttl", "cas",
      "first", "last", "keys", "add", "replace", "delete_range", "delete_prefix", "mdelete",
      "get_view", "get_entry", "getset", "getdel", "append", "persist", "drop_bucket",
      "histograms", "take_log", "pointer", "job" }) do
      assert.equal(name .. ": database is closed",
        store.misuse(function() db[name](db, "k", "v") end))
    end
  end)

  it("closes its scans, snapshots, views and batches first", function()
    local db = store.open()
    db:put("k", "v")
    local scan, snapshot, view = db:scan(), db:snapshot(), db:get_view("k")
    scan()

    assert.is_true(db:close())

    assert.equal("k", scan.cursor)
    assert.equal("scan: database is closed", store.misuse(function() scan() end))
    assert.equal("get: database is closed", store.misuse(function() snapshot:get("k") end))
    assert.equal("tostring: database is closed", store.misuse(function() view:tostring() end))
    scan:close()
    snapshot:close()
    view:release()
  end)

  it("attaches to a pointer that someone else closes", function()
    local owner = store.open()
    owner:put("k", "v")

    local guest = kv.attach(owner:pointer(), { durability = "os" })
    local scan = guest:scan()

    assert.equal(owner.path, guest.path)
    assert.equal("v", guest:get("k"))
    assert.is_true(guest:close())
    assert.equal("get: database is closed", store.misuse(function() guest:get("k") end))
    assert.equal("scan: database is closed", store.misuse(function() scan() end))
    assert.equal("v", owner:get("k"))
    owner:close()
    assert.equal("attach: takes a loam_db *, got a string",
      store.misuse(function() kv.attach("x") end))
  end)

  it("destroys a closed store", function()
    local path = tmpdir() .. "/db"
    assert(kv.open(path)):close()

    assert.is_true(kv.destroy(path))

    local _, _, code = kv.open(path, { create = false })
    assert.equal("NOT_FOUND", code)
  end)

  it("raises for paths and options that are none", function()
    assert.equal("open: the path is a string, got nothing", store.misuse(function() kv.open() end))
    assert.equal("open: the path has a zero byte", store.misuse(function() kv.open("a\0b") end))
    assert.equal("open: unknown option 'memtable_size'; did you mean 'memtable_bytes'?",
      store.misuse(function() kv.open("x", { memtable_size = 1 }) end))
    assert.equal("open: option 'compression' is one of lz4, none, zstd, got 'snappy'",
      store.misuse(function() kv.open("x", { compression = "snappy" }) end))
    assert.equal("open: option 'block_bytes' is at most 4294967295, got 4294967296",
      store.misuse(function() kv.open("x", { block_bytes = 2 ^ 32 }) end))
    assert.equal("destroy: the path is a string, got nothing",
      store.misuse(function() kv.destroy() end))
  end)

  it("has all codes of libloam", function()
    assert.equal("CORRUPT", lib.codes[lib.C.LOAM_CORRUPT])
    assert.equal("NOT_FOUND", lib.codes[lib.C.LOAM_NOT_FOUND])
  end)
end)
