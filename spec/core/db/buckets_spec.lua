-- Buckets and content types: what names and options are refused, and that a change which ran out of
-- memory is made as a whole or not at all (R01).
local cdef = require "spec.support.cdef"
local env = require "spec.support.env"
local fault = require "spec.support.fault"
local ffi = require "ffi"
local lib = require "spec.support.lib"
local store = require "spec.support.db"

cdef.load("base/memory.h")

local FOREVER = 0xffffffffffffffffULL

describe("db.buckets", function()
  local db

  before_each(function()
    db = assert(store.open(fault.new(1)._p, "/db"))
  end)

  after_each(function()
    lib.memory_fail_at(FOREVER, 0)
    store.close_all()
    env.close_all()
  end)

  local function content_type(name)
    local id = ffi.new("uint32_t[1]")
    local rc = lib.loam_content_type_id(db._p, name, #name, id, db._err)
    local ok, code, text = env.answer(rc, db._err)
    return ok and id[0], code, text
  end

  -- Calls with the n-th allocation failing, n = 0, 1, ..., and after each failure judge(). Ends
  -- with the first call that needs fewer.
  local function failing_everywhere(call, judge)
    local n, ok = 0, nil
    while not ok do
      local code
      lib.memory_fail_at(n, 1)
      ok, code = call()
      lib.memory_fail_at(FOREVER, 0)
      if not ok then
        assert.equal("NO_MEMORY", code)
        judge()
      end
      n = n + 1
    end
    assert.is_true(n > 2, "there are allocations that can fail")
  end

  it("can be made once there is memory", function()
    failing_everywhere(function() return db:bucket("b", { create = true }) end, function()
      assert.equal("NOT_FOUND", (select(2, db:bucket "b")))
    end)

    db._bucket = assert(db:bucket("b", { create = true }))
    assert(db:put("a", "1"))
    assert.equal("1", db:get "a")
  end)

  it("can be dropped once there is memory, and take writes until then", function()
    db._bucket = assert(db:bucket("b", { create = true }))
    failing_everywhere(function() return db:drop_bucket "b" end, function()
      assert(db:put("a", "1"))
      assert.equal(db._bucket, (db:bucket "b"))
    end)

    assert.equal("CLOSED", (select(2, db:put("a", "1"))))
    assert.equal("NOT_FOUND", (select(2, db:bucket "b")))
  end)

  -- Error paths of buckets.c

  it("refuses names and merge operators", function()
    local _, code, text = db:bucket("", { create = true })
    assert.same({ "INVALID", "bucket name has 0 characters; it takes 1 to 64" }, { code, text })
    _, code = db:bucket(("b"):rep(65), { create = true })
    assert.equal("INVALID", code)
    _, code, text = db:bucket("a b", { create = true })
    assert.same({ "INVALID", "bucket name 'a b' has a character outside A-Z a-z 0-9 . _ -" },
      { code, text })
    for _, merge in ipairs { -1, 5 } do
      _, code, text = db:bucket("m", { create = true, merge = merge })
      assert.same({ "INVALID", "unknown merge operator " .. merge }, { code, text })
    end
    _, code, text = db:drop_bucket "none"
    assert.same({ "NOT_FOUND", "no bucket 'none'" }, { code, text })
    _, code, text = db:drop_bucket "default"
    assert.same({ "INVALID", "bucket 'default' cannot be dropped" }, { code, text })
  end)

  it("refuses content types that no header could carry", function()
    local id = assert(content_type "text/plain")
    assert.equal(id, content_type "text/plain")
    assert.equal("text/plain", ffi.string(lib.loam_content_type_name(db._p, id)))

    for _, name in ipairs { "", ("t"):rep(128) } do
      local _, code, text = content_type(name)
      assert.equal("TOO_LARGE", code)
      assert.equal(("content type of %d bytes; it takes 1 to 127"):format(#name), text)
    end
    for _, name in ipairs { "text/plain\r\nX: y", "text\0", "caf\233" } do
      local _, code, text = content_type(name)
      assert.same({ "INVALID", "content type has a byte outside printable ASCII" }, { code, text })
    end
  end)
end)
