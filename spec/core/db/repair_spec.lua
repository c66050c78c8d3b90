-- Repair: every way to damage a store, and every row that could still be read must be there (B09).
--
-- Method: the workload of spec/support/crash.lua, whose every state is known; damage; repair; open;
-- compare. Where rows are lost with a block, all others must be as they were.
local admin = require "spec.support.admin"
local crash = require "spec.support.crash"
local env = require "spec.support.env"
local fault = require "spec.support.fault"
local seed = require "spec.support.seed"
local store = require "spec.support.db"

local STEPS = 400

-- A store after STEPS steps: closed cleanly, or killed with rows in its logs.
local function made(mode, steps)
  local files = fault.new(1)
  local db = assert(crash.open(files))
  local result = crash.run(db, 1, steps or STEPS, 1)
  assert.equal(steps or STEPS, result.acked)
  if mode == "clean" then
    assert(db:close())
  else
    files:crash_after(0)
    db:close()
    files:clear()
    assert(files:reboot("lose", 1))
  end
  store.close_all()
  return files
end

local function names(files, pattern, path)
  local list = {}
  for name in files:list(path or "/db"):gmatch "(%S+) %d+ %d+" do
    if name:match(pattern) then
      list[#list + 1] = name
    end
  end
  return list
end

local function size_of(files, wanted)
  for name, size in files:list("/db"):gmatch "(%S+) (%d+) %d+" do
    if name == wanted then
      return tonumber(size)
    end
  end
end

local function repair(files, context)
  local report, code, text = admin.repair(files._p, "/db")
  assert(report, ("%s: repair: %s %s"):format(context, tostring(code), tostring(text)))
  return report
end

local function reopened(files, context, report)
  local db, code, text = store.open(files._p, "/db", crash.OPTIONS)
  assert(db, ("%s: %s %s\n%s"):format(context, tostring(code), tostring(text), report or ""))
  return db
end

local function verify_all(files, context, steps)
  local report = repair(files, context)
  local db = reopened(files, context, report)
  crash.verify(db, steps or STEPS, steps or STEPS, context .. "\n" .. report)
  assert(db:put("after repair", "1"))
  assert(db:close())
  return report
end

describe("db.repair", function()
  after_each(function()
    store.close_all()
    env.close_all()
  end)

  for _, mode in ipairs { "clean", "killed" } do
    it("changes nothing about the rows of a sound store: " .. mode, function()
      verify_all(made(mode), mode)
    end)

    it("does without CURRENT: " .. mode .. " (F10)", function()
      local files = made(mode)
      assert(files:remove_file("/db", "CURRENT"))
      verify_all(files, mode)
    end)

    it("does without any manifest: " .. mode .. " (F10)", function()
      local files = made(mode)
      for _, name in ipairs(names(files, "^MANIFEST")) do
        assert(files:remove_file("/db", name))
      end
      assert(files:remove_file("/db", "CURRENT"))
      assert.matches("rebuild", verify_all(files, mode))
    end)

    it("does with a damaged manifest, wherever the damage is: " .. mode .. " (F10)", function()
      local random = seed.new()
      local whole = made(mode)
      local name = names(whole, "^MANIFEST")[1]
      local size = size_of(whole, name)
      for round = 1, 40 do
        assert(whole:copy_dir("/db", "/keep"))
        local offset = round <= 20 and (round - 1) * 5 or random:int(0, size - 1)
        if round % 4 == 3 then
          assert(whole:truncate("/db", name, offset))
        else
          assert(whole:flip("/db", name, offset, random:int(1, 255)))
        end
        verify_all(whole, ("%s, offset %d of %d"):format(mode, offset, size))
        assert(whole:copy_dir("/keep", "/db"))
      end
    end)

    -- Cut between two edits it looks whole; a named file that is gone tells. Found by SEED=22.
    it("does with a manifest that was cut anywhere: " .. mode .. " (F10)", function()
      local whole = made(mode)
      local name = names(whole, "^MANIFEST")[1]
      local size = size_of(whole, name)
      for cut = 1, size, 9 do
        assert(whole:copy_dir("/db", "/keep"))
        assert(whole:truncate("/db", name, size - cut))
        verify_all(whole, ("%s, %d of %d bytes cut"):format(mode, cut, size))
        assert(whole:copy_dir("/keep", "/db"))
      end
    end)

    it("saves what a damaged table still has: " .. mode .. " (F8 B09)", function()
      local random = seed.new()
      local files = made(mode)
      local tables = names(files, "%.sst$")
      local expected = crash.expected(STEPS)
      for round = 1, 60 do
        assert(files:copy_dir("/db", "/keep"))
        local name = random:pick(tables)
        local size = size_of(files, name)
        -- Half of them in the tail: footer, properties, indexes.
        local offset = random:int(round % 2 == 0 and 0 or math.max(0, size - 300), size - 1)
        assert(files:flip("/db", name, offset, random:int(1, 255)))
        local is_rebuild = round % 5 == 0
        if is_rebuild then
          assert(files:remove_file("/db", names(files, "^MANIFEST")[1]))
        end
        local context = ("%s: %s at %d of %d"):format(mode, name, offset, size)
        local report = repair(files, context)
        local db = reopened(files, context, report)
        local differing, seen = 0, {}
        for _, row in ipairs(assert(db:rows())) do
          seen[row[1]] = true
          differing = differing + (expected[row[1]] ~= row[2] and 1 or 0)
        end
        for key in pairs(expected) do
          differing = differing + (seen[key] and 0 or 1)
        end
        -- One block holds at most so many rows of the workload.
        assert.is_true(differing <= 24, context .. ": " .. differing .. " rows differ\n" .. report)
        assert(db:check())
        assert(db:close())
        assert.equal(size, #assert(files:read_file("/db/lost", name)), "the original is kept")
        assert(files:copy_dir("/keep", "/db"))
        for _, old in ipairs(names(files, ".", "/db/lost")) do
          assert(files:remove_file("/db/lost", old))
        end
      end
    end)
  end

  it("loses nothing with the tail of a table: footer, properties, indexes (B09)", function()
    for _, cut in ipairs { 1, 50, 88, 97, 200 } do
      local files = made "clean"
      local tables = names(files, "%.sst$")
      for _, name in ipairs(tables) do
        local size = size_of(files, name)
        for offset = size - cut, size - math.max(1, cut - 8) do
          assert(files:flip("/db", name, offset, 0xff))
        end
      end
      verify_all(files, "last " .. cut .. " bytes")
      env.close_all()
    end
  end)

  it("reads logs over damage, and drops only the damaged batch (F9)", function()
    local files = fault.new(1)
    local db = assert(crash.open(files))
    for i = 1, 100 do
      assert(db:put(("k%03d"):format(i), ("x"):rep(50)))
    end
    files:crash_after(0)
    db:close()
    files:clear()
    assert(files:reboot("lose", 1))
    store.close_all()
    local log = names(files, "%.wal$")[1]
    local at = assert(assert(files:read_file("/db", log)):find("k050", 1, true))
    assert(files:flip("/db", log, at))
    assert.is_nil((crash.open(files)))

    local report = repair(files, "log")

    db = reopened(files, "log", report)
    assert.equal(99, (db:count()))
    assert.is_nil(db:get "k050")
    assert.is_string(db:get "k051")
    assert.matches("damaged%s+" .. log:gsub("%.", "%%."), report)
    assert.is_true(#assert(files:read_file("/db/lost", log)) > 0)
  end)

  it("goes on when a table or a log is missing", function()
    for _, pattern in ipairs { "%.sst$", "%.wal$" } do
      local files = made "killed"
      local found = names(files, pattern)
      local name = found[#found] -- The newest is live; older ones may be leftovers.
      assert(files:remove_file("/db", name))
      assert.is_nil((crash.open(files)))

      local report = repair(files, name)

      assert.matches("lost%s+" .. name:gsub("%.", "%%."), report)
      local db = reopened(files, name, report)
      assert(db:check())
      store.close_all()
      env.close_all()
    end
  end)

  it("names buckets that no manifest names any more, and keeps their rows apart", function()
    local files = fault.new(1)
    local db = assert(crash.open(files))
    local id = assert(db:bucket("users", { create = true }))
    assert(db:put("a", "default's"))
    assert(db:apply { key = "a", value = "users'", bucket = id })
    assert(db:close())
    assert(files:remove_file("/db", names(files, "^MANIFEST")[1]))

    repair(files, "buckets")

    db = reopened(files, "buckets")
    assert.equal("default's", db:get "a")
    db._bucket = assert(db:bucket("bucket-" .. id))
    assert.equal("users'", db:get "a")
  end)

  it("lets the newest row win where old tables are back and no manifest tells", function()
    for round = 1, 8 do
      local files = fault.new(round)
      local db = assert(crash.open(files))
      crash.run(db, 1, 60 * round, 1)
      assert(db:flush())
      assert(files:copy_dir("/db", "/old"))
      crash.run(db, 60 * round + 1, 60 * round + 90, 1)
      assert(db:compact())
      assert(db:close())
      for _, name in ipairs(names(files, "%.sst$", "/old")) do
        assert(files:copy("/old", name, "/db", name))
      end
      for _, name in ipairs(names(files, "^MANIFEST")) do
        assert(files:remove_file("/db", name))
      end
      -- Deletes whose tombstones the compaction could drop may come back: their rows are readable.
      local report = repair(files, "round " .. round)
      db = reopened(files, "round " .. round, report)
      local expected = crash.expected(60 * round + 90)
      for key, value in pairs(expected) do
        assert.equal(value, db:get(key), "round " .. round .. ", " .. key .. "\n" .. report)
      end
      assert(db:check())
      assert(db:close())
      store.close_all()
      env.close_all()
    end
  end)

  it("leaves the store as it was when an operation fails before the switch", function()
    local whole = made("killed")
    local table_name = names(whole, "%.sst$")[1]
    assert(whole:flip("/db", table_name, 300))
    -- What a store never reads does not count.
    local function list()
      return (whole:list("/db"):gsub("LOCK [^\n]*\n", ""):gsub("CURRENT%.tmp [^\n]*\n", ""))
    end
    local before = list()
    local current = whole:read_file("/db", "CURRENT")
    local n, failures = 0, 0
    repeat
      assert(whole:copy_dir("/db", "/keep"))
      whole:fail { kind = "any", after = n, errno = n % 2 == 0 and 28 or 5 }
      local report = admin.repair(whole._p, "/db")
      local is_hit = whole:hits() > 0
      whole:clear()
      if not report and whole:read_file("/db", "CURRENT") == current then
        failures = failures + 1
        assert.equal(before, list(), "operation " .. n)
      end
      assert(whole:copy_dir("/keep", "/db"))
      n = n + 1
    until not is_hit
    assert.is_true(failures > 3, failures .. " failures")
  end)

  it("can be cut at every operation and repeated #crash", function()
    for _, mode in ipairs { "lose", "random" } do
      local n, has_finished = 0, false
      while not has_finished do
        local files = made("killed", 120)
        assert(files:remove_file("/db", "CURRENT"))
        if n % 2 == 1 then
          assert(files:remove_file("/db", names(files, "^MANIFEST")[1]))
        end
        files:crash_after(n)
        admin.repair(files._p, "/db")
        has_finished = files:hits() == 0
        files:clear()
        assert(files:reboot(mode, seed.value + n))
        verify_all(files, ("%s, operation %d"):format(mode, n), 120)
        store.close_all()
        env.close_all()
        n = n + 1
        assert.is_true(n < 1000)
      end
      assert.is_true(n > 20)
    end
  end)

  it("changes nothing when nothing can be told, and refuses an open store", function()
    local files = fault.new(1)
    local db = assert(crash.open(files))
    local _, code = admin.repair(files._p, "/db")
    assert.equal("BUSY", code)
    assert(db:close())
    _, code = admin.repair(files._p, "/nothing")
    assert.equal("NOT_FOUND", code)
    assert(files:open("/empty", true)):close()
    _, code = admin.repair(files._p, "/empty")
    assert.equal("NOT_FOUND", code)
    assert(files:write_file("/empty", "000000000007.sst", ("x"):rep(500)))
    _, code = admin.repair(files._p, "/empty")
    assert.equal("CORRUPT", code)
    assert.equal(("x"):rep(500), files:read_file("/empty", "000000000007.sst"))
  end)
end)
