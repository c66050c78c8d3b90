-- Stores whose numbers are nearly used up: writes are refused before one could come twice, and
-- what is there stays readable (K13 C11).
local env = require "spec.support.env"
local fault = require "spec.support.fault"
local manifest = require "spec.support.manifest"
local store = require "spec.support.db"

local SEQ_LAST = 2 ^ 53 - 2 -- 2^53 - 1 stands for "the newest" where rows are looked up.
local FILE_NUMBER_MAX = 999999999999

describe("db numbers", function()
  local files

  before_each(function()
    files = fault.new(1)
  end)

  after_each(function()
    store.close_all()
    env.close_all()
  end)

  -- An empty store whose next numbers these are.
  local function open_at(fields)
    local dir = assert(files:open("/db", true))
    manifest.write(dir, 5, { {
      next_file = fields.next_file or 6, last_seq = fields.last_seq or 0, next_bucket = 2,
      buckets_added = { { id = 1, name = "default" } },
    } })
    assert(manifest.set_current(dir, 5))
    dir:close()
    return store.open(files._p, "/db")
  end

  local function reopen(db)
    assert(db:close())
    return assert(store.open(files._p, "/db"))
  end

  it("of sequences end: batches that do not fit are refused as a whole (K13)", function()
    local db = assert(open_at { last_seq = SEQ_LAST - 3 })
    local room = SEQ_LAST - db:seq()
    assert(db:put("a", "1"))
    local batch = {}
    for at = 1, room do
      batch[at] = { key = "b" .. at, value = "1" }
    end

    local _, code, text = db:batch(batch)
    assert.same({ "READ_ONLY", "sequence numbers are used up" }, { code, text })
    assert.same({ { "a", "1" } }, db:rows())
    for at = 2, room do
      assert(db:put("a", tostring(at)))
    end
    assert.equal(SEQ_LAST, db:seq())
    _, code = db:put("a", "more")
    assert.equal("READ_ONLY", code)

    assert.equal(tostring(room), db:get "a")
    assert(db:check())
    db = reopen(db)
    assert.equal(tostring(room), db:get "a")
    assert.equal(SEQ_LAST, db:seq())
    assert.equal("READ_ONLY", (select(2, db:put("a", "more"))))
  end)

  it("of files end: the store refuses to write and loses nothing (K13)", function()
    local db = assert(open_at { next_file = FILE_NUMBER_MAX - 6 })
    local acked, code, text = 0, nil, nil
    for at = 1, 40 do
      local seq
      seq, code, text = db:put("k" .. at, "v" .. at)
      if not seq then
        break
      end
      acked = at
      db:flush()
    end

    assert.same({ "TOO_LARGE", "file numbers are used up at 999999999999" }, { code, text })
    assert.is_true(acked > 0)
    for at = 1, acked do
      assert.equal("v" .. at, db:get("k" .. at))
    end
    assert(db:check())
    db:close()
    store.close_all()
    for number in assert(files:list "/db"):gmatch "(%d+)%.%a+" do
      assert.is_true(tonumber(number) <= FILE_NUMBER_MAX)
    end
  end)
end)
