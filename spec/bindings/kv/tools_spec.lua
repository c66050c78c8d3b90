local kv = require "kv"
local tmpdir = require "spec.support.tmp"

describe("kv.tools", function()
  local db, dir
  before_each(function()
    dir = tmpdir()
    db = assert(kv.open(dir .. "/db"))
    for index = 1, 200 do
      db:put(("%03d"):format(index), "v" .. index)
    end
  end)
  after_each(function() db:close() end)

  local function count(path)
    local copy = assert(kv.open(path, { create = false }))
    local found = copy:count()
    copy:close()
    return found
  end

  it("makes a checkpoint that opens, while the store goes on", function()
    local seq = assert(db:checkpoint(dir .. "/copy"))
    db:put("more", "x")

    assert.equal(200, seq)
    assert.equal(200, count(dir .. "/copy"))
    local ok, failure, code = db:checkpoint(dir .. "/copy")
    assert.is_nil(ok)
    assert.equal("EXISTS", code)
    assert.matches("not empty", tostring(failure))
  end)

  it("backs up, lists, verifies, restores and deletes", function()
    local first = assert(db:backup(dir .. "/backup", { incremental = true }))
    db:put("more", "x")
    local second = assert(db:backup(dir .. "/backup"))

    assert.same({ 1, 200, 2, 201 }, { first.id, first.seq, second.id, second.seq })
    local list = assert(kv.backups(dir .. "/backup"))
    assert.same({ 2, 1 }, { list[1].id, list[2].id })
    assert.equal(db:stats().uuid, list[1].uuid)
    local ok, report = kv.verify_backup(dir .. "/backup")
    assert.is_true(ok)
    assert.matches("ok .*%.sst", report)
    assert(kv.restore(dir .. "/backup", dir .. "/one", { id = 1 }))
    assert(kv.restore(dir .. "/backup", dir .. "/two"))
    assert.same({ 200, 201 }, { count(dir .. "/one"), count(dir .. "/two") })
    assert(kv.delete_backup(dir .. "/backup", 1))
    assert.equal(1, #kv.backups(dir .. "/backup"))
    assert.equal("NOT_FOUND", (select(3, kv.delete_backup(dir .. "/backup", 1))))
    assert.equal("NOT_FOUND", (select(3, kv.restore(dir .. "/backup", dir .. "/x", { id = 1 }))))
  end)

  it("scrubs as a job and verifies", function()
    assert(db:flush())

    local done = assert(assert(db:scrub({ bytes_per_second = 1e9 })):wait())

    assert.equal("scrub", done.kind)
    assert.matches("1 table is sound", done.text)
    assert.is_true(db:verify())
    assert.is_true(db:verify({ deep = true }))
  end)

  it("repairs a store without CURRENT and keeps its rows", function()
    db:close()
    assert(os.remove(dir .. "/db/CURRENT"))
    assert.is_nil((kv.open(dir .. "/db")))

    local report = assert(kv.repair(dir .. "/db"))

    assert.matches("damaged%s+CURRENT", report)
    assert.equal(200, count(dir .. "/db"))
  end)

  it("says what is wrong with its arguments", function()
    assert.has_error(function() db:checkpoint(1) end)
    assert.has_error(function() db:backup(dir .. "/b", { increment = true }) end)
    assert.has_error(function() kv.restore(dir) end)
    assert.has_error(function() kv.delete_backup(dir, "1") end)
    assert.equal("NOT_FOUND", (select(3, kv.repair(dir .. "/none"))))
  end)
end)
