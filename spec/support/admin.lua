-- The tools of core/db for specs: checkpoint, backup, restore, repair, scrub, over any driver.
--
--     local admin = require "spec.support.admin"
--     local seq = assert(admin.checkpoint(db, "/copy"))
--
-- Calls that fail answer nil, the name of the code, the text.
local cdef = require "spec.support.cdef"
local env = require "spec.support.env"
local ffi = require "ffi"
local lib = require "spec.support.lib"

cdef.load("env/env.h")
cdef.load("db/backup.h")
cdef.load("db/repair.h")

local admin = {}
local answer = env.answer

local function new_error()
  return ffi.new("loam_error")
end

--- Returns the sequence of the checkpoint.
function admin.checkpoint(db, path)
  local err, seq = new_error(), ffi.new("uint64_t[1]")
  local ok, code, text = answer(lib.loam_checkpoint(db._p, path, seq, err), err)
  return ok and tonumber(seq[0]), code, text
end

local function backup_table(info)
  return {
    id = tonumber(info.id),
    seq = tonumber(info.seq),
    bytes = tonumber(info.bytes),
    new_bytes = tonumber(info.new_bytes),
    file_count = tonumber(info.file_count),
    uuid = ffi.string(info.uuid),
  }
end

--- Returns {id, seq, bytes, new_bytes, file_count, uuid}.
function admin.backup(db, path, options)
  local err, info = new_error(), ffi.new("loam_backup_info")
  local given = ffi.new("loam_backup_options", options or {})
  local ok, code, text = answer(lib.loam_backup(db._p, path, given, info, err), err)
  return ok and backup_table(info), code, text
end

function admin.backups(driver, path)
  local err, infos, count = new_error(), ffi.new("loam_backup_info[64]"), ffi.new("size_t[1]")
  local rc = lib.backup_list(driver, path, infos, 64, count, err)
  local ok, code, text = answer(rc, err)
  if not ok then
    return nil, code, text
  end
  local list = {}
  for index = 0, tonumber(count[0]) - 1 do
    list[#list + 1] = backup_table(infos[index])
  end
  return list
end

function admin.backup_delete(driver, path, id)
  local err = new_error()
  return answer(lib.backup_delete(driver, path, id, err), err)
end

--- Returns the report.
function admin.backup_verify(driver, path, id)
  return env.out_buffer(function(buffer, err)
    return lib.backup_verify(driver, path, id or 0, buffer, nil, err)
  end)
end

function admin.restore(driver, from, to, id)
  local err = new_error()
  return answer(lib.backup_restore(driver, from, id or 0, to, nil, err), err)
end

--- Returns the report.
function admin.repair(driver, path)
  return env.out_buffer(function(buffer, err)
    return lib.repair_store(driver, path, buffer, nil, err)
  end)
end

--- Waits for a job; returns its state, code and text.
function admin.wait(db, id)
  local err, info = new_error(), ffi.new("loam_job_info")
  assert(answer(lib.loam_job_wait(db._p, id, 60000, info, err), err))
  return {
    state = info.state,
    code = ffi.string(lib.loam_code_name(info.code)),
    text = ffi.string(info.text),
    kind = ffi.string(info.kind),
    bytes_done = tonumber(info.bytes_done),
  }
end

--- Scrubs and waits; returns the ended job.
function admin.scrub(db, bytes_per_second)
  local err, job = new_error(), ffi.new("uint64_t[1]")
  assert(answer(lib.loam_scrub(db._p, bytes_per_second or 0, job, err), err))
  return admin.wait(db, job[0])
end

return admin
