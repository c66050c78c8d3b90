-- /v1/admin/jobs, and how other routes start a job and tell of it.
local answer = require "loam.answer"
local ffi = require "ffi"
local json = require "loam.json"
local C = require "loam.native"
local store = require "loam.store"

local jobs = {}
local STATES = { [0] = "running", "done", "failed", "cancelled" }
local POLL_SECONDS = 0.05
local JOBS_MAX = 100

local err = ffi.new("loam_error")

local function fail(req, code)
  answer.raise(answer.failure(req, store.failure(code, err)))
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

local function find(req, ctx, id)
  local info = ffi.new("loam_job_info")
  local code = C.loam_job_get(ctx.store.db, id, info, err)
  if code == C.LOAM_NOT_FOUND then
    answer.raise(answer.error(req, 404, "no such job"))
  elseif code ~= 0 then
    fail(req, code)
  end
  return info
end

--- Answers 202 {job} for a job that was started, or with wait=1 200 when it has ended, however that
--- was.
---@param req table
---@param ctx table
---@param id number|ffi.cdata*
function jobs.follow(req, ctx, id)
  local info = find(req, ctx, id)
  while req.args.wait and info.state == C.LOAM_JOB_RUNNING do
    ctx.sleep(POLL_SECONDS)
    info = find(req, ctx, id)
  end
  local job = job_of(info)
  return answer.json(req.args.wait and 200 or 202, { job = job },
    { Location = ("/v1/admin/jobs/%.0f"):format(job.id) })
end

--- Starts a job by a call that does not wait for the disk, and follows it. call(out, err) starts
--- it; BUSY, when another one is in its way, is 409.
---@param req table
---@param ctx table
---@param call fun(out: ffi.cdata*, err: ffi.cdata*): number
function jobs.start(req, ctx, call)
  local id = ffi.new("uint64_t[1]")
  local code = call(id, err)
  if code == C.LOAM_BUSY then
    answer.raise(answer.failure(req, store.failure(code, err), { status = 409 }))
  elseif code ~= 0 then
    fail(req, code)
  end
  return jobs.follow(req, ctx, id[0])
end

-- ---- Routes ----

local function id_of(req)
  local id = req.args.id:match("^%d+$") and tonumber(req.args.id)
  if not id or id >= 2 ^ 53 then
    answer.raise(answer.error(req, 404, "no such job"))
  end
  return id
end

function jobs.get(req, ctx)
  return answer.json(200, { job = job_of(find(req, ctx, id_of(req))) })
end

function jobs.list(_, ctx)
  local room = ffi.new("loam_job_info[?]", JOBS_MAX)
  local list = json.array()
  for at = 0, math.min(tonumber(C.loam_job_list(ctx.store.db, room, JOBS_MAX)), JOBS_MAX) - 1 do
    list[#list + 1] = job_of(room[at])
  end
  return answer.json(200, { jobs = list })
end

function jobs.cancel(req, ctx)
  local id = id_of(req)
  find(req, ctx, id)
  local code = C.loam_job_cancel(ctx.store.db, id, err)
  if code ~= 0 and code ~= C.LOAM_NOT_FOUND then
    fail(req, code)
  end
  return answer.json(202, { job = job_of(find(req, ctx, id)) })
end

local ID = { name = "id", type = "string", place = "path", summary = "Number of the job." }

--- The parameter of every route that starts a job, and its answers.
jobs.WAIT = { name = "wait", type = "flag", summary = "Answer only when it has ended." }
jobs.ANSWERS = { [200] = "{job}: it has ended; see its state. With wait=1.",
  [202] = "{job}: it runs.", [409] = "Another job is in its way." }

jobs.routes = {
  { name = "admin_jobs", method = "GET", path = "/v1/admin/jobs", role = "admin", params = {},
    handler = jobs.list, summary = "Jobs, newest first.", answers = { [200] = "{jobs}." } },
  { name = "admin_job", method = "GET", path = "/v1/admin/jobs/{id}", role = "admin",
    params = { ID },
    handler = jobs.get, summary = "One job with its progress.",
    answers = { [200] = "{job}.", [404] = "No such job." } },
  { name = "admin_job_cancel", method = "DELETE", path = "/v1/admin/jobs/{id}", role = "admin",
    params = { ID }, handler = jobs.cancel, summary = "Cancels a job.",
    answers = { [202] = "It will stop.", [404] = "No such job." } },
}

return jobs
