-- Rows that a scan shows without making strings: what they tell, and that nothing of them is left
-- when the scan has gone on.
local buffer = require "string.buffer"
local store = require "spec.support.store"

describe("kv.row", function()
  local db
  before_each(function() db = store.open() end)
  after_each(function() db:close() end)

  it("shows each row in turn", function()
    for index = 1, 600 do
      assert(db:put(("k%04d"):format(index), ("v"):rep(index)))
    end
    assert(db:flush())
    assert(db:put("k0002", "", 1000))

    local seen, only = 0, nil
    for row in db:scan { rows = true } do
      seen = seen + 1
      only = only or row
      local size = seen == 2 and 0 or seen
      assert.equal(("k%04d"):format(seen), row:key())
      assert.equal(5, row:key_size())
      assert.equal(size, row:value_size())
      assert.equal(("v"):rep(size), row:value())
      assert.equal(db:get_entry(row:key()).seq, row:seq())
      assert.equal(db:get_entry(row:key()).expires_at, row:expires_at())
      assert.is_true(rawequal(only, row))
    end

    assert.equal(600, seen)
  end)

  it("copies into buffers", function()
    assert(db:put("a", "one"))
    assert(db:put("b", "two"))
    local keys, values = buffer.new(), buffer.new()

    for row in db:scan { rows = true, reverse = true } do
      assert.equal(1, row:key_into(keys))
      assert.equal(3, row:value_into(values))
    end

    assert.equal("ba", tostring(keys))
    assert.equal("twoone", tostring(values))
  end)

  it("has no values with keys_only, but their sizes", function()
    assert(db:put("a", "one"))

    for row in db:scan { rows = true, keys_only = true } do
      assert.equal("a", row:key())
      assert.is_nil(row:value())
      assert.is_nil(row:value_into(buffer.new()))
      assert.equal(3, row:value_size())
    end
  end)

  it("keeps cursor and count of the scan", function()
    assert(db:put("a", "one"))
    assert(db:put("b", "two"))
    local scan = db:scan { rows = true }

    scan()

    assert.equal("a", scan.cursor)
    assert.equal(1, scan.count)
    scan:close()
  end)

  it("shows nothing once the scan has ended, is closed, or its database is", function()
    assert(db:put("a", "one"))
    local function row_of(scan)
      return scan(), scan
    end
    local ended, first = row_of(db:scan { rows = true })
    assert.is_nil(first())
    local closed, second = row_of(db:scan { rows = true })
    second:close()
    local orphan = row_of(db:scan { rows = true })
    db:close()

    for _, row in ipairs { ended, closed, orphan } do
      assert.equal("value: the scan stands on no row", store.misuse(function() row:value() end))
      assert.equal("key_size: the scan stands on no row",
        store.misuse(function() row:key_size() end))
      assert.equal("kv.row(none)", tostring(row))
    end
  end)

  it("refuses misuse", function()
    assert(db:put("a", "one"))
    local row = db:scan { rows = true }()

    assert.equal("value is a method: call it with a colon, row:value(...)",
      store.misuse(function() row.value() end))
    assert.equal("value_into: the buffer is a string.buffer, got a table",
      store.misuse(function() row:value_into({}) end))
    assert.equal("list: option 'rows' is for scan(), and not together with 'entries'",
      store.misuse(function() db:list { rows = true } end))
    assert.equal("scan: option 'rows' is for scan(), and not together with 'entries'",
      store.misuse(function() db:scan { rows = true, entries = true } end))
  end)
end)
