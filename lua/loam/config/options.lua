-- Every option of the host, in one place: name, type, default, limits, help.
--
-- Types: string, boolean, integer, size (bytes), duration (ms), enum, list (of strings). `engine`
-- options go to loam_options, `http` ones (made from core/http/limits.h) to struct http_limits.
-- `aliases` are other names in configuration files, `env` other environment names; every option
-- also has LOAM_<NAME>. An option with `no_effect` is taken so that files of other programs load,
-- and says so in its help.
local ffi = require "ffi"
local C = require "loam.native"

local options = {}

local KIB, MIB, GIB = 1024, 1024 ^ 2, 1024 ^ 3
local U32_MAX = 2 ^ 32 - 1

local list = {
  { name = "data", type = "string", default = "data", env = { "DATA_DIR" },
    aliases = { "DATA_DIR" },
    help = "Directory of the store." },
  { name = "listen", type = "string", default = "127.0.0.1:8080", env = { "KV_HTTP_ADDR" },
    help = "HOST:PORT, [IPV6]:PORT or unix:PATH; port 0 picks a free one." },
  { name = "workers", type = "integer", default = 0, min = 0, max = 256, unit = "threads",
    help = "Worker threads; 0 = one per processor." },
  { name = "insecure", type = "boolean", default = false,
    help = "Allow an address beyond loopback although nothing asks for tokens." },
  { name = "hosts", type = "list", default = {},
    help = "Host names this server answers to, besides those of loopback." },
  { name = "origins", type = "list", default = {},
    help = "Origins whose pages may send requests, as https://HOST[:PORT], besides our own." },
  { name = "tokens", type = "string", default = "",
    help = "File of access tokens, made by `loam token`; with it every request needs one." },
  { name = "auth_failures_max", type = "integer", default = 60, min = 0, max = 1000000,
    unit = "per minute",
    help = "Failed log-ins of an address until they are answered 429; 0 = no limit." },
  { name = "tls_cert", type = "string", default = "",
    help = "PEM file with the server's certificate and those that sign it: speak TLS." },
  { name = "tls_key", type = "string", default = "",
    help = "PEM file with the key of tls_cert, readable by its owner alone." },
  { name = "tls_client_ca", type = "string", default = "",
    help = "PEM file: clients must show a certificate signed by one of these." },
  { name = "admin_listen", type = "string", default = "",
    help = "unix:PATH, mode 0600: /v1/admin is there, without tokens, and nowhere else." },
  { name = "backups_dir", type = "string", default = "",
    help = "Directory for checkpoints, backups and restored stores of /v1/admin; empty: none." },
  { name = "audit_log", type = "string", default = "",
    help = "File for administrative calls and refusals, as JSON lines; - = standard error." },
  { name = "access_log", type = "string", default = "",
    help = "File for a line per request; - = standard error." },
  { name = "access_log_format", type = "enum", default = "json", values = { "json", "common" },
    help = "Form of the access log." },
  { name = "access_log_sample", type = "integer", default = 1, min = 1, max = 1000000000,
    help = "Log one request in so many, and all that fail or are slow." },
  { name = "slow_log_ms", type = "duration", default = 0, min = 0, max = 3600000,
    help = "Warn of requests that take so long; 0 = never." },
  { name = "volume_id", type = "string", default = "", env = { "VOLUME_ID" },
    help = "Name of the store in /health, /metrics and /blobs; its UUID when empty." },
  { name = "dev", type = "boolean", default = false, help = "Load app.lua again when it changes." },
  { name = "log_level", type = "enum", default = "info", values = { "debug", "info", "warn",
    "error" },
    help = "Least level of log lines." },
  { name = "log_format", type = "enum", default = "text", values = { "text", "json" },
    help = "Form of log lines on standard error." },
  { name = "stop_deadline_ms", type = "duration", default = 10000, min = 0, max = 3600000,
    help = "How long a stop waits for running requests." },
  { name = "handler_ms", type = "duration", default = 0, min = 0, max = 3600000,
    help = "Code of app.lua that computes for so long without a wait is ended: 504 BUDGET. None of "
      .. "it is compiled then. 0 = never." },
  { name = "worker_stall_ms", type = "duration", default = 5000, min = 100, max = 3600000,
    help = "A worker busy with one thing for so long is told in the log and in /health, and the "
      .. "server is not ready." },
  { name = "write_deadline_ms", type = "duration", default = 10000, min = 1, max = 3600000,
    help = "Longest wait of a write for back-pressure, unless the request says." },
  { name = "batch_ops_max", type = "integer", default = 10000, min = 1, max = 1000000,
    unit = "operations", help = "Most operations of POST /v1/batch." },
  { name = "batch_body_bytes_max", type = "size", default = 16 * MIB, min = 1, max = U32_MAX,
    help = "Largest body of POST /v1/batch and /v1/mget." },
  { name = "mget_keys_max", type = "integer", default = 10000, min = 1, max = 1000000,
    unit = "keys",
    help = "Most keys of POST /v1/mget." },

  { name = "durability", type = "enum", default = "sync", values = { "sync", "interval", "os" },
    engine = true, help = "When a write is acknowledged, unless it says." },
  { name = "sync_interval_ms", type = "duration", default = 100, min = 1, max = 3600000,
    engine = true,
    env = { "SYNC_INTERVAL" }, aliases = { "SYNC_INTERVAL", "wal_flush_interval_ms" },
    help = "durability interval: longest time between syncs." },
  { name = "sync_batch_bytes", type = "size", default = MIB, min = 1, max = GIB, engine = true,
    env = { "BATCH_SIZE" }, aliases = { "BATCH_SIZE", "wal_batch_size" },
    help = "durability interval: most bytes between syncs." },
  { name = "memory_bytes", type = "size", default = 0, min = 0, max = 2 ^ 44,
    engine = true,
    help = "Budget of memtables, cached blocks and indexes; 0 = 512 MiB, less in a container." },
  { name = "memtable_bytes", type = "size", default = 0, min = 0, max = 2 ^ 40,
    engine = true, aliases = { "memtable_flush_size" },
    help = "Size at which a memtable is written to a table; 0 = by memory_bytes." },
  { name = "block_bytes", type = "size", default = 4096, min = 256, max = MIB, engine = true,
    help = "Size of table blocks before compression." },
  { name = "table_bytes", type = "size", default = 64 * MIB, min = MIB, max = 2 ^ 40, engine = true,
    help = "Size of table files." },
  { name = "compression", type = "enum", default = "lz4", values = { "none", "lz4", "zstd" },
    engine = true, help = "Compression of table blocks." },
  { name = "point_index", type = "boolean", default = true, engine = true,
    help = "Tables carry an index for point reads." },
  { name = "background_threads", type = "integer", default = 0, min = 0, max = 64, unit = "threads",
    engine = true, help = "Compaction threads; 0 = processors less one." },
  { name = "compaction_rate_bytes", type = "size", default = 0, min = 0, max = 2 ^ 40,
    engine = true,
    help = "Most bytes per second that compaction writes; 0 = no limit." },
  { name = "compaction_sstable_threshold", type = "integer", default = 0, min = 0, max = 1000000,
    no_effect = true, unit = "tables",
    help = "Taken without effect: compaction goes by sizes, not by a number of tables." },
  { name = "max_open_files", type = "integer", default = 1000, min = 16, max = 1000000,
    unit = "files",
    engine = true, help = "Most table files held open." },
  { name = "wal_recovery", type = "enum", default = "strict", values = { "strict", "prefix" },
    engine = true, help = "A damaged log: refuse to open, or keep what precedes the damage." },
  { name = "key_bytes_max", type = "size", default = 64 * KIB, min = 1, max = 64 * KIB,
    engine = true,
    help = "Longest key." },
  { name = "value_bytes_max", type = "size", default = 64 * MIB, min = 1, max = 64 * MIB,
    engine = true,
    help = "Largest value." },
  { name = "batch_bytes_max", type = "size", default = 128 * MIB, min = KIB, max = 512 * MIB,
    engine = true, help = "Largest batch." },
  { name = "scrub_interval_ms", type = "duration", default = 7 * 86400000, min = 0,
    max = 3660 * 86400000, engine = true,
    help = "All tables are read and compared so often in the background; 0 = never." },
  { name = "scrub_rate_bytes", type = "size", default = 8 * MIB, min = 0, max = 2 ^ 44,
    engine = true, help = "Most bytes per second that this reads; 0 = no limit." },
  { name = "reserve_bytes", type = "size", default = 0, min = 0, max = 2 ^ 44, engine = true,
    help = "Free disk space below which writes are refused; 0 = by memtable_bytes and disk." },
}

-- The HTTP room's own table gives name, meaning and default of its limits.
local function add_http_limits()
  local limits = ffi.new("struct http_limits")
  C.http_limits_init(limits)
  local index = 0
  while C.http_limit_name(index) ~= nil do
    local name = ffi.string(C.http_limit_name(index))
    local is_duration = name:find("_ms$") ~= nil
    list[#list + 1] = {
      name = name,
      type = is_duration and "duration" or name:find("bytes") and "size" or "integer",
      default = C.http_limit_value(limits, index),
      min = is_duration and 0 or 1,
      max = U32_MAX,
      unit = name:find("rate") and "bytes/s" or nil,
      http = true,
      help = "HTTP: " .. ffi.string(C.http_limit_meaning(index)) .. ".",
    }
    index = index + 1
  end
end

add_http_limits()

local UNITS = { size = "bytes", duration = "ms" }

options.list = list
options.by_name = {}
options.by_alias = {} -- Names in files, besides the option's own.
options.by_env = {}

for _, option in ipairs(list) do
  option.unit = option.unit or UNITS[option.type]
  options.by_name[option.name] = option
  options.by_env["LOAM_" .. option.name:upper()] = option
  for _, alias in ipairs(option.aliases or {}) do
    options.by_alias[alias] = option
  end
  for _, name in ipairs(option.env or {}) do
    options.by_env[name] = option
  end
end

return options
