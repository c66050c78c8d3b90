-- What the OpenAPI document says of bodies: a schema for every JSON that goes in or out, by the
-- names of routes. Called by loam.openapi; spec/lua/openapi_spec.lua checks that no route is
-- forgotten and that real answers fit.
local json = require "loam.json"

local openapi_schemas = {}

local function object(properties, required)
  return { type = "object", properties = properties, required = required and json.array(required) }
end

local function list_of(items)
  return { type = "array", items = items }
end

local function ref(name)
  return { ["$ref"] = "#/components/schemas/" .. name }
end

local function text(description)
  return { type = "string", description = description }
end

local function whole(description)
  return { type = "integer", format = "int64", description = description }
end

local ROLE = { type = "string", enum = json.array { "read", "write", "exec", "deploy", "admin" } }

local KEY = {
  k = text("The key, when it is UTF-8."),
  k64 = text("The key as base64url without padding."),
}

local function with_key(properties)
  for name, schema in pairs(KEY) do
    properties[name] = schema
  end
  return properties
end

--- Components by name.
openapi_schemas.components = {
  error = object({
    error = text("One line for people."),
    code = text("One word for programs: NOT_FOUND, MISMATCH, STALLED ..."),
    request_id = text("The request, as the logs name it."),
    limit = text("The option that set the limit which was hit."),
    value = { type = "number", description = "The value of that option." },
    index = whole("Which item of a list, counted from 0."),
    seq = whole("412: the sequence number that is there."),
    outcome = { type = "string", enum = json.array { "not_committed", "unknown" },
      description = "5xx of a write: nothing of it is there, or nobody can tell." },
    stall_ms = whole("STALLED: how long the wait would have been, in milliseconds."),
  }, { "error", "code", "request_id" }),
  row = object(with_key {
    v = text("The value, when it is UTF-8."),
    v64 = text("The value as base64url without padding."),
    seq = whole("Sequence number of the write."),
    expires_at_ms = whole("When it expires, milliseconds since 1970."),
    content_type = text("Content-Type it was stored with."),
  }),
  meta = object(with_key {
    seq = whole("Sequence number of the write."), size = whole("Bytes of the value."),
    content_type = text("Content-Type it was stored with."),
    expires_at_ms = whole("When it expires, milliseconds since 1970."),
  }, { "seq", "size" }),
  wanted_key = object(with_key { b = text("The bucket; default: default.") }),
  found_key = object(with_key {
    b = text("The bucket, as it was asked."), found = { type = "boolean" },
    v = text("The value, when it is UTF-8."), v64 = text("The value as base64url."),
    seq = whole("Sequence number of the write."),
  }, { "found" }),
  operation = object(with_key {
    op = { type = "string", enum = json.array { "put", "delete", "del", "incr" } },
    b = text("The bucket; default: default."), v = text("put: the value."),
    v64 = text("put: the value as base64url."),
    ttl = { type = "number", description = "Seconds to live; 0 = never expires." },
    if_seq = whole("The key must have this sequence number; 0 = be absent."),
    by = { type = "number", description = "incr: what is added." },
    init = { type = "number", description = "incr: what an absent key counts from." },
  }, { "op" }),
  bucket = object({ name = { type = "string" }, ttl = { type = "number" },
    merge = { type = "string", enum = json.array { "none", "add", "max", "min", "append" } } },
    { "name", "ttl", "merge" }),
  bucket_options = object { ttl = { type = "number", minimum = 0 },
    merge = { type = "string", enum = json.array { "none", "add", "max", "min", "append" } } },
  health = object({ status = text("ok, degraded or read_only."),
    volume_id = text("Name of the store."), keys = whole("About how many keys."),
    segments = whole("Table files."), total_mb = { type = "number" },
    uptime_secs = whole("Seconds since the start."), reasons = list_of { type = "string" } },
    { "status" }),
  job = object({ id = whole("Number."),
    kind = text("compact, scrub, check, checkpoint, backup, restore, verify or delete."),
    state = { type = "string", enum = json.array { "running", "done", "failed", "cancelled" } },
    progress = { type = "number", minimum = 0, maximum = 1 }, bytes_done = whole("So far."),
    bytes_total = whole("In all."), started_at_ms = whole("Milliseconds since 1970."),
    finished_at_ms = whole("Milliseconds since 1970."), code = text("Why it failed."),
    text = text("What came of it, or why it failed, for people.") }, { "id", "state" }),
  backup = object({ id = whole("Number."), seq = whole("The commit point it equals."),
    created_at_ms = whole("Milliseconds since 1970."), file_count = whole("Its files."),
    bytes = whole("Of all its files."), uuid = text("Of the store."),
    is_damaged = { type = "boolean", description = "Its list of files cannot be read." } },
    { "id", "is_damaged" }),
  step = object({ place = { type = "string", enum = json.array { "memory", "table" } },
    run = whole("Of a table; 0 = the newest."), number = whole("Of the table, or of the log."),
    outcome = { type = "string",
      enum = json.array { "absent", "value", "delete", "expired", "failed" } },
    seq = whole("Of the newest version there."), size = whole("Bytes of the value."),
    expires_at = { type = "number", description = "Seconds since 1970." },
    code = text("Why the place cannot be read.") }, { "place", "outcome" }),
  handle = object({ by = { type = "string", enum = json.array { "snapshot", "scan" } },
    seq = whole("What it sees."), age_s = { type = "number" },
    bytes = whole("Tables that are kept for it alone.") }, { "by", "seq", "age_s", "bytes" }),
  file = object({ name = { type = "string" },
    kind = text("table, log, manifest, current, lock or other."), bytes = whole("Its size."),
    is_live = { type = "boolean", description = "Part of the store now." } },
    { "name", "kind", "is_live" }),
  call = object({ id = text("The request."), worker = whole("Which worker."),
    method = { type = "string" }, target = { type = "string" }, peer = text("The client."),
    token = text("Id of its token."), bytes_sent = whole("Of a stream, so far."),
    rows_done = whole("Deleted or loaded so far."), running_ms = whole("Since its start."),
    state = { type = "string", enum = json.array { "running", "streaming", "ending" } } },
    { "id", "state" }),
  token = object({ id = text("16 hex digits."),
    state = { type = "string", enum = json.array { "valid", "expired", "revoked" } },
    roles = list_of(ROLE), buckets = list_of { type = "string" },
    prefixes = list_of { type = "string" }, note = { type = "string" },
    created_at_ms = whole("Milliseconds since 1970."),
    expires_at_ms = whole("Milliseconds since 1970."),
    revoked_at_ms = whole("Milliseconds since 1970."),
    token = text("Its text: only in the answer that made it.") }, { "id", "state", "roles" }),
  new_token = object({ roles = list_of(ROLE), buckets = list_of { type = "string" },
    prefixes = list_of { type = "string" }, note = { type = "string" },
    expires_in = { type = "number", description = "Seconds.", minimum = 0 } }, { "roles" }),
}

local JOB = object({ job = ref "job" }, { "job" })
local ANYTHING = { type = "object" }

-- JSON of good answers, by route: one schema for all statuses below 300 that have a body.
openapi_schemas.answers = {
  kv_post = object({ seq = whole("Its sequence number."),
    value = { type = "number", description = "incr: the new number." },
    found = { type = "boolean", description = "getset, getdel: whether the key was there." },
    v = text("getset, getdel: the value that was there, when it is UTF-8."),
    v64 = text("The same as base64url.") }, { "seq" }),
  mget = list_of(ref "found_key"),
  batch = object { seq = whole("Of the commit."), count = whole("Operations.") },
  kv_load = object({ count = whole("Rows that are stored."),
    seq = whole("Of the last batch.") }, { "count" }),
  bucket_list = object { buckets = list_of(ref "bucket") },
  bucket_get = ref "bucket",
  bucket_put = ref "bucket",
  blob_post = object { key = text("The key, when it is UTF-8."),
    key64 = text("The key as base64url."),
    etag = text("CRC-32, 8 hex digits."), size = whole("Bytes."),
    volume_id = { type = "string" } },
  blob_list = list_of {},
  health = ref "health",
  livez = object { status = { type = "string" } },
  readyz = object { status = { type = "string" }, reasons = list_of { type = "string" } },
  admin_stats = ANYTHING,
  admin_levels = object { runs = list_of(ANYTHING) },
  admin_config = object { options = list_of(ANYTHING) },
  admin_flush = object { flushed = { type = "boolean" }, seq = whole("Flushed up to here.") },
  admin_compact = JOB,
  admin_files = object { files = list_of(ref "file") },
  admin_handles = object { handles = list_of(ref "handle") },
  admin_space = object { total = whole("All files of the store."), tables = whole("Live tables."),
    live = whole("Of them, about."), garbage = whole("Deletes and what they hide, about."),
    wal = whole("Logs, with space that is allocated ahead."),
    unused = whole("Replaced tables that are still there."), free = whole("On the disk."),
    reserve = whole("See the option reserve_bytes."), pinned = list_of(ref "handle") },
  explain = object { steps = list_of(ref "step") },
  admin_log_level = object { level = { type = "string" } },
  admin_log_level_set = object { level = { type = "string" } },
  admin_verify = JOB,
  admin_scrub = JOB,
  admin_checkpoint = JOB,
  admin_backup = JOB,
  admin_backup_verify = JOB,
  admin_backup_delete = JOB,
  admin_restore = JOB,
  admin_backups = object { backups = list_of(ref "backup") },
  admin_job = JOB,
  admin_job_cancel = JOB,
  admin_jobs = object { jobs = list_of(ref "job") },
  admin_calls = object { calls = list_of(ref "call"),
    silent_workers = list_of { type = "integer" } },
  admin_call_kill = ref "call",
  admin_token_list = object { tokens = list_of(ref "token") },
  admin_token_create = ref "token",
  admin_token_revoke = ref "token",
  openapi = ANYTHING,
}

-- Answers that are no JSON, or more than JSON, by route: {media type = schema}.
local BYTES = { type = "string", format = "binary" }
openapi_schemas.media = {
  kv_get = { ["application/octet-stream"] = BYTES, ["application/json"] = ref "meta" },
  blob_get = { ["application/octet-stream"] = BYTES },
  kv_scan = { ["application/x-ndjson"] = ref "row",
    ["application/json"] = object { rows = list_of(ref "row"), count = whole("Rows."),
      next = { type = "string", nullable = true, description = "What to pass as after." } } },
  kv_delete_range = {
    ["application/json"] = object({ count = whole("Rows that are gone, or would be."),
      seq = whole("Of the last batch."), dry_run = { type = "boolean" } }, { "count" }),
    ["application/x-ndjson"] = object { count = whole("Rows so far."),
    ["end"] = { type = "boolean", description = "In the last line." } } },
  metrics = { ["text/plain"] = { type = "string" }, ["application/json"] = ANYTHING },
}

-- JSON that comes in, by route.
openapi_schemas.bodies = {
  mget = list_of(ref "wanted_key"),
  batch = list_of(ref "operation"),
  bucket_put = ref "bucket_options",
  admin_token_create = ref "new_token",
}

openapi_schemas.optional_bodies = { bucket_put = true, kv_post = true }

-- Headers of good answers, by route.
local SEQ = { description = "Sequence number.", schema = { type = "string" } }
local ETAG = { description = "The same in quotes, for If-Match and If-None-Match.",
  schema = { type = "string" } }
local ROW_HEADERS = { ETag = ETAG, ["X-KV-Seq"] = SEQ }
openapi_schemas.headers = {
  kv_get = { ETag = ETAG, ["X-KV-Seq"] = SEQ, ["X-KV-Expires-At"] = {
    description = "When it expires, milliseconds since 1970.", schema = { type = "string" } } },
  kv_put = ROW_HEADERS, kv_post = ROW_HEADERS, kv_delete = { ["X-KV-Seq"] = SEQ },
  kv_scan = { ["X-KV-Seq"] = SEQ }, blob_get = ROW_HEADERS, blob_post = ROW_HEADERS,
}

local function header(name, description)
  return { name = name, ["in"] = "header", required = false, description = description,
    schema = { type = "string" } }
end

local IF_MATCH = header("If-Match", "Only when the ETag of what is there is among these; * = only "
  .. "when the key is there.")
local IF_NONE_MATCH = header("If-None-Match", "Only when the ETag of what is there is not among "
  .. "these; * = only when the key is absent.")
local READ_HEADERS = { IF_MATCH,
  header("If-None-Match", "304 when the ETag is among these."),
  header("Range", "One range of bytes: bytes=first-last, bytes=first- or bytes=-count."),
  header("If-Range", "Range counts only while this is the ETag.") }
local WRITE_HEADERS = { IF_MATCH, IF_NONE_MATCH }

--- Header fields that routes look at, by route.
openapi_schemas.header_parameters = {
  kv_get = READ_HEADERS, blob_get = READ_HEADERS, kv_put = WRITE_HEADERS, kv_post = WRITE_HEADERS,
  kv_delete = WRITE_HEADERS, blob_post = WRITE_HEADERS, blob_delete = WRITE_HEADERS,
}
return openapi_schemas
