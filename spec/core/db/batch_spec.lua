-- Operations and batches that are refused when they are added, and options of a commit: nothing of
-- them is kept.
local env = require "spec.support.env"
local fault = require "spec.support.fault"
local ffi = require "ffi"
local lib = require "spec.support.lib"
local store = require "spec.support.db"

local MIB = 2 ^ 20

describe("db.batch", function()
  local batch, err, db

  before_each(function()
    batch, err = ffi.gc(lib.loam_batch_new(), lib.loam_batch_free), ffi.new("loam_error")
    db = assert(store.open(fault.new(1)._p, "/db"))
  end)

  after_each(function()
    store.close_all()
    env.close_all()
  end)

  -- Adds an operation whose members `fields` overrides; returns code and text.
  local function refused(fields)
    local op = db:op { key = "k", value = "v" }
    for name, value in pairs(fields) do
      op[name] = value
    end
    local ok, code, text = env.answer(lib.loam_batch_add(batch, op, err), err)
    assert.is_nil(ok)
    assert.equal(0, tonumber(lib.loam_batch_count(batch)))
    assert.equal(0, tonumber(lib.loam_batch_bytes(batch)))
    return { code, text }
  end

  -- Error paths of batch.c: sizes are refused before a byte is read.

  it("names what is wrong with an operation", function()
    assert.same({ "INVALID", "unknown operation kind 0" }, refused { kind = 0 })
    assert.same({ "INVALID", "unknown operation kind 7" }, refused { kind = 7 })
    assert.same({ "INVALID", "unknown condition -1" }, refused { condition = -1 })
    assert.same({ "INVALID", "unknown condition 5" }, refused { condition = 5 })
    assert.same({ "INVALID", "unknown content type 1001" }, refused { content_type = 1001 })
    for _, number in ipairs { math.huge, -math.huge, 0 / 0 } do
      assert.same({ "INVALID", "an increment must be a finite number" },
        refused { kind = 4, by = number })
      assert.same({ "INVALID", "an increment must be a finite number" },
        refused { kind = 4, init = number, has_init = true })
    end
    assert.same({ "TOO_LARGE", "key of 65537 bytes is over key_bytes_max 65536" },
      refused { key_size = 65537 })
    assert.same({ "TOO_LARGE", "value of 67108865 bytes is over value_bytes_max 67108864" },
      refused { value_size = 64 * MIB + 1 })
    assert.same({ "TOO_LARGE", "if_value of 67108865 bytes is over value_bytes_max 67108864" },
      refused { condition = 4, if_value_size = 64 * MIB + 1 })
  end)

  it("names the limit of a store that a batch is over, and writes nothing", function()
    assert(db:close())
    db = assert(store.open(fault.new(2)._p, "/db", { batch_bytes_max = 1024 }))
    local ops = {}
    for at = 1, 11 do
      ops[at] = { key = "k" .. at, value = ("v"):rep(100) }
    end

    local _, code, text = db:batch(ops)

    assert.equal("TOO_LARGE", code)
    assert.matches("^batch of %d+ bytes is over batch_bytes_max 1024$", text)
    assert.same({}, db:rows())
  end)

  it("refuses a result that is no number and a value that grows too large", function()
    assert(db:close())
    db = assert(store.open(fault.new(3)._p, "/db", { value_bytes_max = 8 }))
    assert(db:apply { kind = "incr", key = "n", by = 1e308, init = 0, has_init = true })
    local _, code, text = db:apply { kind = "incr", key = "n", by = 1e308 }
    assert.same({ "INVALID", "the result is no finite number" }, { code, text })
    assert(db:put("a", "12345"))
    _, code, text = db:apply { kind = "append", key = "a", value = "6789" }
    assert.same({ "TOO_LARGE", "value of 9 bytes is over value_bytes_max 8" }, { code, text })

    assert.equal("1e+308", db:get "n")
    assert.equal("12345", db:get "a")
  end)

  it("refuses a durability that there is not", function()
    local commit, outcome = ffi.new("loam_commit"), ffi.new("loam_outcome")
    for _, durability in ipairs { -1, 4 } do
      commit.durability = durability
      local rc = lib.loam_apply(db._p, db:op { key = "k", value = "v" }, commit, outcome, err)
      assert.equal(lib.LOAM_INVALID, rc)
      assert.equal("unknown durability " .. durability, ffi.string(err.text))
    end
    assert.same({}, db:rows())
  end)

  it("reads a row for a condition from a file that cannot be read: the write fails", function()
    local files = fault.new(4)
    db = assert(store.open(files._p, "/read"))
    assert(db:put("k", "v"))
    assert(db:flush())
    assert(db:close())
    db = assert(store.open(files._p, "/read"))
    files:fail { kind = "read", name = ".sst", times = "forever" }

    local _, code = db:apply { key = "k", value = "w", condition = "present" }
    assert.equal("IO", code)
    assert(db:put("other", "1"))

    files:clear()
    assert.equal("v", db:get "k")
    assert(db:apply { key = "k", value = "w", condition = "present" })
  end)
end)
