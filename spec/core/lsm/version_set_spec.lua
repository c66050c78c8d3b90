-- The version set: what changes show, when, and what survives. Failed writes are in
-- version_set_failure_spec.lua, crashes in version_set_crash_spec.lua.
local cdef = require "spec.support.cdef"
local env = require "spec.support.env"
local fault = require "spec.support.fault"
local lib = require "spec.support.lib"
local manifest = require "spec.support.manifest"
local versions = require "spec.support.versions"
local wal = require "spec.support.wal"

cdef.load("base/memory.h")

local OFF = 0xffffffffffffffffULL
local files, dir, set

local function open()
  set = assert(versions.open(dir))
  return set
end

local function reopen()
  assert(set:close())
  open()
  assert(set:roll())
end

local function put(number, run, smallest, largest)
  return versions.put_table(dir, number, run, smallest or "a", largest or "z")
end

describe("lsm.version_set", function()
  before_each(function()
    files = fault.new()
    dir = assert(files:open("/db", true))
    assert(versions.create(dir))
    open()
    assert(set:roll())
  end)
  after_each(function()
    lib.memory_fail_at(OFF, 0)
    if set._p ~= nil then
      set:close()
    end
    env.close_all()
  end)

  describe("creation", function()
    it("makes a store with bucket default and nothing else", function()
      assert.equal("logs \nbuckets default\nlast_seq 0\n", set:dump())
      assert.same({ id = 1, merge = 0, ttl_ms = 0, name = "default" }, set:bucket("default"))
      assert.equal(wal.UUID, set:uuid())
    end)

    it("refuses where a store is", function()
      assert.same({ nil, "EXISTS", "there is a store already: CURRENT exists" },
        { versions.create(dir) })
    end)

    it("refuses files of a store without CURRENT (F10)", function()
      for _, name in ipairs { "000000000004.wal", "000000000005.sst", "MANIFEST-000000000002" } do
        local other = assert(files:open("/" .. name, true))
        other:put(name, "x")
        local text = "CURRENT is missing, yet " .. name .. " of a store is there"
        assert.same({ nil, "CORRUPT", text }, { versions.create(other) })
        assert.equal(name, other:names())
      end
    end)

    it("replaces what an interrupted creation left (C05)", function()
      local other = assert(files:open("/other", true))
      other:put("MANIFEST-000000000001", "half")
      other:put("CURRENT.tmp", "MANIF")
      other:put("notes.txt", "of the user")

      assert(versions.create(other))

      assert.equal("CURRENT MANIFEST-000000000001 notes.txt", other:names())
      assert(assert(versions.open(other)):close())
    end)
  end)

  describe("opening", function()
    it("writes nothing, and changes nothing before a roll", function()
      assert(set:close())
      local before = files:list("/db")
      open()

      local _, code, text = set:apply { last_seq = 5 }

      assert.same({ "READ_ONLY", "opened for reading: no manifest was begun" }, { code, text })
      assert.equal("READ_ONLY", (select(2, set:add_bucket("b"))))
      assert.equal("READ_ONLY", (select(2, set:drop_bucket("default"))))
      assert.equal("READ_ONLY", (select(2, set:content_type("text/plain"))))
      assert(set:next_file() > 0)
      assert(set:close())
      assert.equal(before, files:list("/db"))
    end)

    it("brings everything back", function()
      assert(set:apply { logs_added = { 105 }, last_seq = 77, tables_added = { put(110, 3) } })
      assert(set:add_bucket("hits", 1, 60000))
      assert.equal(1, set:content_type("text/plain"))
      local before = set:dump()

      reopen()
      reopen()

      assert.equal(before, set:dump())
      assert.same({ id = 2, merge = 1, ttl_ms = 60000, name = "hits" }, set:bucket("hits"))
      assert.equal("text/plain", set:content_type_name(1))
    end)

    -- Error paths of version_set_open().

    local function expect_corrupt(text)
      local opened, code, found = versions.open(dir)
      assert.is_nil(opened)
      assert.same({ "CORRUPT", text }, { code, found })
    end

    it("answers NOT_FOUND without CURRENT", function()
      assert.same({ nil, "NOT_FOUND", "" }, { versions.open(assert(files:open("/none", true))) })
    end)

    it("refuses a missing manifest (C05, F10)", function()
      assert(set:close())
      assert(dir:remove("MANIFEST-000000000002"))
      expect_corrupt("CURRENT names MANIFEST-000000000002, which is missing")
    end)

    it("refuses a missing table and one of another size (B03)", function()
      assert(set:apply { tables_added = { put(9, 3) } })
      assert(set:close())
      wal.replace(dir, "000000000009.sst", "short")
      expect_corrupt("000000000009.sst: has 5 bytes, the manifest says 12")
      assert(dir:remove("000000000009.sst"))
      expect_corrupt("000000000009.sst: named by the manifest, and missing")
    end)

    it("refuses a manifest without bucket default", function()
      assert(set:close())
      manifest.write(dir, 50, { { next_file = 60 } })
      assert(manifest.set_current(dir, 50))
      expect_corrupt("MANIFEST-000000000050: there is no bucket 'default'")
    end)

    it("refuses a manifest whose edits do not fit", function()
      assert(set:close())
      manifest.write(dir, 50, { { next_file = 60 }, { logs_removed = { 4 } } })
      assert(manifest.set_current(dir, 50))
      expect_corrupt("MANIFEST-000000000050: edit removes log 4, which is not there")
    end)

    it("refuses a manifest of a newer version, and touches nothing (B10)", function()
      assert(set:close())
      local bytes = wal.header { magic = "LOAM.MAN", number = 2, version = 2 }
      wal.replace(dir, "MANIFEST-000000000002", bytes)
      local before = files:list("/db")

      assert.equal("UNSUPPORTED", (select(2, versions.open(dir))))
      assert.equal(before, files:list("/db"))
    end)
  end)

  describe("rolling", function()
    it("begins a new manifest, points CURRENT at it and removes the old one", function()
      local before = set:manifest_number()
      assert(set:apply { last_seq = 9 })

      assert(set:roll())

      local number = set:manifest_number()
      assert.is_true(number > before)
      assert.equal("CURRENT " .. manifest.name(number), dir:names())
      assert.equal(number, manifest.current(dir))
      assert(set:apply { last_seq = 10 })
      reopen()
      assert.equal(10, set:last_seq())
    end)

    it("stays with the old manifest when the new one cannot be written", function()
      assert(set:apply { last_seq = 9 })
      files:fail { kind = "sync", name = "MANIFEST" }

      assert.equal("IO", (select(2, set:roll())))

      assert.is_nil(set:failed())
      assert(set:apply { last_seq = 10 })
      reopen()
      assert.equal(10, set:last_seq())
    end)

    it("poisons the set when CURRENT may be either (D03)", function()
      files:fail { kind = "dir_sync", after = 1 }

      assert.equal("IO", (select(2, set:roll())))

      assert.truthy(set:failed():find("cannot sync", 1, true))
      assert.equal("READ_ONLY", (select(2, set:apply { last_seq = 10 })))
      assert.equal("READ_ONLY", (select(2, set:roll())))
      assert.truthy(dir:names():match("CURRENT MANIFEST%-%d+ MANIFEST%-%d+"))
    end)
  end)

  describe("a change", function()
    it("shows tables, logs and counters", function()
      assert(set:apply { logs_added = { 105, 104 } })
      assert(set:apply { logs_removed = { 104 }, last_seq = 400, tables_added = { put(110, 3) } })

      assert.equal("run 3: 110\nlogs 105\nbuckets default\nlast_seq 400\n", set:dump())
    end)

    it("never lets a counter fall", function()
      assert(set:apply { last_seq = 400 })
      assert(set:apply { last_seq = 300 })

      assert.equal(400, set:last_seq())
    end)

    it("makes a removed table obsolete once nobody looks at it (K08)", function()
      assert(set:apply { tables_added = { put(110, 3), put(111, 4) } })
      local version = set:current()
      assert(set:apply { tables_removed = { 110, 111 }, tables_added = { put(112, 4) } })
      local while_held = set:obsolete()
      versions.release(version)
      local afterwards = set:obsolete()
      table.sort(afterwards)

      assert.same({}, while_held)
      assert.same({ 110, 111 }, afterwards)
      assert.equal("run 4: 112\n", set:text())
    end)

    it("moves a table to another run, as the same object", function()
      local meta = put(110, 3)
      assert(set:apply { tables_added = { meta } })
      meta.run = 2

      assert(set:apply { tables_removed = { 110 }, tables_added = { meta } })

      assert.equal("run 2: 110\n", set:text())
      reopen()
      assert.equal("run 2: 110\n", set:text())
      assert.same({}, set:obsolete())
    end)

    -- Error paths of version_set_apply().

    local refused = {
      { "removes log 4, which is not there", { logs_removed = { 4 } } },
      { "adds log 105, which is there", { logs_added = { 105 } } },
      { "removes table 4, which is not there", { tables_removed = { 4 } } },
      { "adds table 110, which is there",
        { tables_added = { versions.table_meta(110, 9, "a", "z") } } },
      { "moves table 110 and changes what it is",
        { tables_removed = { 110 }, tables_added = { versions.table_meta(110, 9, "b", "z") } } },
      { "drops bucket 7, which is not there", { buckets_dropped = { 7 } } },
      { "adds bucket 1 'other', which is there",
        { buckets_added = { { id = 1, name = "other" } } } },
      { "adds bucket 9 'default', which is there",
        { buckets_added = { { id = 9, name = "default" } } } },
      { "adds content type 2 behind 0 of them",
        { content_types_added = { { id = 2, name = "text/plain" } } } },
    }
    for _, case in ipairs(refused) do
      it("is refused when it " .. case[1], function()
        assert(set:apply { logs_added = { 105 }, tables_added = { put(110, 3) } })
        local before = set:dump()

        local _, code, text = set:apply(case[2])

        assert.same({ "CORRUPT", "edit " .. case[1] }, { code, text })
        assert.equal(before, set:dump())
        assert.is_nil(set:failed())
        assert(set:apply { last_seq = 1000 })
        assert.same({}, set:obsolete())
      end)
    end

    it("poisons the set when it may or may not be durable (C08, D03)", function()
      for _, kind in ipairs { "trim", "sync" } do
        assert(set:apply { tables_added = { put(set:next_file(), 3) } })
        local before = set:dump()
        local number = tonumber(set:text():match(": (%d+)"))
        set:obsolete()
        files:fail { kind = kind, name = "MANIFEST" }
        if kind == "trim" then
          files:fail { kind = "write", name = "MANIFEST" }
        end

        local _, code, text = set:apply { tables_removed = { number } }

        assert.equal("IO", code)
        assert.equal(before, set:dump())
        assert.same({}, set:obsolete())
        local _, second_code, second_text = set:apply { last_seq = 5 }
        assert.same({ "READ_ONLY", "the manifest failed before: " .. text },
          { second_code, second_text })
        assert.equal(text, set:failed())
        assert.is_true(set:next_file() > 0)
        assert(set:close())
        open()
        assert(set:roll())
        assert(set:text() == "" or set:apply { tables_removed = { number } })
      end
    end)

    it("fails cleanly at each allocation that fails (R01)", function()
      assert(set:apply { tables_added = { put(110, 3) } })
      local edit = manifest.edit {
        tables_removed = { 110 }, tables_added = { put(111, 3) }, logs_added = { 105 },
        buckets_added = { { id = 5, name = "five" } },
      }
      local before, after = set:dump(), 0
      local rc
      repeat
        lib.memory_fail_at(after, 1)
        rc = lib.version_set_apply(set._p, edit, nil)
        lib.memory_fail_at(OFF, 0)
        after = after + 1
        if rc ~= 0 and not set:failed() then
          assert.equal(lib.LOAM_NO_MEMORY, rc)
          assert.equal(before, set:dump())
        end
      until rc == 0 or set:failed() or after > 200

      assert.is_true(after > 5 and after < 200)
    end)
  end)

  describe("file numbers", function()
    it("are never given twice, also not after a crash (C11)", function()
      local highest = 0
      for _ = 1, 4 do
        for _ = 1, 130 do
          local number = set:next_file()
          assert.is_true(number > highest)
          highest = number
        end
        -- A process that dies closes nothing: its handles are dead behind the reboot.
        local dead = set
        assert(files:reboot("lose"))
        dead:close()
        dir = assert(files:open("/db", true))
        open()
        assert(set:roll())
        assert.is_true(set:manifest_number() > highest)
      end
    end)

    it("jump over names that were seen", function()
      set:saw_file(5000)
      set:saw_file(4000)

      assert.equal(5001, set:next_file())
    end)

    it("end at the limit (K13)", function()
      set:saw_file(999999999998)

      assert.equal(999999999999, set:next_file())
      assert.equal(0, set:next_file())
      assert.equal(0, set:next_file())
      assert.equal("TOO_LARGE", (select(2, set:roll())))
      assert(set:apply { last_seq = 5 })
    end)
  end)

  it("knows which files are its own (C19)", function()
    assert(set:apply { logs_added = { 105 }, tables_added = { put(110, 3) } })
    local number = set:manifest_number()

    assert.is_true(set:is_live_file(lib.FILE_WAL, 105))
    assert.is_false(set:is_live_file(lib.FILE_WAL, 110))
    assert.is_true(set:is_live_file(lib.FILE_TABLE, 110))
    assert.is_false(set:is_live_file(lib.FILE_TABLE, 105))
    assert.is_true(set:is_live_file(lib.FILE_MANIFEST, number))
    assert.is_false(set:is_live_file(lib.FILE_MANIFEST, number - 1))
    assert.is_true(set:is_live_file(lib.FILE_CURRENT))
    assert.is_false(set:is_live_file(lib.FILE_CURRENT_TMP))
    assert.is_true(set:is_live_file(lib.FILE_LOCK))
    assert.is_true(set:is_live_file(lib.FILE_UNKNOWN))
  end)

  it("closes nothing", function()
    assert.equal(0, lib.version_set_close(nil, nil))
  end)
end)
