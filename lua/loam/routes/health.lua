-- /health, /livez, /readyz and /metrics: what operators and their tools look at.
local answer = require "loam.answer"
local json = require "loam.json"
local metrics = require "loam.metrics"
local C = require "loam.native"
local stats = require "loam.stats"

local health = {}
local MEGABYTE = 1048576

local function uptime_secs(ctx)
  return math.floor((C.host_now_ms() - ctx.started_at_ms) / 1000)
end

local function round(number)
  return math.floor(number * 1000 + 0.5) / 1000
end

local function reasons_of(ctx, now)
  local reasons = json.array()
  if now.health ~= "ok" then
    reasons[#reasons + 1] = answer.public_text(now.health_text)
  end
  for _, one in ipairs(ctx.stalled()) do
    reasons[#reasons + 1] = ("worker %d has not turned for %.1f s: %s"):format(one.worker,
      one.ms / 1000, one.what)
  end
  if ctx.is_stopping() then
    reasons[#reasons + 1] = "the server is stopping"
  end
  return reasons
end

function health.health(_, ctx)
  local now = stats.read(ctx.store.db)
  local is_failing = now.health == "read_only"
  return answer.json(is_failing and 503 or 200, {
    status = now.health == "ok" and #ctx.stalled() > 0 and "degraded" or now.health,
    volume_id = ctx.volume_id(),
    keys = now.key_count_estimate,
    segments = now.table_count,
    total_mb = round((now.table_bytes + now.wal_bytes) / MEGABYTE),
    uptime_secs = uptime_secs(ctx),
    reasons = reasons_of(ctx, now),
  }, is_failing and { ["Retry-After"] = "10" } or nil)
end

function health.livez()
  return answer.json(200, { status = "ok" })
end

function health.readyz(_, ctx)
  local now = stats.read(ctx.store.db)
  local is_ready = now.health ~= "read_only" and not ctx.is_stopping() and #ctx.stalled() == 0
  return answer.json(is_ready and 200 or 503,
    { status = is_ready and "ok" or "not ready", reasons = reasons_of(ctx, now) },
    not is_ready and { ["Retry-After"] = "1" } or nil)
end

-- ---- Metrics ----

local function json_form(ctx, now)
  local total_bytes = now.table_bytes + now.wal_bytes
  local keys = now.key_count_estimate
  return answer.json(200, {
    total_keys = keys,
    total_segments = now.table_count,
    total_bytes = total_bytes,
    total_mb = round(total_bytes / MEGABYTE),
    active_segment_id = now.wal_number,
    oldest_segment_id = now.oldest_wal_number,
    volume_id = ctx.volume_id(),
    uptime_secs = uptime_secs(ctx),
    -- Before compaction overwritten rows are in both numbers, so the ratio stays about right.
    avg_value_size_bytes = keys > 0 and round(total_bytes / keys) or 0,
  })
end

local function add_fields(lines, prefix, fields, values)
  for _, field in ipairs(fields) do
    local kind, name, factor = field[2], field[4] or field[1], field[5] or 1
    local suffix = kind == "counter" and "_total" or ""
    metrics.family(lines, kind, prefix .. name .. suffix, field[3],
      { { {}, values[field[1]] * factor } })
  end
end

local QUANTILES = { { "0.5", "p50_ns" }, { "0.9", "p90_ns" }, { "0.99", "p99_ns" },
  { "0.999", "p999_ns" } }

local function add_latencies(lines, db)
  local values, found = {}, stats.histograms(db)
  for index = 0, #stats.HISTOGRAMS do
    local name = stats.HISTOGRAMS[index]
    for _, quantile in ipairs(QUANTILES) do
      values[#values + 1] = { { operation = name, quantile = quantile[1] },
        found[name][quantile[2]] / 1e9 }
    end
    values[#values + 1] = { { operation = name }, found[name].sum_ns / 1e9, "_sum" }
    values[#values + 1] = { { operation = name }, found[name].count, "_count" }
  end
  metrics.family(lines, "summary", "loam_latency_seconds", "The engine's latencies.", values)
end

local function add_stalls(lines, ctx)
  local values = {}
  for index = 1, ctx.worker_count do
    values[index] = { { worker = tostring(index) }, 0 }
  end
  for _, one in ipairs(ctx.stalled()) do
    values[one.worker][2] = one.ms / 1000
  end
  metrics.family(lines, "gauge", "loam_worker_stalled_seconds",
    "How long a worker has not come back to its poll, from worker_stall_ms on.", values)
end

local function text_form(ctx, now)
  local lines = {}
  metrics.family(lines, "gauge", "loam_up_seconds", "Seconds since the start.",
    { { {}, uptime_secs(ctx) } })
  metrics.family(lines, "gauge", "loam_healthy", "1 unless the store is read-only after a failure.",
    { { { volume_id = ctx.volume_id() }, now.health == "read_only" and 0 or 1 } })
  local cause = now.health ~= "ok" and answer.public_text(now.health_text) or ""
  metrics.family(lines, "gauge", "loam_health_info", "State and first cause as labels; always 1.",
    { { { state = now.health, cause = cause }, 1 } })
  add_fields(lines, "loam_", stats.FIELDS, now)
  add_stalls(lines, ctx)
  add_latencies(lines, ctx.store.db)
  add_fields(lines, "loam_http_", stats.HTTP_FIELDS, stats.http(ctx.host, ctx.worker_count))
  for _, line in ipairs(metrics.lines()) do
    lines[#lines + 1] = line
  end
  return answer.new(200, table.concat(lines, "\n") .. "\n",
    { ["Content-Type"] = "text/plain; version=0.0.4; charset=utf-8" })
end

function health.metrics(req, ctx)
  local now = stats.read(ctx.store.db)
  local accepted = req.headers["Accept"] or ""
  local is_json = accepted:find("application/json", 1, true)
  local made = is_json and json_form(ctx, now) or text_form(ctx, now)
  made.headers["Vary"] = "Accept"
  return made
end

health.routes = {
  { name = "health", method = "GET", path = "/health", role = "read", params = {},
    handler = health.health, summary = "State and size of the store.",
    answers = { [200] = "It serves.", [503] = "It is read-only after a failure; see reasons." } },
  { name = "livez", method = "GET", path = "/livez", role = "public", params = {},
    handler = health.livez, summary = "The process answers.", answers = { [200] = "Yes." } },
  { name = "readyz", method = "GET", path = "/readyz", role = "public", params = {},
    handler = health.readyz, summary = "The server takes requests.",
    answers = { [200] = "Yes.", [503] = "It is stopping, read-only, or a worker is stalled; see "
      .. "reasons." } },
  { name = "metrics", method = "GET", path = "/metrics", role = "read", params = {},
    handler = health.metrics, summary = "Prometheus text; JSON with Accept: application/json.",
    answers = { [200] = "The metrics." } },
}

return health
