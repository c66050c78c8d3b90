-- Damage to each kind of file: flipped bytes, truncation, garbage behind the end, files swapped or
-- gone. Whatever happens, no wrong row is ever served, and nothing crashes.
local env = require "spec.support.env"
local fault = require "spec.support.fault"
local store = require "spec.support.db"

local ROWS = 40

local function value_of(i)
  return ("value %d "):format(i):rep(i % 5 + 1)
end

-- A closed store with rows in two tables and a log that still holds the last ones.
local function make(files)
  local db = assert(store.open(files._p, "/db", { block_bytes = 512, compression = 1 }))
  -- Two flushes and no compaction, so that every table is a live one.
  files:fail { kind = "create", name = ".sst", after = 2, times = "forever" }
  for i = 1, ROWS do
    assert(db:put(("k%02d"):format(i), value_of(i)))
    if i == 15 or i == 30 then
      assert(db:flush())
    end
  end
  files:crash_after(0) -- Closing then flushes nothing: the log keeps the last rows.
  db:close()
  files:clear()
  assert(files:reboot("kill", 1))
  assert(files:copy_dir("/db", "/good"))
end

local function names(files, pattern)
  local list = {}
  for name, size in files:list("/good"):gmatch "(%S+) (%d+) %d+\n" do
    if name:find(pattern) then
      list[#list + 1] = { name = name, size = tonumber(size) }
    end
  end
  assert.is_true(#list > 0, pattern)
  return list
end

-- Puts the good bytes back.
local function restore(files)
  for line in files:list("/db"):gmatch "[^\n]+" do
    assert(files:remove_file("/db", line:match "%S+"))
  end
  for line in files:list("/good"):gmatch "[^\n]+" do
    local name = line:match "%S+"
    assert(files:copy("/good", name, "/db", name))
  end
end

-- Opens what is there. Every row that is served must be right; returns how many were, or nil and
-- the code and text of what was refused.
local function judge(files, context)
  local db, code, text = store.open(files._p, "/db", { block_bytes = 512 })
  if not db then
    assert.truthy(({ CORRUPT = 1, IO = 1, UNSUPPORTED = 1, INVALID = 1 })[code], context .. code)
    assert.is_true(#text > 0 and not text:find "\n", context)
    return nil, code, text
  end
  local served = 0
  for i = 1, ROWS do
    local value, get_code = db:get(("k%02d"):format(i))
    if value then
      assert.equal(value_of(i), value, context)
      served = served + 1
    else
      assert.truthy(get_code == nil or get_code == "CORRUPT", context .. tostring(get_code))
    end
  end
  local rows, scan_code, _, partial = db:rows()
  assert.truthy(rows or scan_code == "CORRUPT", context .. tostring(scan_code))
  for _, row in ipairs(rows or partial) do
    assert.equal(value_of(tonumber(row[1]:sub(2))), row[2], context)
  end
  local is_scanned = rows ~= nil
  db:close()
  return served, is_scanned
end

describe("db damage", function()
  local files

  before_each(function()
    files = fault.new(1)
    make(files)
  end)

  after_each(function()
    store.close_all()
    env.close_all()
  end)

  it("serves everything when nothing is damaged", function()
    local served, is_scanned = judge(files, "intact")
    assert.same({ ROWS, true }, { served, is_scanned })
  end)

  it("never serves a wrong row whatever byte of a table changes (B02)", function()
    for _, file in ipairs(names(files, "%.sst$")) do
      for offset = 0, file.size - 1 do
        restore(files)
        assert(files:flip("/db", file.name, offset, 0x40))
        local context = ("%s:%d "):format(file.name, offset)
        local served, is_scanned = judge(files, context)
        assert.truthy(served == nil or served == ROWS or not is_scanned, context .. "lost silently")
      end
    end
  end)

  it("refuses a log whose durable part changes, and never serves a wrong row (B01)", function()
    local file = names(files, "%.wal$")[1]
    local refused, end_offset = 0, 0
    for offset = 0, file.size - 1 do
      restore(files)
      assert(files:flip("/db", file.name, offset, 0x01))
      local context = ("%s:%d "):format(file.name, offset)
      local served, code = judge(files, context)
      if not served then
        assert.equal("CORRUPT", code, context)
        refused, end_offset = refused + 1, offset
      end
    end
    assert.is_true(refused > 500, "most of the log is durable")
    assert.is_true(end_offset < file.size)
  end)

  it("reads past damage in a log only when told to, and up to it (F9)", function()
    local file = names(files, "%.wal$")[1]
    assert(files:flip("/db", file.name, 300, 0x01))
    local _, code = store.open(files._p, "/db")
    assert.equal("CORRUPT", code)

    local db = assert(store.open(files._p, "/db", { wal_recovery = 1 }))
    assert.equal(value_of(30), db:get "k30")
    assert.is_nil(db:get "k40")
  end)

  it("refuses a manifest or CURRENT with a changed byte, or serves everything (F10)", function()
    for _, pattern in ipairs { "^MANIFEST", "^CURRENT" } do
      for _, file in ipairs(names(files, pattern)) do
        for offset = 0, file.size - 1 do
          restore(files)
          assert(files:flip("/db", file.name, offset, 0x20))
          local context = ("%s:%d "):format(file.name, offset)
          local served = judge(files, context)
          assert.truthy(served == nil or served == ROWS, context .. "served " .. tostring(served))
        end
      end
    end
  end)

  it("notices truncation at every length (B03)", function()
    for _, pattern in ipairs { "%.sst$", "^MANIFEST", "^CURRENT", "%.wal$" } do
      local file = names(files, pattern)[1]
      for size = 0, file.size - 1, math.max(1, math.floor(file.size / 150)) do
        restore(files)
        assert(files:truncate("/db", file.name, size))
        local context = ("%s cut to %d "):format(file.name, size)
        local served = judge(files, context)
        if pattern ~= "%.wal$" then
          assert.truthy(served == nil or served == ROWS, context .. "served " .. tostring(served))
        end
      end
    end
  end)

  it("copes with zeros and garbage behind the end (B03 C15)", function()
    for _, tail in ipairs { ("\0"):rep(5000), ("\255"):rep(77), "garbage" } do
      for _, pattern in ipairs { "%.wal$", "^MANIFEST" } do
        restore(files)
        local name = names(files, pattern)[1].name
        assert(files:write_file("/db", name, files:read_file("/good", name) .. tail))
        assert.equal(ROWS, (judge(files, name)))
      end
      restore(files)
      local name = names(files, "%.sst$")[1].name
      assert(files:write_file("/db", name, files:read_file("/good", name) .. tail))
      assert.is_nil((judge(files, name)))
    end
  end)

  it("notices tables that changed places (B04)", function()
    local tables = names(files, "%.sst$")
    local a, b = tables[1].name, tables[2].name
    assert(files:copy("/good", a, "/db", b))
    assert(files:copy("/good", b, "/db", a))
    local served, is_scanned = judge(files, "swapped ")
    assert.truthy(served == nil or not is_scanned)
  end)

  it("notices files that are gone, and never makes an empty store of the rest (F10)", function()
    for _, pattern in ipairs { "%.sst$", "%.wal$", "^MANIFEST", "^CURRENT" } do
      restore(files)
      assert(files:remove_file("/db", names(files, pattern)[1].name))
      local served, code = judge(files, pattern)
      assert.is_nil(served, pattern)
      assert.truthy(code == "CORRUPT" or code == "IO", pattern .. code)
    end
  end)

  it("opens nothing in a directory of another program, and touches nothing there", function()
    assert(files:open("/other", true))
    assert(files:write_file("/other", "notes.txt", "mine"))
    local _, code, text = store.open(files._p, "/other")
    assert.equal("INVALID", code)
    assert.equal("/other is no Loam directory: it holds 'notes.txt'", text)
    assert.equal("notes.txt 4 4\n", files:list("/other"))
  end)
end)
