-- A disk that gets full: writes stop in front of the reserve, deletes and compaction live from it,
-- and writing resumes by itself (F7 R02).
local env = require "spec.support.env"
local fault = require "spec.support.fault"
local ffi = require "ffi"
local lib = require "spec.support.lib"
local seed = require "spec.support.seed"
local store = require "spec.support.db"
local tmp = require "spec.support.tmp"

local MIB = 2 ^ 20
local OPTIONS = { memtable_bytes = 256 * 1024, table_bytes = 256 * 1024, memory_bytes = 4 * MIB,
  background_threads = 1, reserve_bytes = 6 * MIB }
local VALUE = seed.new():bytes(1024) -- Does not shrink: the disk is full after few rows.

local function health(db)
  local stats = db:stats()
  return stats.health, ffi.string(stats.health_text)
end

-- Puts until the first failure; returns how many were acknowledged, the code and the text.
local function fill(db, from, options)
  local i = from or 1
  while true do
    local seq, code, text = db:put(("k%07d"):format(i), VALUE .. i, options)
    if not seq then
      return i - 1, code, text
    end
    i = i + 1
  end
end

-- Calls until it works. While a merge runs, its output is on the disk beside its inputs; what it
-- replaced goes a moment later: a refusal in between is right, one for ever is not.
local function eventually(call)
  local deadline = os.time() + 30
  local ok, code, text = call()
  while not ok and code == "NO_SPACE" and os.time() < deadline do
    ok, code, text = call()
  end
  return assert(ok, tostring(code) .. " " .. tostring(text))
end

local function empty(db, first, last)
  for i = first, last do
    eventually(function()
      return db:delete(("k%07d"):format(i), { durability = "os" })
    end)
  end
  eventually(function()
    return db:compact()
  end)
end

local function put_again(db)
  eventually(function()
    return db:put("again", "1")
  end)
end

local function open(files, path, reserve_bytes)
  local options = { reserve_bytes = reserve_bytes or OPTIONS.reserve_bytes }
  for name, value in pairs(OPTIONS) do
    options[name] = options[name] or value
  end
  return store.open(files._p, path or "/db", options)
end

-- Everything that was acknowledged is there, and the store is sound.
local function verify(db, first, last)
  assert.equal(last - first + 1, (db:count()))
  for i = first, last, 37 do
    assert.equal(VALUE .. i, db:get(("k%07d"):format(i)))
  end
  assert(db:check())
end

describe("db.space", function()
  after_each(function()
    store.close_all()
    env.close_all()
  end)

  it("refuses writes in front of the reserve and says so", function()
    local files = fault.new(1)
    files:space(16 * MIB)
    local db = assert(open(files))

    local count, code, text = fill(db, 1, { durability = "os" })

    assert.is_true(count > 500)
    assert.equal("NO_SPACE", code)
    assert.matches("reserve_bytes 6291456, deletes below half", text)
    files:space(MIB)
    local said
    eventually(function() -- A compaction that ends meanwhile frees some.
      count = fill(db, count + 1, { durability = "os" })
      local state
      state, said = health(db)
      return state == lib.LOAM_HEALTH_DEGRADED, "NO_SPACE", "healthy again"
    end)
    -- What comes first: the reserve, or a log that finds no room at all.
    assert.is_truthy(said:find "nearly full" or said:find "No space left")
    verify(db, 1, count)
  end)

  it("lets deletes and compaction through, and writing resumes", function()
    local files = fault.new(1)
    files:space(16 * MIB)
    local db = assert(open(files))
    local count = fill(db, 1, { durability = "os" })

    empty(db, 1, count - 10)

    put_again(db)
    assert.equal(lib.LOAM_HEALTH_OK, (health(db)))
    eventually(function()
      return db:delete "again"
    end)
    verify(db, count - 9, count)
    assert(db:close())
    db = assert(open(files))
    verify(db, count - 9, count)
  end)

  it("resumes when somebody else frees space", function()
    local files = fault.new(1)
    files:space(12 * MIB)
    local db = assert(open(files))
    local count, code = fill(db, 1, { durability = "os" })
    assert.equal("NO_SPACE", code)

    files:space(nil)

    assert.is_number((db:put("again", "1", { durability = "sync" })))
    eventually(function()
      return db:delete "again"
    end)
    verify(db, 1, count)
  end)

  it("does not poison when the next log finds no room", function()
    local files = fault.new(1)
    local db = assert(open(files))
    assert(db:put("a", "1"))
    files:fail { kind = "create", name = ".wal", times = "forever", errno = 28 }

    assert.equal("NO_SPACE", (select(2, db:flush())))
    assert.equal("NO_SPACE", (select(2, db:put("b", "2"))))
    assert.equal("1", db:get "a")
    files:clear()

    assert(db:put("b", "2"))
    assert(db:flush())
    assert.equal("2", db:get "b")
  end)

  it("leaves every acknowledged row of a disk that got full under it", function()
    for round = 1, 12 do
      local files = fault.new(round)
      local db = assert(open(files))
      files:space((2 + round * 0.37) * MIB)
      local count = fill(db, 1, { durability = round % 2 == 0 and "sync" or "os" })
      db:close()
      store.close_all()
      files:space(nil)
      db = assert(open(files), "round " .. round)
      assert.is_true(db:count() >= count and db:count() <= count + 1, "round " .. round)
      assert(db:check())
      assert(db:close())
      env.close_all()
    end
  end)

  it("holds on a real small file system", function()
    local path = tmp.dir()
    finally(function()
      store.close_all()
      env.close_all()
      os.execute("umount " .. path .. " 2>/dev/null")
    end)
    if os.execute("mount -t tmpfs -o size=40m tmpfs " .. path .. " 2>/dev/null") ~= 0 then
      return pending "a tmpfs cannot be mounted: not root"
    end
    local files = env.posix()
    local db = assert(open(files, path .. "/db", 16 * MIB))
    local count, code = fill(db, 1, { durability = "os" })
    assert.equal("NO_SPACE", code)
    verify(db, 1, count)
    empty(db, 1, count - 10)
    put_again(db)
    eventually(function()
      return db:delete "again"
    end)
    assert(db:close())
    db = assert(open(files, path .. "/db", 16 * MIB))
    verify(db, count - 9, count)
    assert(db:close())
  end)
end)
