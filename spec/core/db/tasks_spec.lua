-- Jobs of the store: one of a kind at a time, told about, cancelled, closed over; the scrub that
-- nobody asked for.
local admin = require "spec.support.admin"
local crash = require "spec.support.crash"
local env = require "spec.support.env"
local fault = require "spec.support.fault"
local ffi = require "ffi"
local lib = require "spec.support.lib"
local socket = require "socket"
local store = require "spec.support.db"

local SLOW = 1 -- Bytes per second: such a job lasts until it is cancelled.
local FAST = ffi.new("loam_backup_options", { incremental = true })

local function filled(options)
  local files = fault.new(1)
  local settings = {}
  for _, from in ipairs { crash.OPTIONS, options or {} } do
    for name, value in pairs(from) do
      settings[name] = value
    end
  end
  local db = assert(store.open(files._p, "/db", settings))
  crash.run(db, 1, 400, 100)
  assert(db:flush())
  assert(db:compact())
  return db, files
end

local function start(call, ...)
  local err, job = ffi.new("loam_error"), ffi.new("uint64_t[1]")
  local arguments = { ... }
  arguments[#arguments + 1] = job
  arguments[#arguments + 1] = err
  local ok, code, text = env.answer(call(unpack(arguments)), err)
  if not ok then
    return nil, code, text
  end
  return job[0]
end

local function info_of(db, id)
  local info = ffi.new("loam_job_info")
  assert(lib.loam_job_get(db._p, id, info, nil) == 0)
  return info
end

-- Waits until a condition holds; every caller waits for what a running thread will do.
local function wait_for(what, condition)
  local deadline = socket.gettime() + 30
  while not condition() do
    assert(socket.gettime() < deadline, what)
    socket.sleep(0.001)
  end
end

local function flip_first_table(db, files)
  local info = ffi.new("loam_table_info[1]")
  lib.loam_tables(db._p, info, 1)
  local name = ("%012d.sst"):format(tonumber(info[0].number))
  assert(files:flip("/db", name, 200))
  return name
end

describe("db.tasks", function()
  after_each(function()
    store.close_all()
    env.close_all()
  end)

  it("runs one scrub and one check at a time, and names the job that runs", function()
    local db = filled()
    local first = assert(start(lib.loam_scrub, db._p, SLOW))

    local second, code, text = start(lib.loam_scrub, db._p, 0)

    assert.is_nil(second)
    assert.equal("BUSY", code)
    assert.equal("a scrub is running already: job " .. tonumber(first), text)
    assert.equal(0, lib.loam_job_cancel(db._p, first, nil))
    assert.equal(lib.LOAM_JOB_CANCELLED, admin.wait(db, first).state)
    assert.equal(lib.LOAM_JOB_DONE, admin.scrub(db).state)
  end)

  it("steps over a job that runs for long, and lists it behind the later ones", function()
    local db = filled()
    local slow = assert(start(lib.loam_scrub, db._p, SLOW))
    local last
    for _ = 1, 70 do -- More than places in the list.
      last = assert(start(lib.loam_compact, db._p))
      assert.equal(lib.LOAM_JOB_DONE, admin.wait(db, last).state)
    end

    local list = ffi.new("loam_job_info[64]")
    assert.equal(64, tonumber(lib.loam_job_list(db._p, list, 64)))

    assert.equal(last, list[0].id)
    for index = 1, 63 do
      assert.is_true(list[index].id < list[index - 1].id)
    end
    assert.equal(slow, list[63].id)
    assert.equal(1, tonumber(lib.loam_job_list(db._p, list, 1)))
    assert.equal(lib.LOAM_JOB_RUNNING, info_of(db, slow).state)
    assert.equal(0, lib.loam_job_cancel(db._p, slow, nil))
    assert.equal("CANCELLED", admin.wait(db, slow).code)
  end)

  it("lets one of two backups into a directory, and both into two", function()
    local db = filled()
    local slow = ffi.new("loam_backup_options", { incremental = true, bytes_per_second = SLOW })
    local first = assert(start(lib.loam_backup_start, db._p, "/backup", slow))
    wait_for("the first to copy", function() return info_of(db, first).bytes_done > 0 end)

    local second = admin.wait(db, assert(start(lib.loam_backup_start, db._p, "/backup", FAST)))
    local other = admin.wait(db, assert(start(lib.loam_backup_start, db._p, "/other", FAST)))

    assert.equal("BUSY", second.code)
    assert.equal(lib.LOAM_JOB_DONE, other.state)
    assert.equal(0, lib.loam_job_cancel(db._p, first, nil))
    assert.equal("CANCELLED", admin.wait(db, first).code)
  end)

  it("leaves nothing of a cancelled backup or checkpoint", function()
    local db, files = filled()
    local slow = ffi.new("loam_backup_options", { incremental = true, bytes_per_second = SLOW })
    local id = assert(start(lib.loam_backup_start, db._p, "/backup", slow))
    wait_for("the backup to copy", function() return info_of(db, id).bytes_done > 0 end)

    assert.equal(0, lib.loam_job_cancel(db._p, id, nil))

    assert.equal("CANCELLED", admin.wait(db, id).code)
    assert.same({}, admin.backups(files._p, "/backup"))
    assert.is_nil(files:list("/backup"):match "%.sst")
    assert(admin.backup(db, "/backup", { incremental = true }))
    assert(admin.restore(files._p, "/backup", "/copy"))
  end)

  it("closes over a running backup, of which nothing is left", function()
    local db, files = filled()
    local slow = ffi.new("loam_backup_options", { incremental = true, bytes_per_second = SLOW })
    local id = assert(start(lib.loam_backup_start, db._p, "/backup", slow))
    wait_for("the backup to copy", function() return info_of(db, id).bytes_done > 0 end)

    assert(db:close())

    assert.same({}, admin.backups(files._p, "/backup"))
    assert.is_nil(files:list("/backup"):match "%.sst")
  end)

  it("restores, verifies and deletes backups as jobs", function()
    local db, files = filled()
    assert(admin.backup(db, "/backup"))

    local verified = admin.wait(db, assert(start(lib.loam_backup_verify_start, db._p, "/backup",
      0)))
    local restored = admin.wait(db, assert(start(lib.loam_restore_start, db._p, "/backup", 0,
      "/copy")))
    local again = admin.wait(db, assert(start(lib.loam_restore_start, db._p, "/backup", 0,
      "/copy")))
    local deleted = admin.wait(db, assert(start(lib.loam_backup_delete_start, db._p, "/backup",
      1)))

    assert.same({ "verify", lib.LOAM_JOB_DONE }, { verified.kind, verified.state })
    assert.same({ "restore", lib.LOAM_JOB_DONE }, { restored.kind, restored.state })
    assert.is_true(restored.bytes_done > verified.bytes_done)
    assert.equal("EXISTS", again.code)
    assert.same({ "delete", lib.LOAM_JOB_DONE }, { deleted.kind, deleted.state })
    assert.same({}, admin.backups(files._p, "/backup"))
    local copy = assert(store.open(files._p, "/copy", { create = false }))
    assert.equal(400, crash.verify(copy, 400, 400, "copy"))
  end)

  it("checks with progress; what it finds is in health until it is gone", function()
    local db, files = filled()
    local name = flip_first_table(db, files)

    local job = admin.wait(db, assert(start(lib.loam_check_start, db._p)))

    assert.equal("CORRUPT", job.code)
    assert.matches("^" .. name .. " at offset %d+: ", job.text)
    assert.equal(tonumber(db:stats().table_bytes), job.bytes_done)
    assert.equal(lib.LOAM_HEALTH_DEGRADED, db:stats().health)
    assert.equal(1, tonumber(db:stats().damaged_files))
    flip_first_table(db, files)
    assert.equal(lib.LOAM_JOB_DONE,
      admin.wait(db, assert(start(lib.loam_check_start, db._p))).state)
    assert.equal(lib.LOAM_HEALTH_OK, db:stats().health)
  end)

  it("scrubs by itself, tells when, and finds damage", function()
    local db, files = filled { scrub_interval_ms = 1, scrub_rate_bytes = 0 }
    wait_for("a first scrub", function() return db:stats().scrubs > 0 end)
    assert.is_true(db:stats().scrub_finished_at_ms > 0)
    assert.is_true(db:stats().scrub_read_bytes > 0)

    flip_first_table(db, files)

    wait_for("damage", function() return db:stats().damaged_files > 0 end)
    assert.equal(lib.LOAM_HEALTH_DEGRADED, db:stats().health)
  end)

end)
