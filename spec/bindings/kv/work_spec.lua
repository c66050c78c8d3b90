-- Long calls with progress and cancellation; repair, restore and check underneath.
local ffi = require "ffi"
local kv = require "kv"
local lib = require "kv.lib"
local seed = require "spec.support.seed"
local tmpdir = require "spec.support.tmp"

local C = lib.C

describe("kv.work", function()
  local db, dir
  before_each(function()
    dir = tmpdir()
    db = assert(kv.open(dir .. "/db"))
    local random = seed.new()
    for index = 1, 300 do
      db:put(("%03d"):format(index), random:bytes(1000), { durability = "os" })
    end
    assert(db:flush())
  end)
  after_each(function() db:close() end)

  it("tells how far a backup is, and undoes it when told so", function()
    local seen = {}
    local made, failure, code = db:backup(dir .. "/backup", {
      bytes_per_second = 5000,
      on_progress = function(info)
        seen[#seen + 1] = info
        return false
      end,
    })

    assert.is_nil(made)
    assert.equal("CANCELLED", code)
    assert.matches("was cancelled", failure.text)
    assert.equal("backup", seen[1].kind)
    assert.is_true(seen[1].bytes_done > 0 and seen[1].bytes_done <= seen[1].bytes_total)
    assert.same({}, kv.backups(dir .. "/backup"))
  end)

  it("keeps to bytes_per_second, also without on_progress", function()
    local before = os.time()
    assert(db:backup(dir .. "/backup", { bytes_per_second = 200000 }))
    assert.is_true(os.time() - before >= 1) -- 300,000 bytes: 1.5 seconds.
  end)

  it("restores whole or not at all when cancelled at once", function()
    assert(db:backup(dir .. "/backup"))
    local outcomes = {}
    for round = 1, 10 do
      local target = dir .. "/copy" .. round
      local out, err = ffi.new("loam_work *[1]"), ffi.new("loam_error")
      assert.equal(0, C.loam_restore_begin(dir .. "/backup", 0, target, out, err))
      local info = ffi.new("loam_job_info")
      C.loam_work_wait(out[0], round % 5, info)
      C.loam_work_free(out[0])
      local copy, _, code = kv.open(target, { create = false })
      if copy then
        assert.equal(300, copy:count())
        copy:close()
      else
        assert.equal("NOT_FOUND", code)
      end
      outcomes[copy and "whole" or "absent"] = true
    end
    assert.is_not_nil(next(outcomes))
  end)

  it("gives the report of a check, of which close waits for the end", function()
    local is_sound, report = db:check { on_progress = function() end }
    assert.is_true(is_sound)
    assert.matches("ok       %d+%.sst\n", report)

    local out, err = ffi.new("loam_work *[1]"), ffi.new("loam_error")
    assert.equal(0, C.loam_check_begin(db:pointer(), out, err))
    local ok, failure, code = db:close()
    C.loam_work_free(out[0])
    assert.same({ "BUSY" }, { not ok and code })
    assert.matches("1 checks", failure.text)
    assert(db:close())
  end)

  it("says what is wrong with its options", function()
    assert.has_error(function() db:checkpoint(dir .. "/c", { on_progres = print }) end)
    assert.has_error(function() db:backup(dir .. "/b", { on_progress = 1 }) end)
    assert.has_error(function() kv.restore(dir, dir .. "/c", { on_progress = "x" }) end)
    assert.has_error(function() db:scrub():follow() end)
  end)

  it("passes on what on_progress raises, after the call was ended", function()
    local ok, problem = pcall(db.backup, db, dir .. "/backup", {
      bytes_per_second = 5000,
      on_progress = function() error("no more", 0) end,
    })

    assert.is_false(ok)
    assert.equal("no more", problem)
    assert.equal("cancelled", db:jobs()[1].state)
    assert.same({}, kv.backups(dir .. "/backup"))
  end)
end)
