-- The statistics of the engine as a plain table, for /metrics, /health and /v1/admin/stats.
--
-- FIELDS is the one list of what loam_stats holds: kind and help text make the Prometheus form,
-- with the name and the factor behind them where that form has rules of its own: seconds, and
-- _count for histograms alone.
local ffi = require "ffi"
local C = require "loam.native"

local stats = {}
local filled = ffi.new("loam_stats")
local histogram = ffi.new("loam_histogram")

stats.FIELDS = {
  { "seq", "gauge", "Newest visible sequence number." },
  { "durable_seq", "gauge", "Newest sequence number on stable storage." },
  { "key_count_estimate", "gauge", "Rows minus deletes; overwritten rows count until compacted." },
  { "table_count", "gauge", "Live tables.", "tables" },
  { "table_bytes", "gauge", "Bytes of live tables." },
  { "run_count", "gauge", "Sorted runs.", "runs" },
  { "wal_count", "gauge", "Write-ahead logs.", "wals" },
  { "wal_bytes", "gauge", "Bytes of write-ahead logs." },
  { "wal_number", "gauge", "Number of the active log." },
  { "oldest_wal_number", "gauge", "Number of the oldest log." },
  { "memory_budget_bytes", "gauge", "The memory budget." },
  { "memory_bytes", "gauge", "Memory used of the budget." },
  { "memtable_bytes", "gauge", "Memory of the active memtable." },
  { "immutable_bytes", "gauge", "Memory of memtables that wait for their flush." },
  { "block_bytes", "gauge", "Memory of cached blocks." },
  { "index_bytes", "gauge", "Memory of table indexes." },
  { "snapshot_count", "gauge", "Open snapshots.", "snapshots_open" },
  { "scan_count", "gauge", "Open scans.", "scans_open" },
  { "view_count", "gauge", "Pinned values.", "views_open" },
  { "oldest_snapshot_age_ms", "gauge", "Age of the oldest snapshot.",
    "oldest_snapshot_age_seconds", 1e-3 },
  { "gets", "counter", "Point reads." },
  { "get_misses", "counter", "Point reads of absent keys." },
  { "puts", "counter", "Rows put." },
  { "deletes", "counter", "Rows deleted." },
  { "commits", "counter", "Commits." },
  { "commit_groups", "counter", "Groups the commits were written in." },
  { "scans", "counter", "Scans opened." },
  { "scan_rows", "counter", "Rows handed out by scans." },
  { "syncs", "counter", "Syncs of the log." },
  { "wal_written_bytes", "counter", "Bytes written to logs." },
  { "user_written_bytes", "counter", "Key and value bytes of commits." },
  { "flushes", "counter", "Memtable flushes." },
  { "flush_written_bytes", "counter", "Bytes written by flushes." },
  { "compactions", "counter", "Compactions." },
  { "compaction_read_bytes", "counter", "Bytes read by compactions." },
  { "compaction_written_bytes", "counter", "Bytes written by compactions." },
  { "block_hits", "counter", "Blocks found in memory." },
  { "block_misses", "counter", "Blocks read from tables." },
  { "block_evictions", "counter", "Blocks evicted." },
  { "stalls", "counter", "Writes delayed by back-pressure." },
  { "stall_us", "counter", "Delay of writes by back-pressure.", "stall_seconds", 1e-6 },
  { "background_errors", "counter", "Errors of background work." },
  { "scrubs", "counter", "Scrubs that came to their end." },
  { "scrub_read_bytes", "counter", "Bytes of tables that scrubs have compared." },
  { "scrub_finished_at_ms", "gauge",
    "End of the last scrub, since 1970; 0 = none since the start.", "scrub_finished_seconds",
    1e-3 },
  { "damaged_files", "gauge", "Damaged files that the last scrub or check found." },
}

stats.HISTOGRAMS = { [0] = "get", "write", "sync", "flush", "compaction" }
local HEALTH = { [0] = "ok", "degraded", "read_only" }

--- Returns {field = number}, with health ("ok", "degraded", "read_only"), health_text and uuid.
function stats.read(db)
  filled.struct_size = ffi.sizeof("loam_stats")
  C.loam_stats_get(db, filled)
  local result = {
    health = HEALTH[filled.health],
    health_text = ffi.string(filled.health_text),
    uuid = ffi.string(filled.uuid),
    opened_at_ms = tonumber(filled.opened_at_ms),
  }
  for _, field in ipairs(stats.FIELDS) do
    result[field[1]] = tonumber(filled[field[1]])
  end
  return result
end

--- Returns {get = {count, sum_ns, min_ns, max_ns, p50_ns, p90_ns, p99_ns, p999_ns}, ...}.
function stats.histograms(db)
  local result = {}
  for which, name in pairs(stats.HISTOGRAMS) do
    C.loam_histogram_get(db, which, histogram)
    result[name] = {
      count = tonumber(histogram.count), sum_ns = tonumber(histogram.sum_ns),
      min_ns = tonumber(histogram.min_ns), max_ns = tonumber(histogram.max_ns),
      p50_ns = tonumber(histogram.p50_ns), p90_ns = tonumber(histogram.p90_ns),
      p99_ns = tonumber(histogram.p99_ns), p999_ns = tonumber(histogram.p999_ns),
    }
  end
  return result
end

-- Counters of every connection of every worker; names as in struct http_counters.
stats.HTTP_FIELDS = {
  { "accepted", "counter", "Connections accepted." },
  { "active", "gauge", "Connections open now." },
  { "requests", "counter", "Requests whose head was complete." },
  { "in_flight", "gauge", "Requests being handled." },
  { "responses", "counter", "Answers sent." },
  { "bytes_in", "counter", "Bytes received." },
  { "bytes_out", "counter", "Bytes sent." },
  { "refused_connections_max", "counter", "Connections refused by connections_max." },
  { "refused_connections_per_ip", "counter", "Connections refused by connections_per_ip_max." },
  { "refused_descriptors", "counter", "Pauses because descriptors ran out." },
  { "refused_malformed", "counter", "Requests refused as malformed." },
  { "refused_limits", "counter", "Requests refused by a limit." },
  { "refused_memory", "counter", "Connections ended by buffers_bytes_max." },
  { "refused_handshakes", "counter", "TLS handshakes that failed." },
  { "handshakes", "counter", "TLS handshakes done." },
  { "truncated", "counter", "TLS streams that ended within a request." },
  { "timeouts_handshake", "counter", "TLS handshakes that took too long." },
  { "timeouts_header", "counter", "Heads that took too long." },
  { "timeouts_body", "counter", "Bodies that took too long." },
  { "timeouts_write", "counter", "Answers that the client read too slowly." },
  { "timeouts_idle", "counter", "Idle connections closed." },
  { "resets", "counter", "Clients that vanished with requests in flight." },
  { "drained", "counter", "Connections cut by the deadline of the stop." },
}

--- Returns the sums over all workers; zeros without a host.
function stats.http(host, worker_count)
  local sums = {}
  for _, field in ipairs(stats.HTTP_FIELDS) do
    sums[field[1]] = 0
  end
  for index = 1, host and worker_count or 0 do
    local counters = C.host_http_counters(host, index)
    for _, field in ipairs(stats.HTTP_FIELDS) do
      sums[field[1]] = sums[field[1]] + (counters ~= nil and counters[field[1]] or 0)
    end
  end
  return sums
end

return stats
