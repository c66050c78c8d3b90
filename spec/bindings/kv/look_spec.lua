-- Where a key is, who holds what, which files there are, what fills the disk.
local kv = require "kv"
local tmpdir = require "spec.support.tmp"

describe("kv.look", function()
  local db, dir
  before_each(function()
    dir = tmpdir()
    db = assert(kv.open(dir .. "/db", { durability = "os", scrub_interval_ms = 0 }))
  end)
  after_each(function() db:close() end)

  local function outcomes(steps)
    local list = {}
    for at, step in ipairs(steps) do
      list[at] = step.place .. " " .. step.outcome
    end
    return list
  end

  it("explains a key: every place, newest first, and what is hidden there", function()
    assert(db:put("a", "first"))
    assert(db:flush())
    assert(db:put("a", "2"))
    assert(db:put("z", "1", { ttl = 0.001 }))

    local steps = assert(db:explain("a"))

    assert.same({ "memory value", "table value" }, outcomes(steps))
    assert.same({ 2, 1 }, { steps[1].seq, steps[1].size })
    assert.same({ 1, 5, 0 }, { steps[2].seq, steps[2].size, steps[2].run })
    assert.is_number(steps[2].number)
    assert(db:delete("a"))
    assert.same({ "memory delete", "table value" }, outcomes(assert(db:explain("a"))))
    assert.same({ "memory absent", "table absent" }, outcomes(assert(db:explain("none"))))
    local expired
    repeat
      expired = assert(db:explain("z"))[1]
    until expired.outcome ~= "value"
    assert.equal("expired", expired.outcome)
    assert.is_true(expired.expires_at < os.time() + 60)
  end)

  it("explains keys of buckets, and says what is wrong", function()
    local users = assert(db:bucket("users", { create = true }))
    assert(users:put("a", "1"))

    assert.equal("value", assert(users:explain("a"))[1].outcome)
    assert.equal("absent", assert(db:explain("a"))[1].outcome)
    assert.has_error(function() db:explain() end)
    assert.equal("TOO_LARGE", (select(3, db:explain(("k"):rep(70000)))))
    assert(db:drop_bucket("users"))
    assert.equal("CLOSED", (select(3, users:explain("a"))))
  end)

  it("says that a place cannot be read", function()
    for at = 1, 200 do
      db:put(("%03d"):format(at), ("v"):rep(100) .. at)
    end
    assert(db:flush())
    local number = assert(db:explain("100"))[2].number
    assert(db:close())
    local path = ("%s/db/%012d.sst"):format(dir, number)
    local file = assert(io.open(path, "r+b"))
    file:seek("set", 200)
    file:write("XXXX")
    file:close()
    db = assert(kv.open(dir .. "/db"))

    local step = assert(db:explain("001"))[2]

    assert.same({ "failed", "CORRUPT", number }, { step.outcome, step.code, step.number })
  end)

  it("tells open snapshots and scans, their age, and the tables that they alone keep", function()
    for at = 1, 100 do
      db:put("k" .. at, ("v"):rep(100))
    end
    assert(db:flush())
    assert.same({}, db:handles())
    local snapshot, scan = assert(db:snapshot()), assert(db:scan())
    scan()
    assert(db:put("more", "x"))
    assert(db:flush())
    assert(assert(db:compact()):wait())

    local handles = db:handles()

    assert.equal(2, #handles)
    assert.same({ "snapshot", 100, 0 }, { handles[1].by, handles[1].seq, handles[1].bytes })
    assert.same({ "scan", 100 }, { handles[2].by, handles[2].seq })
    assert.is_true(handles[2].bytes > 0 and handles[2].age_s >= 0)
    assert.same(handles[2].bytes, assert(db:space()).pinned[2].bytes)
    assert.is_true(assert(db:space()).unused >= handles[2].bytes)
    scan:close()
    snapshot:close()
    assert.same({}, db:handles())
  end)

  it("lists the files and adds them up", function()
    db:put("a", "1")
    assert(db:flush())

    local files, total = assert(db:files()), 0
    local kinds = {}
    for _, file in ipairs(files) do
      total = total + file.bytes
      kinds[file.kind] = file.is_live
    end

    assert.same({ table = true, log = true, manifest = true, current = true, lock = true }, kinds)
    local space = assert(db:space())
    assert.equal(total, space.total)
    assert.equal(space.tables, space.live + space.garbage)
    assert.is_true(space.free > 0 and space.reserve > 0 and space.wal > 0)
  end)

  it("counts deletes and what they hide as garbage", function()
    for at = 1, 100 do
      db:put("k" .. at, ("v"):rep(100))
    end
    assert(db:flush())
    assert.equal(0, assert(db:space()).garbage)
    for at = 1, 50 do
      db:delete("k" .. at)
    end
    assert(db:flush())

    local space = assert(db:space())

    assert.is_true(space.garbage > 0 and space.live < space.tables)
  end)
end)
