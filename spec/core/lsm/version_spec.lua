-- The structure of one version: its runs in order, and which table of a run may hold a key.
local env = require "spec.support.env"
local ffi = require "ffi"
local lib = require "spec.support.lib"
local seed = require "spec.support.seed"
local versions = require "spec.support.versions"

local dir, set, version

local function slice(text)
  local raw = ffi.new("struct slice")
  raw.data, raw.size = text, #text
  return raw
end

-- Tables as {number, run, smallest, largest}.
local function build(tables)
  local metas = {}
  for index, fields in ipairs(tables) do
    metas[index] = versions.put_table(dir, unpack(fields))
  end
  assert(set:apply { tables_added = metas })
  version = set:current()
end

-- "number/index" of what a run answers for a key.
local function look(run_index, key)
  local run, raw = lib.testing_version_run(version, run_index), slice(versions.key(key))
  local number, index = lib.testing_run_find(run, raw), lib.run_seek(run, raw)
  return ("%d/%d"):format(tonumber(number), tonumber(index))
end

describe("lsm.version", function()
  before_each(function()
    dir = assert(env.mem():open("/db", true))
    assert(versions.create(dir))
    set = assert(versions.open(dir))
    assert(set:roll())
    version = nil
  end)
  after_each(function()
    if version then
      versions.release(version)
    end
    set:close()
    env.close_all()
  end)

  it("has no run without tables", function()
    assert.equal("", set:text())
  end)

  it("orders runs by age and their tables by key", function()
    build { { 5, 2, "m", "q" }, { 6, 9, "a", "z" }, { 7, 2, "a", "c" }, { 8, 2, "d", "l" } }

    assert.equal("run 9: 6\nrun 2: 7 8 5\n", versions.text(version))
  end)

  it("finds the one table of a run that may hold a key", function()
    build { { 5, 2, "b", "d" }, { 6, 2, "g", "g" }, { 7, 2, "h", "k" } }

    assert.equal("0/0", look(0, "a"))
    assert.equal("5/0", look(0, "b"))
    assert.equal("5/0", look(0, "c"))
    assert.equal("5/0", look(0, "d"))
    assert.equal("0/1", look(0, "da"))
    assert.equal("6/1", look(0, "g"))
    assert.equal("0/2", look(0, "g\0"))
    assert.equal("7/2", look(0, "k"))
    assert.equal("0/3", look(0, "ka"))
    assert.equal("0/3", look(0, "z"))
  end)

  -- What compares whole keys, one after the other.
  local function look_slowly(tables, key)
    for index, fields in ipairs(tables) do
      local number, _, smallest, largest = unpack(fields)
      if key <= largest then
        return ("%d/%d"):format(key >= smallest and number or 0, index - 1)
      end
    end
    return ("0/%d"):format(#tables)
  end

  -- Bounds that differ late, by length alone, or by bytes that a number has for "nothing there".
  it("finds it however alike the bounds of its tables are", function()
    local random = seed.new()
    for round = 1, 30 do
      local front = random:bytes(random:int(0, 12), "ab")
      local bounds, seen = {}, {}
      for _ = 1, random:int(2, 40) do
        local key = front .. random:bytes(random:int(0, 12), "\0\1a\255")
        bounds[#bounds + 1] = not seen[key] and key or nil
        seen[key] = true
      end
      table.sort(bounds)
      local tables = {}
      for at = 1, #bounds - 1, 2 do
        tables[#tables + 1] = { 1000 * round + at, round, bounds[at], bounds[at + 1] }
      end
      if #tables > 0 then
        build(tables)
        for _ = 1, 200 do
          local near = bounds[random:int(1, #bounds)]
          local key = near:sub(1, random:int(0, #near)) .. random:bytes(random:int(0, 2), "\0a\255")
          assert.equal(look_slowly(tables, key), look(0, key))
        end
        versions.release(version)
        version = nil
      end
    end
  end)

  it("outlives its set's change and its neighbours", function()
    build { { 5, 2, "b", "d" } }
    assert(set:apply { tables_removed = { 5 } })

    assert.equal("run 2: 5\n", versions.text(version))
    assert.equal("", set:text())
  end)

  -- Error paths of version_check().

  local overlapping = {
    ["overlap"] = { { 5, 2, "a", "m" }, { 6, 2, "l", "z" } },
    ["share a key"] = { { 5, 2, "a", "m" }, { 6, 2, "m", "z" } },
    ["hold one another"] = { { 5, 2, "a", "z" }, { 6, 2, "l", "m" } },
    ["are equal"] = { { 5, 2, "a", "b" }, { 6, 2, "a", "b" } },
  }
  for name, tables in pairs(overlapping) do
    it("refuses tables of one run that " .. name, function()
      local metas = {}
      for index, fields in ipairs(tables) do
        metas[index] = versions.table_meta(unpack(fields))
      end

      local _, code, text = set:apply { tables_added = metas }

      assert.equal("CORRUPT", code)
      assert.truthy(text:find("of run 2 overlap", 1, true))
      assert.equal("", set:text())
    end)
  end

  it("refuses more runs than the limit", function()
    local metas = {}
    for index = 1, 257 do
      metas[index] = versions.table_meta(1000 + index, index, "a", "z")
    end

    local _, code, text = set:apply { tables_added = metas }
    table.remove(metas)

    assert.equal("TOO_LARGE", code)
    assert.equal("257 sorted runs, the limit is 256", text)
    assert(set:apply { tables_added = metas })
  end)
end)
