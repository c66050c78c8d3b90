-- Scrub and the other long calls as jobs: what they find, what health says, how they are stopped.
local admin = require "spec.support.admin"
local crash = require "spec.support.crash"
local env = require "spec.support.env"
local fault = require "spec.support.fault"
local ffi = require "ffi"
local lib = require "spec.support.lib"
local store = require "spec.support.db"

local function filled(files)
  local db = assert(crash.open(files))
  crash.run(db, 1, 400, 100)
  assert(db:flush())
  assert(db:compact()) -- Leaves nothing to compact, so that no table is replaced meanwhile.
  return db
end

-- The live ones: what a compaction replaced may still be there, and is not looked at.
local function tables(db)
  local infos, list = ffi.new("loam_table_info[256]"), {}
  for index = 0, tonumber(lib.loam_tables(db._p, infos, 256)) - 1 do
    local info = infos[index]
    local name = ("%012d.sst"):format(tonumber(info.number))
    list[#list + 1] = { name = name, size = tonumber(info.size) }
  end
  return list
end

local function log_text(db)
  local lines, text = ffi.new("loam_log_line[128]"), {}
  for index = 0, tonumber(lib.loam_log_take(db._p, lines, 128)) - 1 do
    text[#text + 1] = ffi.string(lines[index].text)
  end
  return table.concat(text, "\n")
end

-- Calls start(job, err) and returns the job.
local function started(call)
  local err, job = ffi.new("loam_error"), ffi.new("uint64_t[1]")
  assert(env.answer(call(job, err), err))
  return job[0]
end

local function start_scrub(db, rate)
  return started(function(job, err)
    return lib.loam_scrub(db._p, rate, job, err)
  end)
end

local function start_checkpoint(db, path)
  return started(function(job, err)
    return lib.loam_checkpoint_start(db._p, path, job, err)
  end)
end

describe("db.scrub", function()
  after_each(function()
    store.close_all()
    env.close_all()
  end)

  it("reads every byte of every table and finds nothing", function()
    local files = fault.new(1)
    local db = filled(files)

    local job = admin.scrub(db)

    assert.equal(lib.LOAM_JOB_DONE, job.state)
    assert.equal("scrub", job.kind)
    assert.equal(tonumber(db:stats().table_bytes), job.bytes_done)
    assert.equal(lib.LOAM_HEALTH_OK, db:stats().health)
  end)

  it("reports exactly the damaged files, until they are whole again (B09)", function()
    local files = fault.new(1)
    local db = filled(files)
    local list = tables(db)
    local damaged = { list[1] }
    for _, file in ipairs(damaged) do
      assert(files:flip("/db", file.name, file.size - 50))
    end

    local job = admin.scrub(db)

    assert.equal(lib.LOAM_JOB_FAILED, job.state)
    assert.equal("CORRUPT", job.code)
    assert.equal(lib.LOAM_HEALTH_DEGRADED, db:stats().health)
    assert.matches("damaged: %d+%.sst at offset %d+: ", ffi.string(db:stats().health_text))
    local log = log_text(db)
    for index, file in ipairs(list) do
      local is_damaged = index == 1
      assert.equal(is_damaged, log:find("scrub: " .. file.name, 1, true) ~= nil, file.name)
    end
    for _, file in ipairs(damaged) do
      assert(files:flip("/db", file.name, file.size - 50))
    end
    assert.equal(lib.LOAM_JOB_DONE, admin.scrub(db).state)
    assert.equal(lib.LOAM_HEALTH_OK, db:stats().health)
  end)

  it("keeps to its rate, can be cancelled, and does not hold up close", function()
    local files = fault.new(1)
    local db = filled(files)
    local first = start_scrub(db, 1000)

    assert.equal(0, lib.loam_job_cancel(db._p, first, nil))
    assert.equal(lib.LOAM_JOB_CANCELLED, admin.wait(db, first).state)
    local second = start_scrub(db, 1000)
    local info = ffi.new("loam_job_info")
    assert.equal(0, lib.loam_job_get(db._p, second, info, nil))
    assert.equal(lib.LOAM_JOB_RUNNING, info.state)
    assert(db:close())
  end)

  it("runs check, checkpoint and backup as jobs too", function()
    local files = fault.new(1)
    local db = filled(files)

    local check = admin.wait(db, started(function(job, err)
      return lib.loam_check_start(db._p, job, err)
    end))
    local checkpoint = admin.wait(db, start_checkpoint(db, "/copy"))
    local backup = admin.wait(db, started(function(job, err)
      return lib.loam_backup_start(db._p, "/backup", nil, job, err)
    end))

    assert.same({ "check", lib.LOAM_JOB_DONE }, { check.kind, check.state })
    assert.same({ "checkpoint", lib.LOAM_JOB_DONE }, { checkpoint.kind, checkpoint.state })
    assert.matches("sequence " .. db:seq(), checkpoint.text)
    assert.same({ "backup", lib.LOAM_JOB_DONE }, { backup.kind, backup.state })
    assert(admin.restore(files._p, "/backup", "/restored"))
    assert(store.open(files._p, "/copy", { create = false })):close()
    assert(store.open(files._p, "/restored", { create = false })):close()
    local again = admin.wait(db, start_checkpoint(db, "/copy"))
    assert.same({ lib.LOAM_JOB_FAILED, "EXISTS" }, { again.state, again.code })
  end)
end)
