-- /v1/admin: statistics, tables, configuration, flush and compaction.
local answer = require "loam.answer"
local ffi = require "ffi"
local jobs = require "loam.routes.jobs"
local json = require "loam.json"
local log = require "loam.log"
local C = require "loam.native"
local stats = require "loam.stats"

local admin = {}

function admin.stats(_, ctx)
  local body = stats.read(ctx.store.db)
  body.latencies = stats.histograms(ctx.store.db)
  body.http = stats.http(ctx.host, ctx.worker_count)
  body.volume_id = ctx.volume_id()
  body.health_text = answer.public_text(body.health_text)
  return answer.json(200, body)
end

-- ---- Tables ----

local function table_of(info)
  local shown = { number = tonumber(info.number), size = tonumber(info.size),
    rows = tonumber(info.row_count), deletes = tonumber(info.delete_count),
    seq_min = tonumber(info.seq_min), seq_max = tonumber(info.seq_max) }
  json.set_bytes(shown, "smallest", ffi.string(info.smallest, info.smallest_size))
  json.set_bytes(shown, "largest", ffi.string(info.largest, info.largest_size))
  return shown
end

local function read_tables(db)
  local count = tonumber(C.loam_tables(db, nil, 0)) + 16
  local room = ffi.new("loam_table_info[?]", count)
  return room, math.min(tonumber(C.loam_tables(db, room, count)), count)
end

function admin.levels(_, ctx)
  local room, count = read_tables(ctx.store.db)
  local runs = json.array()
  for at = 0, count - 1 do
    local run = runs[room[at].run + 1]
    if not run then
      run = { run = room[at].run, size = 0, rows = 0, tables = json.array() }
      runs[#runs + 1] = run
    end
    local shown = table_of(room[at])
    run.size, run.rows = run.size + shown.size, run.rows + shown.rows
    run.tables[#run.tables + 1] = shown
  end
  return answer.json(200, { runs = runs })
end

function admin.config(_, ctx)
  return answer.json(200, { options = ctx.config_rows() })
end

-- The level that the option log_level gave, until somebody changed it.
local function level_of(ctx)
  local number = ctx.host and C.host_shared(ctx.host).log_level or 0
  return log.NAMES[number] or ctx.config.log_level
end

function admin.log_level(_, ctx)
  return answer.json(200, { level = level_of(ctx) })
end

function admin.set_log_level(req, ctx)
  local level = req.args.level
  if not level then
    answer.refuse(req, "level is missing: one of %s", table.concat(log.NAMES, ", "))
  end
  for number, name in ipairs(log.NAMES) do
    if name == level and ctx.host then
      C.host_log_level_set(ctx.host, number)
    end
  end
  return answer.json(200, { level = level })
end

-- ---- Work ----

function admin.flush(req, ctx)
  local task, failure = ctx.store:run("HOST_TASK_FLUSH")
  if not task then
    answer.raise(answer.failure(req, failure))
  end
  return answer.json(200, { flushed = true, seq = tonumber(C.loam_seq(ctx.store.db)) })
end

function admin.compact(req, ctx)
  local task, failure = ctx.store:run("HOST_TASK_COMPACT")
  if not task then
    answer.raise(answer.failure(req, failure, failure.code == "BUSY" and { status = 409 } or nil))
  end
  return jobs.follow(req, ctx, task.job)
end

local WAIT = jobs.WAIT

admin.routes = {
  { name = "admin_stats", method = "GET", path = "/v1/admin/stats", role = "admin", params = {},
    handler = admin.stats, summary = "Every counter and latency.", answers = { [200] = "Them." } },
  { name = "admin_levels", method = "GET", path = "/v1/admin/levels", role = "admin", params = {},
    handler = admin.levels, summary = "Sorted runs and their tables.",
      answers = { [200] = "{runs}." } },
  { name = "admin_config", method = "GET", path = "/v1/admin/config", role = "admin", params = {},
    handler = admin.config, summary = "Every option with value, unit and source.",
    answers = { [200] = "{options}." } },
  { name = "admin_log_level", method = "GET", path = "/v1/admin/log-level", role = "admin",
    params = {}, handler = admin.log_level, summary = "The least level of log lines.",
    answers = { [200] = "{level}." } },
  { name = "admin_log_level_set", method = "PUT", path = "/v1/admin/log-level", role = "admin",
    params = { { name = "level", type = "string", values = log.NAMES, summary = "The new one." } },
    handler = admin.set_log_level,
    summary = "Changes the least level of log lines in all workers, until the server ends.",
    answers = { [200] = "{level}." } },
  { name = "admin_flush", method = "POST", path = "/v1/admin/flush", role = "admin",
    params = { WAIT },
    handler = admin.flush, summary = "Writes the memtable to tables; answers when it is done.",
    answers = { [200] = "Done." } },
  { name = "admin_compact", method = "POST", path = "/v1/admin/compact", role = "admin",
    params = { WAIT }, handler = admin.compact, summary = "Starts a full compaction.",
    answers = jobs.ANSWERS },
}

return admin
