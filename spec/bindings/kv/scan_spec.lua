-- Scans, forward and backward, against a sorted Lua table.
local seed = require "spec.support.seed"
local store = require "spec.support.store"

local function put_all(db, keys)
  for _, key in ipairs(keys) do
    assert(db:put(key, "v" .. key))
  end
end

local function keys_of(scan)
  local keys = {}
  for key, value in scan do
    assert(value == "v" .. key, "value of " .. key)
    keys[#keys + 1] = key
  end
  return keys
end

local function is_after(key, range)
  if range.reverse then
    return not range.after or key < range.after
  end
  return not range.after or key > range.after
end

local function is_within(key, range)
  return (not range.from or key >= range.from) and (not range.to or key < range.to)
    and (not range.prefix or key:sub(1, #range.prefix) == range.prefix)
end

-- What a scan has to give: the model of ranges.
local function expected(rows, range)
  local keys = {}
  for _, key in ipairs(rows) do
    if is_after(key, range) and is_within(key, range) then
      table.insert(keys, range.reverse and 1 or #keys + 1, key)
    end
  end
  while range.limit and #keys > range.limit do
    keys[#keys] = nil
  end
  return keys
end

describe("kv.scan", function()
  local db
  before_each(function() db = store.open() end)
  after_each(function() db:close() end)

  it("gives rows in key order", function()
    put_all(db, { "b", "", "a\0", "a", "\255" })

    assert.same({ "", "a", "a\0", "b", "\255" }, keys_of(db:scan()))
    assert.same({ "\255", "b", "a\0", "a", "" }, keys_of(db:scan({ reverse = true })))
  end)

  it("takes a prefix, two bounds, or a table", function()
    put_all(db, { "a1", "a2", "b1", "b2", "c" })

    assert.same({ "a1", "a2" }, keys_of(db:scan("a")))
    assert.same({ "a2", "b1" }, keys_of(db:scan("a2", "b2")))
    assert.same({ "b1", "b2", "c" }, keys_of(db:scan("b1", nil, {})))
    assert.same({ "a1" }, keys_of(db:scan(nil, "a2")))
    assert.same({ "b1", "a2" }, keys_of(db:scan("a2", "b2", { reverse = true })))
    assert.same({ "b2" }, keys_of(db:scan({ prefix = "b", from = "b2" })))
    assert.same({}, keys_of(db:scan({ limit = 0 })))
  end)

  it("crosses blocks of rows", function()
    local keys = {}
    for index = 1, 1000 do
      keys[index] = ("%05d"):format(index)
    end
    put_all(db, keys)

    local scan = db:scan()

    assert.same(keys, keys_of(scan))
    assert.equal(1000, scan.count)
    assert.equal("01000", scan.cursor)
    assert.is_nil(scan())
    assert.same(expected(keys, { reverse = true, limit = 700 }),
      keys_of(db:scan({ reverse = true, limit = 700 })))
  end)

  it("tells cursor and count on the way", function()
    put_all(db, { "a", "b", "c" })
    local scan = db:scan()

    assert.is_nil(scan.cursor)
    assert.equal(0, scan.count)
    assert.equal("a", (scan()))
    assert.equal("b", (scan()))
    assert.equal("b", scan.cursor)
    assert.equal(2, scan.count)
    scan:close()
    assert.equal("b", scan.cursor)
    assert.same({ "c" }, keys_of(db:scan({ after = scan.cursor })))
  end)

  it("gives keys alone and entries", function()
    local seq = assert(db:put("a", "value"))

    for key, value in db:scan({ keys_only = true }) do
      assert.equal("a", key)
      assert.is_nil(value)
    end
    for entry in db:scan({ entries = true }) do
      assert.same({ key = "a", value = "value", seq = seq, size = 5 }, entry)
    end
    for entry in db:scan({ entries = true, keys_only = true }) do
      assert.same({ key = "a", seq = seq, size = 5 }, entry)
    end
  end)

  it("sees nothing of what is written after it was opened", function()
    put_all(db, { "a", "b" })
    local scan = db:scan()
    put_all(db, { "c" })
    db:delete("a")

    assert.same({ "a", "b" }, keys_of(scan))
  end)

  it("reads at a snapshot", function()
    put_all(db, { "a" })
    local snapshot = assert(db:snapshot())
    put_all(db, { "b" })

    assert.same({ "a" }, keys_of(db:scan({ snapshot = snapshot })))
    assert.same({ "a" }, keys_of(snapshot:scan()))
    assert.equal(1, snapshot:count())
    assert.equal(2, db:count())
  end)

  it("lists with a cursor only when there is more", function()
    put_all(db, { "a", "b", "c" })

    local rows, cursor = db:list({ limit = 2 })
    local rest, no_cursor = db:list({ limit = 2, after = cursor })
    local exact, nothing_left = db:keys({ limit = 3 })

    assert.same({ "a", "b" }, { rows[1].key, rows[2].key })
    assert.equal("va", rows[1].value)
    assert.equal("b", cursor)
    assert.same({ "c" }, { rest[1].key })
    assert.is_nil(no_cursor)
    assert.same({ "a", "b", "c" }, exact)
    assert.is_nil(nothing_left)
    assert.same({ "a", "b", "c" }, (db:list({ keys_only = true })))
    assert.same({}, (db:list({ limit = 0 })))
  end)

  it("stops a list at max_bytes, with a cursor", function()
    put_all(db, { "a", "b", "c" })

    local rows, cursor = db:list({ max_bytes = 4 })
    local keys, key_cursor = db:keys({ max_bytes = 1 })

    assert.equal(2, #rows)
    assert.equal("b", cursor)
    assert.same({ "a" }, keys)
    assert.equal("a", key_cursor)
  end)

  it("finds the first and the last row of a range", function()
    put_all(db, { "a1", "a2", "b1" })

    assert.same({ "a1", "va1" }, { db:first() })
    assert.same({ "b1", "vb1" }, { db:last() })
    assert.same({ "a2", "va2" }, { db:last("a") })
    assert.same({ "a2", "va2" }, { db:first({ after = "a1" }) })
    assert.is_nil(db:first("x"))
    assert.is_nil(db:last({ from = "x" }))
  end)

  it("counts", function()
    put_all(db, { "a1", "a2", "b1" })

    assert.equal(3, db:count())
    assert.equal(2, db:count("a"))
    assert.equal(1, db:count("a2", "b1"))
    assert.equal(2, db:count({ limit = 2 }))
    assert.equal(0, db:count({ limit = 0 }))
  end)

  it("ends itself, and closes twice", function()
    put_all(db, { "a", "b" })
    local scan = db:scan()

    assert.equal(1, db:stats().scan_count)
    keys_of(scan)
    assert.equal(0, db:stats().scan_count)
    scan:close()
    scan:close()

    local open = db:scan()
    open()
    open:close()
    open:close()
    assert.equal(0, db:stats().scan_count)
    assert.equal("scan: scan is closed", store.misuse(function() open() end))
  end)

  it("raises for ranges that are none", function()
    assert.equal("scan: unknown option 'prefx'; did you mean 'prefix'?",
      store.misuse(function() db:scan({ prefx = "a" }) end))
    assert.equal("scan: a range is a table or a prefix, got a number",
      store.misuse(function() db:scan(5) end))
    assert.equal("scan: 'to' is a string, got a number",
      store.misuse(function() db:scan("a", 5) end))
    assert.equal("scan: 'from' is given twice",
      store.misuse(function() db:scan("a", "b", { from = "c" }) end))
    assert.equal("list: a range table is the only argument",
      store.misuse(function() db:list({}, "b") end))
    assert.matches("^scan: option 'limit' is a whole number",
      store.misuse(function() db:scan({ limit = -1 }) end))
  end)

  it("agrees with a sorted table on random ranges #fuzz", function()
    local random = seed.new()
    local present, rows = {}, {}
    for _ = 1, 600 do
      local key = random:bytes(random:int(0, 4), "ab\0\255")
      if random:int(1, 4) == 1 then
        assert(db:delete(key))
        present[key] = nil
      else
        assert(db:put(key, "v" .. key))
        present[key] = true
      end
    end
    for key in pairs(present) do
      rows[#rows + 1] = key
    end
    table.sort(rows)
    local function bound(chance)
      return random:int(1, chance) == 1 and random:bytes(random:int(0, 3), "ab\0\255") or nil
    end

    for _ = 1, 300 do
      local range = {
        from = bound(2), to = bound(2), prefix = bound(4), after = bound(3),
        reverse = random:int(1, 2) == 1, limit = random:int(1, 3) == 1 and random:int(1, 9) or nil,
      }
      assert.same(expected(rows, range), keys_of(db:scan(range)))
      assert.same(expected(rows, range), (db:keys(range)))
      assert.equal(#expected(rows, range), db:count(range))
    end
  end)

  it("walks all rows by cursors in both directions #fuzz", function()
    local random = seed.new(1)
    local rows = {}
    for index = 1, 300 do
      rows[index] = ("%04d"):format(index * 7)
    end
    put_all(db, rows)

    for _, is_reverse in ipairs({ false, true }) do
      local walked, cursor = {}, nil
      repeat
        local page
        page, cursor = db:keys({ after = cursor, limit = random:int(1, 40), reverse = is_reverse })
        for _, key in ipairs(page) do
          walked[#walked + 1] = key
        end
      until not cursor
      assert.same(expected(rows, { reverse = is_reverse }), walked)
    end
  end)
end)
