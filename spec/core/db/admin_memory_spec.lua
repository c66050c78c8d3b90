-- Every allocation of checkpoint, backup, restore and repair fails once: an error, nothing lost,
-- nothing left open (F13).
local admin = require "spec.support.admin"
local cdef = require "spec.support.cdef"
local crash = require "spec.support.crash"
local env = require "spec.support.env"
local fault = require "spec.support.fault"
local lib = require "spec.support.lib"
local store = require "spec.support.db"

cdef.load("base/memory.h")

local FOREVER = 0xffffffffffffffffULL
local STEPS = 40

-- Allocations that a call makes here. They are counted only while a plan of failures is armed.
local function allocations(call)
  lib.memory_fail_at(FOREVER, 0)
  local before = lib.memory_alloc_count()
  call()
  local count = tonumber(lib.memory_alloc_count() - before)
  assert(count > 0)
  return count
end

local function failing_at(n, call)
  lib.memory_fail_at(n, 1)
  local ok, code = call()
  lib.memory_fail_at(FOREVER, 0)
  return ok, code
end

local function filled(files)
  local db = assert(crash.open(files))
  crash.run(db, 1, STEPS, 7)
  assert(db:flush())
  crash.run(db, STEPS + 1, STEPS + 10, 7)
  return db
end

describe("db tools without memory (R01)", function()
  after_each(function()
    lib.memory_fail_at(FOREVER, 0)
    store.close_all()
    env.close_all()
  end)

  it("checkpoint and backup fail cleanly, the store goes on", function()
    local files = fault.new(1)
    local db = filled(files)
    local total = allocations(function()
      assert(admin.checkpoint(db, "/try"))
      assert(admin.backup(db, "/backup"))
    end)
    for n = 0, total do
      local ok, code = failing_at(n, function()
        return admin.checkpoint(db, "/copy" .. n)
      end)
      assert.is_true(not not ok or code == "NO_MEMORY", tostring(code))
      if ok then
        local copy = assert(store.open(files._p, "/copy" .. n, { create = false }))
        crash.verify(copy, STEPS + 10, STEPS + 10, "copy " .. n)
        assert(copy:close())
      end
      -- Where nothing is yet, and where tables of earlier backups can be shared.
      for _, place in ipairs { "/new" .. n, "/backup" } do
        ok, code = failing_at(n, function()
          return admin.backup(db, place)
        end)
        assert.is_true(not not ok or code == "NO_MEMORY", tostring(code))
      end
    end
    assert(admin.restore(files._p, "/backup", "/restored"))
    crash.verify(db, STEPS + 10, STEPS + 10, "source")
  end)

  it("restore and repair fail cleanly and can be repeated", function()
    local files = fault.new(1)
    local db = filled(files)
    assert(admin.backup(db, "/backup"))
    assert(db:close())
    store.close_all()
    assert(files:remove_file("/db", "CURRENT"))
    assert(files:copy_dir("/db", "/keep"))
    local total = allocations(function()
      assert(admin.repair(files._p, "/db"))
    end)
    for n = 0, total do
      assert(files:copy_dir("/keep", "/db"))
      local handles = files:handle_count()
      local ok, code, text = failing_at(n, function()
        return admin.repair(files._p, "/db")
      end)
      local context = ("allocation %d: %s %s"):format(n, tostring(code), tostring(text))
      assert.is_true(not not ok or code == "NO_MEMORY", context)
      assert.equal(handles, files:handle_count(), context)
      assert(admin.repair(files._p, "/db"), context)
      local again = assert(crash.open(files), context)
      crash.verify(again, STEPS + 10, STEPS + 10, context)
      assert(again:close())
      ok, code = failing_at(n, function()
        return admin.restore(files._p, "/backup", "/restored" .. n)
      end)
      assert.is_true(not not ok or code == "NO_MEMORY", tostring(code))
      assert.equal(handles, files:handle_count())
    end
  end)
end)
