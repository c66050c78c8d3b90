-- /v1/admin: verify, scrub, checkpoint, backup, backups, restore. All that lasts is a job.
--
-- Where copies go is the operator's: a request names a directory below the option backups_dir and
-- nothing else, so no name that comes over HTTP becomes a path. Restoring makes a new directory
-- there: a store that is served is never replaced under its server.
local answer = require "loam.answer"
local ffi = require "ffi"
local jobs = require "loam.routes.jobs"
local json = require "loam.json"
local C = require "loam.native"
local store = require "loam.store"

local tools = {}
local NAME_MAX = 64
local BACKUPS_MAX = 10000

local err = ffi.new("loam_error")

-- The directory that a parameter names.
local function place_of(req, ctx, param)
  local root, name = ctx.config.backups_dir, req.args[param]
  if not name then
    answer.refuse(req, "%s is missing: the directory below backups_dir", param)
  elseif #name > NAME_MAX or not name:find("^[A-Za-z0-9][A-Za-z0-9._-]*$") then
    answer.refuse(req, "%s is 1 to %d of A-Z a-z 0-9 . _ - and begins with a letter or digit",
      param, NAME_MAX)
  elseif root == "" then
    answer.raise(answer.error(req, 409,
      "this server has no place for copies: start it with --backups-dir DIR"))
  end
  return root .. "/" .. name
end

local function source_of(req, ctx, param)
  local path = place_of(req, ctx, param)
  if C.host_is_directory(path) == 0 then
    answer.raise(answer.error(req, 404, "no backups of that name"))
  end
  return path
end

local function target_of(req, ctx, param)
  local path = place_of(req, ctx, param)
  if C.host_is_directory(path) == 1 then
    answer.raise(answer.error(req, 409, ("%s '%s' is taken: give another name")
      :format(param, req.args[param])))
  end
  return path
end

function tools.verify(req, ctx)
  return jobs.start(req, ctx, function(out, detail)
    if req.args.deep then
      return C.loam_check_start(ctx.store.db, out, detail)
    end
    return C.loam_scrub(ctx.store.db, 0, out, detail)
  end)
end

function tools.scrub(req, ctx)
  local rate = req.args.rate or ctx.config.scrub_rate_bytes
  return jobs.start(req, ctx, function(out, detail)
    return C.loam_scrub(ctx.store.db, rate, out, detail)
  end)
end

function tools.checkpoint(req, ctx)
  local path = target_of(req, ctx, "name")
  return jobs.start(req, ctx, function(out, detail)
    return C.loam_checkpoint_start(ctx.store.db, path, out, detail)
  end)
end

function tools.backup(req, ctx)
  local path = place_of(req, ctx, "name")
  local options = ffi.new("loam_backup_options", { incremental = not req.args.full,
    bytes_per_second = req.args.rate or 0 })
  return jobs.start(req, ctx, function(out, detail)
    return C.loam_backup_start(ctx.store.db, path, options, out, detail)
  end)
end

local function backup_of(info)
  return { id = tonumber(info.id), seq = tonumber(info.seq),
    created_at_ms = tonumber(info.created_at_ms), file_count = tonumber(info.file_count),
    bytes = tonumber(info.bytes), uuid = ffi.string(info.uuid), is_damaged = info.is_damaged }
end

-- Small files, read rarely: the worker does it itself.
function tools.backups(req, ctx)
  local path = source_of(req, ctx, "name")
  local count = ffi.new("size_t[1]")
  local code = C.loam_backup_list(path, nil, 0, count, err)
  local capacity = math.min(tonumber(count[0]) + 16, BACKUPS_MAX)
  local room = ffi.new("loam_backup_info[?]", capacity)
  if code == 0 then
    code = C.loam_backup_list(path, room, capacity, count, err)
  end
  if code ~= 0 then
    answer.raise(answer.failure(req, store.failure(code, err)))
  end
  local list = json.array()
  for at = 0, math.min(tonumber(count[0]), capacity) - 1 do
    list[#list + 1] = backup_of(room[at])
  end
  return answer.json(200, { backups = list })
end

function tools.verify_backup(req, ctx)
  local path = source_of(req, ctx, "name")
  return jobs.start(req, ctx, function(out, detail)
    return C.loam_backup_verify_start(ctx.store.db, path, req.args.id or 0, out, detail)
  end)
end

function tools.delete_backup(req, ctx)
  local path = source_of(req, ctx, "name")
  if not req.args.id then
    answer.refuse(req, "id is missing: which backup is to be deleted")
  end
  return jobs.start(req, ctx, function(out, detail)
    return C.loam_backup_delete_start(ctx.store.db, path, req.args.id, out, detail)
  end)
end

function tools.restore(req, ctx)
  local to = target_of(req, ctx, "to")
  local from = source_of(req, ctx, "from")
  return jobs.start(req, ctx, function(out, detail)
    return C.loam_restore_start(ctx.store.db, from, req.args.id or 0, to, out, detail)
  end)
end

local WAIT = jobs.WAIT
local RATE = { name = "rate", type = "integer", min = 0, max = 2 ^ 44,
  summary = "Most bytes per second; 0 = no limit." }
local BACKUP_ID = { name = "id", type = "integer", min = 1, max = 2 ^ 53 - 1,
  summary = "Number of the backup. Default: the newest." }
local NAME = { name = "name", type = "string", place = "path",
  summary = "A directory below the option backups_dir." }

local function named(name, summary)
  return { name = name, type = "string", summary = summary }
end

local function answers(more)
  local all = {}
  for status, summary in pairs(jobs.ANSWERS) do
    all[status] = summary
  end
  for status, summary in pairs(more) do
    all[status] = summary
  end
  return all
end

local ABSENT = { [404] = "No backups of that name." }

tools.routes = {
  { name = "admin_verify", method = "POST", path = "/v1/admin/verify", role = "admin",
    params = { { name = "deep", type = "flag",
      summary = "Check every row, index and log, not only the hash of every table." }, WAIT },
    handler = tools.verify, summary = "Reads the whole store at full speed and compares.",
    answers = answers {} },
  { name = "admin_scrub", method = "POST", path = "/v1/admin/scrub", role = "admin",
    params = { RATE, WAIT }, handler = tools.scrub,
    summary = "Compares the hash of every table, at scrub_rate_bytes unless told.",
    answers = answers {} },
  { name = "admin_checkpoint", method = "POST", path = "/v1/admin/checkpoint", role = "admin",
    params = { named("name", "The new directory below backups_dir."), WAIT },
    handler = tools.checkpoint, summary = "Copies the store into a new directory.",
    answers = answers { [409] = "The name is taken, or the server has no backups_dir." } },
  { name = "admin_backup", method = "POST", path = "/v1/admin/backup", role = "admin",
    params = { named("name", "The directory below backups_dir, made when absent."),
      { name = "full", type = "flag",
        summary = "Read the files of earlier backups again and replace damaged ones." },
      RATE, WAIT },
    handler = tools.backup, summary = "Adds a backup; those of one name share their tables.",
    answers = answers { [409] = "The server has no backups_dir." } },
  { name = "admin_backups", method = "GET", path = "/v1/admin/backups/{name}", role = "admin",
    params = { NAME }, handler = tools.backups, summary = "The backups of a name, newest first.",
    answers = { [200] = "{backups}.", [404] = "No backups of that name." } },
  { name = "admin_backup_verify", method = "POST", path = "/v1/admin/backups/{name}/verify",
    role = "admin", params = { NAME, BACKUP_ID, WAIT }, handler = tools.verify_backup,
    summary = "Reads every file of a backup and compares.", answers = answers(ABSENT) },
  { name = "admin_backup_delete", method = "DELETE", path = "/v1/admin/backups/{name}",
    role = "admin", params = { NAME, BACKUP_ID, WAIT }, handler = tools.delete_backup,
    summary = "Deletes a backup, and files that no other needs.", answers = answers(ABSENT) },
  { name = "admin_restore", method = "POST", path = "/v1/admin/restore", role = "admin",
    params = { named("from", "Backups below backups_dir."),
      named("to", "The new directory below backups_dir."), BACKUP_ID, WAIT },
    handler = tools.restore,
    summary = "Makes a new store of a backup, verified first; the served one stays.",
    answers = answers { [404] = "No backups of that name.", [409] = "The name is taken." } },
}

return tools
