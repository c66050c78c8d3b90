-- /v1/admin: statistics, tables, configuration, flush, compaction and its jobs.
local answer = require "loam.answer"
local ffi = require "ffi"
local json = require "loam.json"
local C = require "loam.native"
local stats = require "loam.stats"
local store = require "loam.store"

local admin = {}
local STATES = { [0] = "running", "done", "failed", "cancelled" }
local POLL_SECONDS = 0.05
local JOBS_MAX = 100

local err = ffi.new("loam_error")

local function fail(req, code)
  answer.raise(answer.failure(req, store.failure(code, err)))
end

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

-- ---- Work ----

function admin.flush(req, ctx)
  local is_done, failure = ctx.store:flush()
  if not is_done then
    answer.raise(answer.failure(req, failure))
  end
  return answer.json(200, { flushed = true, seq = tonumber(C.loam_seq(ctx.store.db)) })
end

local function job_of(info)
  local total = tonumber(info.bytes_total)
  local job = { id = tonumber(info.id), state = STATES[info.state], kind = ffi.string(info.kind),
    bytes_done = tonumber(info.bytes_done), bytes_total = total,
    started_at_ms = tonumber(info.started_at_ms) }
  job.progress = info.state == C.LOAM_JOB_DONE and 1
    or total > 0 and math.min(1, job.bytes_done / total) or 0
  if info.finished_at_ms > 0 then
    job.finished_at_ms = tonumber(info.finished_at_ms)
  end
  if info.code ~= 0 then
    job.code = ffi.string(C.loam_code_name(info.code))
  end
  local text = ffi.string(info.text)
  job.text = text ~= "" and answer.public_text(text) or nil
  return job
end

local function find_job(req, ctx, id)
  local info = ffi.new("loam_job_info")
  local code = C.loam_job_get(ctx.store.db, id, info, err)
  if code == C.LOAM_NOT_FOUND then
    answer.raise(answer.error(req, 404, "no such job"))
  elseif code ~= 0 then
    fail(req, code)
  end
  return info
end

function admin.compact(req, ctx)
  local id = ffi.new("uint64_t[1]")
  local code = C.loam_compact(ctx.store.db, id, err)
  if code ~= 0 then
    fail(req, code)
  end
  local info = find_job(req, ctx, id[0])
  while req.args.wait and info.state == C.LOAM_JOB_RUNNING do
    ctx.sleep(POLL_SECONDS)
    info = find_job(req, ctx, id[0])
  end
  local job = job_of(info)
  return answer.json(req.args.wait and 200 or 202, { job = job },
    { Location = ("/v1/admin/jobs/%.0f"):format(job.id) })
end

local function job_id(req)
  local id = req.args.id:match("^%d+$") and tonumber(req.args.id)
  if not id or id >= 2 ^ 53 then
    answer.raise(answer.error(req, 404, "no such job"))
  end
  return id
end

function admin.job(req, ctx)
  return answer.json(200, { job = job_of(find_job(req, ctx, job_id(req))) })
end

function admin.jobs(_, ctx)
  local room = ffi.new("loam_job_info[?]", JOBS_MAX)
  local list = json.array()
  for at = 0, math.min(tonumber(C.loam_job_list(ctx.store.db, room, JOBS_MAX)), JOBS_MAX) - 1 do
    list[#list + 1] = job_of(room[at])
  end
  return answer.json(200, { jobs = list })
end

function admin.cancel(req, ctx)
  local id = job_id(req)
  find_job(req, ctx, id)
  local code = C.loam_job_cancel(ctx.store.db, id, err)
  if code ~= 0 and code ~= C.LOAM_NOT_FOUND then
    fail(req, code)
  end
  return answer.json(202, { job = job_of(find_job(req, ctx, id)) })
end

local ID = { name = "id", type = "string", place = "path", summary = "Number of the job." }
local WAIT = { name = "wait", type = "flag", summary = "Answer only when it is done." }

admin.routes = {
  { name = "admin_stats", method = "GET", path = "/v1/admin/stats", role = "admin", params = {},
    handler = admin.stats, summary = "Every counter and latency.", answers = { [200] = "Them." } },
  { name = "admin_levels", method = "GET", path = "/v1/admin/levels", role = "admin", params = {},
    handler = admin.levels, summary = "Sorted runs and their tables.",
      answers = { [200] = "{runs}." } },
  { name = "admin_config", method = "GET", path = "/v1/admin/config", role = "admin", params = {},
    handler = admin.config, summary = "Every option with value, unit and source.",
    answers = { [200] = "{options}." } },
  { name = "admin_flush", method = "POST", path = "/v1/admin/flush", role = "admin",
    params = { WAIT },
    handler = admin.flush, summary = "Writes the memtable to tables; answers when it is done.",
    answers = { [200] = "Done." } },
  { name = "admin_compact", method = "POST", path = "/v1/admin/compact", role = "admin",
    params = { WAIT }, handler = admin.compact, summary = "Starts a full compaction.",
    answers = { [200] = "Done, with wait=1.", [202] = "{job}: it runs." } },
  { name = "admin_jobs", method = "GET", path = "/v1/admin/jobs", role = "admin", params = {},
    handler = admin.jobs, summary = "Jobs, newest first.", answers = { [200] = "{jobs}." } },
  { name = "admin_job", method = "GET", path = "/v1/admin/jobs/{id}", role = "admin",
    params = { ID },
    handler = admin.job, summary = "One job with its progress.",
    answers = { [200] = "{job}.", [404] = "No such job." } },
  { name = "admin_job_cancel", method = "DELETE", path = "/v1/admin/jobs/{id}", role = "admin",
    params = { ID }, handler = admin.cancel, summary = "Cancels a job.",
    answers = { [202] = "It will stop.", [404] = "No such job." } },
}

return admin
