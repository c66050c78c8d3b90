-- Writing through the C API: conditions, operations on numbers, batches, limits, durability.
local env = require "spec.support.env"
local fault = require "spec.support.fault"
local store = require "spec.support.db"

describe("db.write", function()
  local files, db

  before_each(function()
    files = fault.new(1)
    db = assert(store.open(files._p, "/db"))
  end)

  after_each(function()
    store.close_all()
    env.close_all()
  end)

  it("belongs to one handle at a time", function()
    local _, code = store.open(files._p, "/db")

    assert.equal("BUSY", code)
    assert(db:close())
    assert(assert(store.open(files._p, "/db")):close())
  end)

  it("puts, replaces and deletes", function()
    local first = assert(db:put("a", "1"))
    local second = assert(db:put("a", "2"))

    assert.equal(first + 1, second)
    assert.equal("2", db:get "a")
    assert.equal(second, db:meta("a").seq)
    assert(db:delete "a")
    assert.is_nil(db:get "a")
    assert(db:delete "a", "deleting what is absent is fine")
  end)

  it("takes empty keys and values, NUL and 0xff bytes (R04)", function()
    for _, key in ipairs { "", "\0", "\0\0", "\255", "a\0b", ("\255"):rep(300) } do
      assert(db:put(key, key .. "!"))
      assert(db:put(key .. "e", ""))
    end
    for _, key in ipairs { "", "\0", "\0\0", "\255", "a\0b", ("\255"):rep(300) } do
      assert.equal(key .. "!", db:get(key))
      assert.equal("", db:get(key .. "e"))
    end
  end)

  it("takes keys and values up to their limits and names the limit beyond (R04)", function()
    assert(db:put(("k"):rep(65536), ("v"):rep(2 ^ 20)))
    assert.equal(2 ^ 20, #db:get(("k"):rep(65536)))

    local _, code, text = db:put(("k"):rep(65537), "")
    assert.equal("TOO_LARGE", code)
    assert.equal("key of 65537 bytes is over key_bytes_max 65536", text)
    assert.is_nil(db:get(("k"):rep(65537)))
  end)

  it("obeys the limits of its own options", function()
    assert(db:close())
    db = assert(store.open(files._p, "/db", { key_bytes_max = 4, value_bytes_max = 8 }))

    assert(db:put("1234", "12345678"))
    local _, code, text = db:put("12345", "")
    assert.equal("TOO_LARGE", code)
    assert.equal("key of 5 bytes is over key_bytes_max 4", text)
    _, code = db:put("1", "123456789")
    assert.equal("TOO_LARGE", code)
  end)

  it("judges if_absent and if_present", function()
    local seq = assert(db:apply { key = "a", value = "1", condition = "absent" }).seq

    local _, code, _, outcome = db:apply { key = "a", value = "2", condition = "absent" }
    assert.same({ "EXISTS", seq }, { code, outcome.current_seq })
    _, code = db:apply { key = "b", value = "2", condition = "present" }
    assert.equal("NOT_FOUND", code)
    assert(db:apply { key = "a", value = "3", condition = "present" })
    assert.equal("3", db:get "a")
    assert.is_nil(db:get "b")
  end)

  it("judges if_seq; 0 means absent", function()
    local seq = assert(db:apply { key = "a", value = "1", condition = "seq", if_seq = 0 }).seq

    local _, code, _, outcome = db:apply { key = "a", value = "2", condition = "seq", if_seq = 99 }
    assert.same({ "MISMATCH", seq, "1" }, { code, outcome.current_seq, outcome.previous })
    assert(db:apply { key = "a", value = "2", condition = "seq", if_seq = seq })
    assert.equal("2", db:get "a")
  end)

  it("judges if_value", function()
    assert(db:put("a", "1"))

    local _, code, _, outcome =
      db:apply { key = "a", value = "3", condition = "value", if_value = "2" }
    assert.same({ "MISMATCH", "1" }, { code, outcome.previous })
    assert(db:apply { key = "a", value = "3", condition = "value", if_value = "1" })
    _, code = db:apply { kind = "delete", key = "b", condition = "value", if_value = "" }
    assert.equal("MISMATCH", code)
    assert.equal("3", db:get "a")
  end)

  it("applies nothing of a batch when one condition fails, and tells which", function()
    assert(db:put("c", "old"))
    local _, code, _, index = db:batch {
      { key = "a", value = "1" },
      { key = "b", value = "1" },
      { key = "c", value = "1", condition = "absent" },
    }

    assert.same({ "EXISTS", 2 }, { code, index })
    assert.same({ { "c", "old" } }, db:rows())
  end)

  it("lets an operation see what the same batch did before it", function()
    assert(db:batch {
      { key = "n", value = "5" },
      { kind = "incr", key = "n", by = 2 },
      { key = "n2", value = "x", condition = "absent" },
      { key = "n2", value = "y", condition = "present" },
      { kind = "delete", key = "n2", condition = "value", if_value = "y" },
      { kind = "append", key = "n", value = "0" },
    })

    assert.same({ { "n", "70" } }, db:rows())
  end)

  it("increments decimal numbers", function()
    local _, code = db:apply { kind = "incr", key = "n", by = 1 }
    assert.equal("NOT_FOUND", code)
    local first = assert(db:apply { kind = "incr", key = "n", by = 1, init = 10, has_init = true })
    assert.equal(11, first.number)
    assert.equal(-4.5, db:apply({ kind = "incr", key = "n", by = -15.5 }).number)
    assert.equal("-4.5", db:get "n")
    assert(db:put("n", "9007199254740991"))
    assert.equal(9007199254740991, db:apply({ kind = "incr", key = "n", by = 0 }).number)
    for _, text in ipairs { "", "x", " 1", "1 ", "0x10", "inf", "nan", ("1"):rep(70), "1e999" } do
      assert(db:put("n", text))
      _, code = db:apply { kind = "incr", key = "n", by = 1 }
      assert.equal("INVALID", code, text)
    end
  end)

  it("merges by the bucket's operator", function()
    local cases = { [1] = { "3", "4", "7" }, [2] = { "3", "4", "4" }, [3] = { "3", "4", "3" },
      [4] = { "3", "4", "34" } }
    for operator, case in pairs(cases) do
      db._bucket = assert(db:bucket("m" .. operator, { create = true, merge = operator }))
      assert(db:apply { kind = "merge", key = "k", value = case[1] })
      assert(db:apply { kind = "merge", key = "k", value = case[2] })
      assert.equal(case[3], db:get "k")
    end
    db._bucket = 1
    local _, code, text = db:apply { kind = "merge", key = "k", value = "1" }
    assert.same({ "INVALID", "the bucket has no merge operator" }, { code, text })
  end)

  it("reports whether a row was there, and its value", function()
    local outcome = assert(db:apply { key = "a", value = "1", report_previous = true })
    assert.is_false(outcome.existed)
    outcome = assert(db:apply { key = "a", value = "2", want_previous = true })
    assert.same({ true, "1" }, { outcome.existed, outcome.previous })
    outcome = assert(db:apply { kind = "delete", key = "a", want_previous = true })
    assert.same({ true, "2" }, { outcome.existed, outcome.previous })
  end)

  it("reports for each of the first 256 operations of a batch whether its row was there", function()
    assert(db:put("k2", "old"))
    local batch = {}
    for at = 1, 270 do
      batch[at] = { key = "k" .. (at - 1) % 250, value = "v", report_previous = true }
    end
    local _, outcome = assert(db:batch(batch))

    for at = 0, 255 do
      local word = outcome.existed_bits[math.floor(at / 64)]
      local existed = bit.band(bit.rshift(word, at % 64), 1) == 1
      assert.equal(at == 2 or at >= 250, existed)
    end
    assert.is_true(outcome.existed)
  end)

  it("derives a row from one that the same batch has put, of any size", function()
    for _, size in ipairs { 10, 1000, 300000, 3000000 } do
      local value = ("v"):rep(size)
      assert(db:batch { { key = "a", value = value },
        { kind = "touch", key = "a", ttl_ms = 1000000 },
        { kind = "touch", key = "a", no_expiry = true },
        { kind = "append", key = "a", value = "x" },
        { kind = "touch", key = "a", ttl_ms = 1000000 },
        { key = "b", value = "1", report_previous = true } })

      assert.is_true(db:get "a" == value .. "x")
      assert.equal("1", db:get "b")
    end
  end)

  it("hides rows when their time is over, and keeps them until then", function()
    files:set_wall_ms(1000000)
    assert(db:apply { key = "a", value = "1", ttl_ms = 500 })
    assert(db:apply { key = "b", value = "1", expire_at_ms = 1000800 })
    assert.equal(1000500, db:meta("a").expire_at_ms)

    files:set_wall_ms(1000499)
    assert.equal("1", db:get "a")
    files:set_wall_ms(1000500)
    assert.is_nil(db:get "a")
    assert.same({ { "b", "1" } }, db:rows())
    assert(db:apply { key = "a", value = "2", condition = "absent" })
    assert(db:apply { kind = "touch", key = "b", no_expiry = true })
    files:set_wall_ms(2000000)
    assert.same({ { "a", "2" }, { "b", "1" } }, db:rows())
  end)

  it("gives rows of a bucket its default time to live", function()
    files:set_wall_ms(1000)
    db._bucket = assert(db:bucket("short", { create = true, ttl_ms = 100 }))
    assert(db:put("a", "1"))
    assert(db:apply { key = "b", value = "1", no_expiry = true })
    assert(db:apply { key = "c", value = "1", ttl_ms = 5000 })

    assert.equal(1100, db:meta("a").expire_at_ms)
    files:set_wall_ms(1101)
    assert.same({ { "b", "1" }, { "c", "1" } }, db:rows())
  end)

  it("keeps buckets apart and atomic together", function()
    local other = assert(db:bucket("other", { create = true }))
    assert(db:batch { { key = "k", value = "1" }, { key = "k", value = "2", bucket = other } })

    assert.equal("1", db:get "k")
    db._bucket = other
    assert.equal("2", db:get "k")
    assert.equal(1, #db:rows())
  end)

  it("refuses writes to a dropped bucket and shows none of its rows again", function()
    db._bucket = assert(db:bucket("gone", { create = true }))
    assert(db:put("a", "1"))
    assert(db:drop_bucket "gone")

    local _, code, text = db:put("b", "1")
    assert.equal("CLOSED", code)
    assert.truthy(text:find("does not exist or was dropped", 1, true))
    _, code = db:get "a"
    assert.equal("CLOSED", code)
    _, code = db:rows()
    assert.equal("CLOSED", code)
    db._bucket = assert(db:bucket("gone", { create = true }))
    assert.is_nil(db:get "a")
    assert(db:compact())
    assert.same({}, db:rows())
  end)

  it("syncs once per sync write, and not for os writes", function()
    local before = tonumber(db:stats().syncs)
    assert(db:put("a", "1", { durability = "os" }))
    assert.equal(before, tonumber(db:stats().syncs))
    assert(db:put("a", "2", { durability = "sync" }))
    assert.equal(before + 1, tonumber(db:stats().syncs))
    assert.equal(db:seq(), db:durable_seq())
  end)

  it("makes os writes durable when asked", function()
    assert(db:put("a", "1", { durability = "os" }))
    assert.is_true(db:durable_seq() < db:seq())
    assert(db:sync())
    assert.equal(db:seq(), db:durable_seq())
  end)

  it("answers STALLED with a predicted wait instead of hanging past a deadline", function()
    assert(db:close())
    db = assert(store.open(files._p, "/stall", { memtable_bytes = 65536 }))
    files:fail { kind = "create", name = ".sst", times = "forever" }
    local code, text, outcome
    for i = 1, 2000 do
      local result
      result, code, text, outcome = db:apply(
        { key = "k" .. i, value = ("v"):rep(1000) }, { durability = "os", deadline_ms = 20 })
      if not result then
        break
      end
    end

    assert.is_true(code == "STALLED", tostring(code) .. " " .. tostring(text))
    assert.truthy(outcome)
    files:clear()
  end)

  it("answers a flush that cannot happen, however many memtables wait already", function()
    assert(db:close())
    db = assert(store.open(files._p, "/full", { memtable_bytes = 65536 }))
    files:fail { kind = "create", name = ".sst", times = "forever" }
    for i = 1, 12 do
      db:put("k" .. i, "v")
      local _, code = db:flush()
      assert.truthy(code == "IO" or code == "STALLED", code)
    end
    files:clear()
    local deadline = os.clock() + 30
    repeat
      local is_flushed = db:flush()
    until is_flushed or os.clock() > deadline
    assert.equal("v", db:get "k1")
  end)

  it("tells a failing compaction apart from a failing flush (D08)", function()
    assert(db:put("a", "1"))
    assert(db:flush())
    assert(db:close()) -- The blocks of a new table are resident: nothing would be read.
    db = assert(store.open(files._p, "/db"))
    local first = files:list("/db"):match("(%d+%.sst)")
    files:fail { kind = "read", name = first, times = "forever" }
    assert(db:put("b", "1"))
    local _, code = db:compact() -- The flush still works; the compaction cannot read its input.
    assert.equal("IO", code)
    assert.equal(1, db:stats().health)
    assert(db:put("c", "1"))
    assert(db:flush())
    assert.equal(1, db:stats().health)

    files:clear()
    assert(db:compact())
    assert.equal(0, db:stats().health)
  end)
end)
