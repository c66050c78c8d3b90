-- Examples of JSON that goes in and out, by route, and of parameters, by name. Called by
-- loam.openapi; spec/lua/openapi_spec.lua holds them to their schemas and sends those of requests.
local json = require "loam.json"

local examples = {}
local list = json.array

local COMPACTION = { id = 2, kind = "compact", state = "running", progress = 0.25,
  bytes_done = 1138280, bytes_total = 4553119, started_at_ms = 1735689600000 }
local TOKEN = { id = "1f0c6f3a9d2e4b57", state = "valid", roles = list { "read" },
  buckets = list { "orders" }, prefixes = list {}, note = "reports",
  created_at_ms = 1735689600000, expires_at_ms = 1735776000000 }

local HANDLE = { by = "scan", seq = 200000, age_s = 12.5, bytes = 0 }

local function with(row, changes)
  local copy = {}
  for name, value in pairs(row) do
    copy[name] = value
  end
  for name, value in pairs(changes) do
    copy[name] = value
  end
  return copy
end

--- By route: {request, answer}; an empty list stays one.
examples.by_route = {
  kv_get = { answer = { k = "user:1", seq = 12, size = 3, content_type = "text/plain" } },
  kv_scan = { answer = { rows = list { { k = "user:1", v = "Ada" }, { k64 = "_w", v64 = "AAE" } },
    count = 2, next = json.null } },
  kv_delete_range = { answer = { count = 1204, seq = 15 } },
  kv_post = { answer = { value = 4, seq = 14 } },
  kv_load = { answer = { count = 2000000, seq = 2000014 } },
  mget = { request = list { { k = "user:1" }, { b = "orders", k = "7" } },
    answer = list { { found = true, k = "user:1", seq = 12, v = "Ada" },
      { b = "orders", found = false, k = "7" } } },
  batch = { request = list { { op = "put", k = "user:1", v = "Ada" },
    { op = "incr", k = "users", by = 1, init = 0 } }, answer = { seq = 13, count = 2 } },
  bucket_list = { answer = { buckets = list { { name = "default", ttl = 0, merge = "none" },
    { name = "sessions", ttl = 3600, merge = "none" } } } },
  bucket_get = { answer = { name = "sessions", ttl = 3600, merge = "none" } },
  bucket_put = { request = { ttl = 3600 },
    answer = { name = "sessions", ttl = 3600, merge = "none" } },
  blob_post = { answer = { key = "photos/1", etag = "3610a686", size = 5, volume_id = "a" } },
  blob_list = { answer = list { "photos/1", "photos/2" } },
  health = { answer = { status = "ok", volume_id = "a", keys = 2, segments = 1, total_mb = 0.1,
    uptime_secs = 5, reasons = list {} } },
  livez = { answer = { status = "ok" } },
  readyz = { answer = { status = "ok", reasons = list {} } },
  explain = { answer = { steps = list { { place = "memory", number = 7, outcome = "absent" },
    { place = "table", run = 0, number = 5, outcome = "value", seq = 12, size = 3 } } } },
  admin_files = { answer = { files = list { { name = "000000000005.sst", kind = "table",
    bytes = 4553119, is_live = true } } } },
  admin_handles = { answer = { handles = list { HANDLE } } },
  admin_space = { answer = { total = 71663264, tables = 4553119, live = 4553119, garbage = 0,
    wal = 67108864, unused = 0, free = 53687091200, reserve = 67108864,
    pinned = list { HANDLE } } },
  admin_log_level = { answer = { level = "info" } },
  admin_log_level_set = { answer = { level = "debug" } },
  admin_flush = { answer = { flushed = true, seq = 14 } },
  admin_compact = { answer = { job = COMPACTION } },
  admin_jobs = { answer = { jobs = list { COMPACTION } } },
  admin_job = { answer = { job = COMPACTION } },
  admin_job_cancel = { answer = { job = with(COMPACTION, { state = "cancelled" }) } },
  admin_backup = { answer = { job = { id = 3, kind = "backup", state = "done", progress = 1,
    bytes_done = 4553119, bytes_total = 4553119, started_at_ms = 1735689600000,
    finished_at_ms = 1735689600150,
    text = "backup 2, sequence 200000, 4553377 bytes, 258 of them new" } } },
  admin_verify = { answer = { job = { id = 4, kind = "check", state = "failed", progress = 1,
    bytes_done = 4553119, bytes_total = 4553119, started_at_ms = 1735689600000,
    finished_at_ms = 1735689600150, code = "CORRUPT",
    text = "000000000005.sst at offset 99339: data block: checksum differs" } } },
  admin_backups = { answer = { backups = list { { id = 2, seq = 200000,
    created_at_ms = 1735689600000, file_count = 2, bytes = 4553377,
    uuid = "f30d8be9-7623-4364-8299-8f51f8f24d02", is_damaged = false } } } },
  admin_calls = { answer = { calls = list { { id = "5b1e0c22-17", worker = 1, method = "GET",
    target = "/v1/kv/default", peer = "127.0.0.1:40112", bytes_sent = 1048576, running_ms = 812,
    state = "streaming" } }, silent_workers = list {} } },
  admin_call_kill = { answer = { id = "5b1e0c22-17", state = "ending" } },
  admin_token_list = { answer = { tokens = list { TOKEN } } },
  admin_token_create = { request = { roles = list { "read" }, buckets = list { "orders" },
    expires_in = 86400, note = "reports" },
    answer = with(TOKEN, { token = "loam_1f0c6f3a9d2e4b57_..." }) },
  admin_token_revoke = { answer = with(TOKEN, { state = "revoked",
    revoked_at_ms = 1735700000000 }) },
}

--- Of an error.
examples.error = { error = "no such key", code = "NOT_FOUND", request_id = "5b1e0c22-17" }

--- Of parameters, by name.
examples.parameters = { bucket = "default", key = "user:1", prefix = "user:", from = "user:1",
  fromKey = "user:1", to = "user:9", endKey = "user:9", after = "user:5", limit = 100, ttl = 3600,
  durability = "sync", deadline_ms = 2000, op = "incr", by = 1, init = 0, format = "ndjson" }

return examples
