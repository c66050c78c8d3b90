-- The next log is made while one is written, and the last one sealed behind: what is there after a
-- crash at any of these moments.
local crash = require "spec.support.crash"
local env = require "spec.support.env"
local fault = require "spec.support.fault"
local seed = require "spec.support.seed"
local store = require "spec.support.db"
local wal = require "spec.support.wal"

local OPTIONS = { log_ahead = true }
for name, value in pairs(crash.OPTIONS) do
  OPTIONS[name] = value
end
local STEPS, SYNC_EVERY, NO_FLUSH = 420, 5, 100000
local UUID_AT = 32
local held -- Files that let syncs wait.

local function open(files, options)
  return store.open(files._p, "/db", options or OPTIONS)
end

local function run_until_crash(files, count)
  files:crash_after(count)
  local db = open(files)
  if not db then
    return { attempted = 0, acked = 0, synced = 0, seq = 0 }
  end
  local result = crash.run(db, 1, STEPS, SYNC_EVERY, NO_FLUSH)
  db:close()
  return result
end

local function total_ops()
  local files = fault.new(1)
  local db = assert(open(files))
  crash.run(db, 1, STEPS, SYNC_EVERY, NO_FLUSH)
  assert(db:close())
  return files:op_count()
end

-- Numbers of the logs in a directory, in order.
local function logs(files)
  local numbers = {}
  for name in assert(files:list "/db"):gmatch "(%d+)%.wal" do
    numbers[#numbers + 1] = tonumber(name)
  end
  table.sort(numbers)
  return numbers
end

local function read(files, number)
  local bytes = assert(files:read_file("/db", wal.name(number)))
  local dir = assert(files:open "/db")
  local got = assert(wal.read(dir, number, { id = wal.id(bytes:sub(UUID_AT + 1, UUID_AT + 16)) }))
  dir:close()
  return got
end

local function put_row(db, number)
  return assert(db:put(("key-%05d"):format(number), ("v"):rep(100), { durability = "os" }))
end

-- Writes rows until the next log has been made. Returns how many there are, from `from` on.
local function fill_until_made(files, db, from)
  local count = from
  while #logs(files) < 2 do
    count = count + 1
    put_row(db, count)
  end
  return count
end

-- Writes rows until one log is written to and the one before it not sealed, because the disk hangs
-- at a sync: files:hold() lets it go on. Returns the numbers of both, how many rows there are and
-- how many the older one has.
local function fill_until_two(files, db)
  local count = fill_until_made(files, db, 0)
  local older, newer = unpack(logs(files))
  files:hold "sync"
  held = files
  repeat
    count = count + 1
    put_row(db, count)
  until #read(files, newer).payloads > 0
  assert.not_equal("sealed", read(files, older).ended)
  assert.equal(count - 1, #read(files, older).payloads)
  return older, newer, count, count - 1
end

-- The process ends at once; what it had written is there, or what the mode leaves.
local function kill(files, db)
  files:crash_after(0)
  files:hold()
  db:close()
  files:clear()
  assert(files:reboot("kill", 1))
end

local function row_count(db)
  return #assert(db:rows())
end

describe("db.log_ahead", function()
  local files

  before_each(function()
    files = fault.new(seed.value)
  end)

  after_each(function()
    if held then
      held:hold()
      held = nil
    end
    store.close_all()
    env.close_all()
  end)

  for _, mode in ipairs { "lose", "random", "kill" } do
    it("leaves a prefix that holds every durable commit, wherever it crashes: " .. mode
      .. " (C01 C03 C05 C07)", function()
      for n = 1, total_ops(), 2 do
        files = fault.new(n)
        local result = run_until_crash(files, n)
        files:clear()
        assert(files:reboot(mode, seed.value + n))

        local context = ("mode %s, operation %d"):format(mode, n)
        local db, _, text = open(files)
        assert(db, context .. ": " .. tostring(text))
        crash.verify(db, crash.least(result, mode), result.attempted, context)
        assert(db:close(), context)
        store.close_all()
        env.close_all()
      end
    end)
  end

  it("goes on in a log that names the one before it, which is not sealed yet", function()
    local db = assert(open(files))
    local older, newer = fill_until_two(files, db)

    local first, second = read(files, older), read(files, newer)
    assert.equal("open", first.ended)
    assert.same(first.link, second.previous)
    assert.equal(0, second.records[1].durable_upto)
  end)

  it("loses nothing when the process is killed between two logs (C03)", function()
    local db = assert(open(files))
    local _, _, count = fill_until_two(files, db)
    kill(files, db)

    db = assert(open(files))
    assert.equal(count, row_count(db))
  end)

  it("leaves out a log whose writes were never durable behind one that lost its tail (C07 C11)",
    function()
      local db = assert(open(files))
      local older, _, _, older_count = fill_until_two(files, db)
      local given_out = assert(db:put("last", "x", { durability = "os" }))
      local position = read(files, older).position
      kill(files, db)
      assert(files:truncate("/db", wal.name(older), position - 1))

      db = assert(open(files))
      assert.equal(older_count - 1, row_count(db))
      assert.is_true(assert(db:put("new", "1")) > given_out)
    end)

  it("takes a lost tail for damage once anything behind it was synced (B01)", function()
    local db = assert(open(files))
    local older = fill_until_two(files, db)
    local position = read(files, older).position
    files:fail { kind = "create", name = ".sst", times = "forever" }
    files:hold()
    assert(db:put("synced", "1", { durability = "sync" }))
    assert.equal("sealed", read(files, older).ended)
    assert(db:put("behind", "1", { durability = "os" }))
    kill(files, db)
    assert(files:truncate("/db", wal.name(older), position - 1))

    local opened, code, text = open(files)
    assert.is_nil(opened)
    assert.equal("CORRUPT", code)
    assert.truthy(text:find("ends early, and another log follows it", 1, true), text)

    local options = { wal_recovery = 1 }
    for name, value in pairs(OPTIONS) do
      options[name] = value
    end
    db = assert(open(files, options))
    assert.is_nil((db:get "synced"))
  end)

  it("acknowledges no synced write when the log before it cannot be sealed (D01)", function()
    local db = assert(open(files))
    fill_until_two(files, db)
    files:fail { kind = "sync", name = ".wal", times = 1 }
    files:hold()

    local seq, code = db:put("synced", "1", { durability = "sync" })
    assert.is_nil(seq)
    assert.equal("UNKNOWN_OUTCOME", code)
    seq, code = db:put("later", "1", { durability = "os" })
    assert.is_nil(seq)
    assert.equal("READ_ONLY", code)
  end)

  it("gives the unused log back when it closes, and when it flushes", function()
    local db = assert(open(files))
    local count = fill_until_made(files, db, 0)
    assert.equal(logs(files)[1], tonumber(db:stats().wal_number))
    assert(db:flush())
    assert.equal(1, #logs(files))
    assert.equal(logs(files)[1], tonumber(db:stats().wal_number))
    count = fill_until_made(files, db, count)
    assert(db:close())
    assert.same({}, logs(files))
    db = assert(open(files))
    assert.equal(count, row_count(db))
  end)

  it("goes on without a log that cannot be made ahead", function()
    local db = assert(open(files))
    files:fail { kind = "create", name = ".wal", times = 1 }
    for number = 1, 1500 do
      put_row(db, number)
    end
    assert.equal(1, files:hits())
    assert.equal(1500, row_count(db))
  end)
end)
