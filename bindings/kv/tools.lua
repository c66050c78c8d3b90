-- Copies and repairs: checkpoints, backups, restore, scrub, verify, repair.
--
-- All run in threads of the library: where a handler of a host calls, it sleeps meanwhile. The
-- option on_progress(info) is called about ten times a second with {bytes_done, bytes_total, ...}
-- as job:info() has them; when it returns false the call is undone and gives nil, err, "CANCELLED".
local errors = require "kv.errors"
local ffi = require "ffi"
local handles = require "kv.handles"
local job = require "kv.job"
local lib = require "kv.lib"
local options = require "kv.options"
local work = require "kv.work"

local tools = { methods = {}, functions = {} }
local methods, functions = tools.methods, tools.functions
local C = lib.C
local err = errors.scratch
local id_out = ffi.new("uint64_t[1]")
local count_out = ffi.new("size_t[1]")

local CHECKPOINT = { on_progress = "function" }
local BACKUP = { incremental = "boolean", bytes_per_second = "whole", on_progress = "function" }
local SCRUB = { bytes_per_second = "whole" }
local VERIFY = { deep = "boolean", on_progress = "function" }
local RESTORE = { id = "whole", on_progress = "function" }

local function check_path(call, path)
  if type(path) ~= "string" then
    errors.misuse("%s: the directory is a string, got %s", call, errors.what_came(path))
  elseif path:find("\0", 1, true) then
    errors.misuse("%s: the path has a zero byte", call)
  end
end

local function check_id(call, id)
  if type(id) ~= "number" or id < 0 or id % 1 ~= 0 then
    errors.misuse("%s: the id of a backup is a whole number, got %s", call, tostring(id))
  end
end

-- The job that `start` has started, or nil, err, CODE.
local function started(self, rc)
  if rc ~= 0 then
    return errors.failure(rc)
  end
  return job.new(self, tonumber(id_out[0]))
end

-- Starts a job and waits for its end; returns its info.
local function ended(self, rc, on_progress)
  local running, failure, code = started(self, rc)
  if not running then
    return nil, failure, code
  elseif on_progress then
    return running:follow(on_progress)
  end
  return running:wait()
end

local function checked(call, given, known)
  given = given or {}
  options.check(call, given, known)
  return given
end

---@class kv.backup_info
---@field id number
---@field seq number         the commit point it equals
---@field created_at number  seconds
---@field file_count number
---@field bytes number
---@field new_bytes number   written by this backup; 0 in lists
---@field uuid string
---@field is_damaged boolean

local function describe(info)
  return {
    id = tonumber(info.id),
    seq = tonumber(info.seq),
    created_at = tonumber(info.created_at_ms) / 1000,
    file_count = tonumber(info.file_count),
    bytes = tonumber(info.bytes),
    new_bytes = tonumber(info.new_bytes),
    uuid = ffi.string(info.uuid),
    is_damaged = info.is_damaged,
  }
end

--- Makes a store of its own in an absent or empty directory, equal to the newest commit point.
--- Returns that sequence number.
---@param path string
---@param given? {on_progress: function}
---@return number? seq, kv.error? err, string? code
function methods:checkpoint(path, given)
  local p = handles.pointer(self, "checkpoint")
  check_path("checkpoint", path)
  given = checked("checkpoint", given, CHECKPOINT)
  local rc = C.loam_checkpoint_start(p, path, id_out, err)
  local info, failure, code = ended(self, rc, given.on_progress)
  if not info then
    return nil, failure, code
  end
  return tonumber(info.text:match("%d+"))
end

-- What a backup that was just made is, out of its directory and the text of its job.
local function made_backup(path, text)
  local id, new_bytes = tonumber(text:match("backup (%d+)")), text:match("(%d+) of them new")
  local list, failure, code = functions.backups(path)
  if not list then
    return nil, failure, code
  end
  for _, info in ipairs(list) do
    if info.id == id then
      info.new_bytes = tonumber(new_bytes)
      return info
    end
  end
  return errors.refuse("IO", "backup %d in %s is gone again", id, path)
end

--- Adds a backup to a directory of backups. Option incremental (default true) trusts files that are
--- there already; false reads them all again and replaces damaged ones.
---@param path string
---@param given? {incremental: boolean, bytes_per_second: number, on_progress: function}
---@return kv.backup_info? info, kv.error? err, string? code
function methods:backup(path, given)
  local p = handles.pointer(self, "backup")
  check_path("backup", path)
  given = checked("backup", given, BACKUP)
  local filled = ffi.new("loam_backup_options", {
    incremental = given.incremental ~= false,
    bytes_per_second = given.bytes_per_second or 0,
  })
  local rc = C.loam_backup_start(p, path, filled, id_out, err)
  local info, failure, code = ended(self, rc, given.on_progress)
  if not info then
    return nil, failure, code
  end
  return made_backup(path, info.text)
end

--- Starts a job that reads every table and compares its hash; damage fails it with CORRUPT and
--- makes the health degraded.
---@param given? {bytes_per_second: number}
---@return kv.job? job, kv.error? err, string? code
function methods:scrub(given)
  local p = handles.pointer(self, "scrub")
  given = checked("scrub", given, SCRUB)
  return started(self, C.loam_scrub(p, given.bytes_per_second or 0, id_out, err))
end

--- Compares the hash of every table at full speed and waits; with deep = true checks every row,
--- index and log too. True, or nil, err, CODE.
---@param given? {deep: boolean, on_progress: function}
---@return boolean? is_sound, kv.error? err, string? code
function methods:verify(given)
  local p = handles.pointer(self, "verify")
  given = checked("verify", given, VERIFY)
  local rc = given.deep and C.loam_check_start(p, id_out, err) or C.loam_scrub(p, 0, id_out, err)
  local info, failure, code = ended(self, rc, given.on_progress)
  if not info then
    return nil, failure, code
  end
  return true
end

--- Returns the backups of a directory, newest first.
---@param path string
---@return kv.backup_info[]? list, kv.error? err, string? code
function functions.backups(path)
  check_path("backups", path)
  local count, capacity, infos = 0, -1, nil
  while count > capacity do -- Another process may add one between two calls.
    capacity = count + 16
    infos = ffi.new("loam_backup_info[?]", capacity)
    local rc = C.loam_backup_list(path, infos, capacity, count_out, err)
    if rc ~= 0 then
      return errors.failure(rc)
    end
    count = tonumber(count_out[0])
  end
  local list = {}
  for index = 1, count do
    list[index] = describe(infos[index - 1])
  end
  return list
end

--- Deletes one backup, and files that no other needs.
---@param path string
---@param id number
---@return boolean? is_done, kv.error? err, string? code
function functions.delete_backup(path, id)
  check_path("delete_backup", path)
  check_id("delete_backup", id)
  local report, failure, code = work.run(function(out, detail)
    return C.loam_backup_delete_begin(path, id, out, detail)
  end)
  if not report then
    return nil, failure, code
  end
  return true
end

--- Reads every file of a backup; true and a report, or nil, err, CODE with err.report.
---@param path string
---@param id? number  default the newest
---@param given? {on_progress: function}
---@return boolean? is_sound, string|kv.error report, string? code
function functions.verify_backup(path, id, given)
  check_path("verify_backup", path)
  check_id("verify_backup", id or 0)
  given = checked("verify_backup", given, CHECKPOINT)
  local report, failure, code = work.run(function(out, detail)
    return C.loam_backup_verify_begin(path, id or 0, out, detail)
  end, given.on_progress)
  if not report then
    return nil, failure, code
  end
  return true, report
end

--- Makes a store in `to`, absent or empty, of a backup in `from`. Every file is verified first.
---@param from string
---@param to string
---@param given? {id: number, on_progress: function}  id: default the newest
---@return boolean? is_done, kv.error? err, string? code
function functions.restore(from, to, given)
  check_path("restore", from)
  check_path("restore", to)
  given = checked("restore", given, RESTORE)
  local report, failure, code = work.run(function(out, detail)
    return C.loam_restore_begin(from, given.id or 0, to, out, detail)
  end, given.on_progress)
  if not report then
    return nil, failure, code
  end
  return true
end

--- Makes a damaged, closed store one that opens, with every row that can be read. What it does not
--- use stands in the subdirectory lost. Returns a line per file.
---@param path string
---@param given? {on_progress: function}
---@return string? report, kv.error? err, string? code
function functions.repair(path, given)
  check_path("repair", path)
  given = checked("repair", given, CHECKPOINT)
  return work.run(function(out, detail)
    return C.loam_repair_begin(path, out, detail)
  end, given.on_progress)
end

return tools
