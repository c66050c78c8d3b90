-- The life of one server: open the store, start the workers, wait for signals, stop.
--
-- Called by loam.cli.serve in the main thread. Prints exactly one line on standard output,
-- "listening on http://HOST:PORT", when every worker serves. A failure at start is one line and an
-- exit code.
local address = require "loam.address"
local ffi = require "ffi"
local json = require "loam.json"
local log = require "loam.log"
local metrics = require "loam.metrics"
local C = require "loam.native"
local options = require "loam.config.options"
local tls = require "loam.tls"
local turns = require "loam.turns"
local watch = require "loam.watch"

local server = {}
local SIGHUP, SIGINT, SIGTERM = 1, 2, 15
local EXIT_FAILURE, EXIT_USAGE = 1, 2
local WATCH_MS = 500
local END_GRACE_MS = 3000 -- Beyond the drain: commits on their way, and the workers' own end.
local START_GRACE_MS = 30000 -- Workers that are still loading their code when the start fails.

local err = ffi.new("loam_error")

local ENUMS = {
  durability = { sync = C.LOAM_SYNC, interval = C.LOAM_INTERVAL, os = C.LOAM_OS },
  compression = { none = C.LOAM_COMPRESS_NONE, lz4 = C.LOAM_COMPRESS_LZ4,
    zstd = C.LOAM_COMPRESS_ZSTD },
  wal_recovery = { strict = C.LOAM_WAL_STRICT, prefix = C.LOAM_WAL_PREFIX },
}

--- Fills loam_options from the values of a configuration.
---@param values table
---@return ffi.cdata*
function server.engine_options(values)
  local filled = ffi.new("loam_options")
  C.loam_options_init(filled)
  for _, option in ipairs(options.list) do
    if option.engine then
      local value = values[option.name]
      local words = ENUMS[option.name]
      filled[option.name] = words and words[value] or value
    end
  end
  return filled
end

-- Messages of Lua's loader have several lines.
local function fail(message)
  io.stderr:write("loam: ", (message:gsub("%s*\n%s*", " ")), "\n")
  return EXIT_FAILURE
end

local function last_error()
  return ffi.string(err.text)
end

-- ---- Start ----

local function open_store(values)
  local out = ffi.new("loam_db *[1]")
  if C.loam_open(values.data, server.engine_options(values), out, err) ~= 0 then
    return nil, last_error()
  end
  return out[0]
end

-- Where a container allows little, the buffers of all workers take at most a quarter of it, unless
-- the option says more.
local function buffers_bytes(values, worker_count)
  local given = values.buffers_bytes_max
  if given ~= options.by_name.buffers_bytes_max.default then
    return given
  end
  return math.min(given, math.floor(tonumber(C.loam_memory_limit()) / 4 / worker_count))
end

local function http_options(values, worker_count)
  local filled = ffi.new("struct http_worker_options")
  C.http_worker_options_init(filled)
  for _, option in ipairs(options.list) do
    if option.http then
      filled.limits[option.name] = values[option.name]
    end
  end
  filled.limits.buffers_bytes_max = buffers_bytes(values, worker_count)
  return filled
end

-- Opens the listeners; the first one decides the port of the others, and counts the connections of
-- all: the kernel spreads those of one client over all workers.
local function open_listeners(self)
  local filled = http_options(self.values, self.worker_count)
  filled.tls = self.tls
  local text = self.address.text
  for index = 1, self.worker_count do
    filled.reuse_port = index == 1 and 1 or 2 -- The first one opens the port, the others join it.
    filled.address = text
    local out = ffi.new("struct http_worker *[1]")
    if C.http_worker_open(filled, out, err) ~= 0 then
      return last_error()
    end
    if C.host_worker_add(self.host, out[0]) < 0 then
      C.http_worker_close(out[0])
      return "out of memory"
    end
    self.admin_http = self.admin_http or out[0]
    filled.gate_of = self.admin_http
    if not self.port then
      self.port = C.http_worker_port(out[0])
      text = self.address.is_unix and text or ("%s:%d"):format(self.address.host, self.port)
    end
  end
end

-- One worker serves administration: its requests are few, and a path belongs to one socket.
local function open_admin_listener(self)
  local text = self.values.admin_listen
  if text == "" then
    return nil
  end
  if C.http_worker_listen(self.admin_http, text, err) < 0 then
    return "admin_listen: " .. last_error()
  end
end

-- The names that Host may have ("*": any) and, told apart by their "://", the origins.
local function admitted(self)
  local names = address.admitted_hosts(self.address, self.values.hosts)
  if #names == 0 then
    names[1] = "*"
  end
  for _, origin in ipairs(self.values.origins) do
    names[#names + 1] = origin
  end
  return json.array(names)
end

local function start_workers(self, config)
  local text = json.encode {
    values = self.values,
    rows = config:rows(),
    hosts = admitted(self),
  }
  for index = 1, self.worker_count do
    if C.host_worker_start(self.host, index, self.db, text, #text, err) ~= 0 then
      return last_error()
    end
  end
  for index = 1, self.worker_count do
    if C.host_worker_wait(self.host, index, err) ~= 0 then
      return last_error()
    end
  end
end

local function announce(self)
  local where = self.address.is_unix and self.address.text
    or ("%s://%s:%d"):format(self.tls and "https" or "http", self.address.host, self.port)
  io.stdout:write("listening on ", where, "\n")
  io.stdout:flush()
end

-- ---- Run and stop ----

-- Who looks whether the workers turn.
local function new_watch(self)
  metrics.use(self.host, 0)
  local count = metrics.counter("loam_worker_stalls_total",
    "Times that a worker did not come back to its poll within worker_stall_ms.")
  return watch.new(function()
    return turns.stalled(self.host, self.worker_count, self.values.worker_stall_ms)
  end, function() count:inc() end)
end

-- Waits for the end. Returns what the process is to answer.
local function wait_for_end(self)
  local watching = new_watch(self)
  local handler_ms = self.values.handler_ms
  local interval_ms = handler_ms > 0 and math.min(WATCH_MS, math.ceil(handler_ms / 2)) or WATCH_MS
  while true do
    local signal = C.host_signal_wait(self.host, interval_ms)
    log.follow(C.host_shared(self.host))
    watching:look()
    if handler_ms > 0 then
      turns.interrupt(self.host, self.worker_count, handler_ms)
    end
    if signal == SIGHUP then
      log.info("reload")
      if self.tls then
        tls.reload(self.tls)
      end
      C.host_reload(self.host)
    elseif signal == SIGTERM or signal == SIGINT then
      log.info("stopping", { deadline_ms = self.values.stop_deadline_ms })
      return 0
    elseif signal == C.HOST_SIGNAL_WORKER then
      log.error("a worker has failed; stopping")
      return EXIT_FAILURE
    end
  end
end

-- Logs why workers failed after they served; before that start() says it.
local function report_failures(self)
  for index = 1, self.is_serving and self.worker_count or 0 do
    if C.host_worker_wait(self.host, index, err) ~= 0 and last_error() ~= "" then
      log.error("worker", index, "failed:", last_error())
    end
  end
end

-- A handler that never returns keeps its worker from ending, and the store from being closed: it
-- may be in the middle of a call. What was acknowledged goes to the disk, then the process ends.
local function abandon(self, running)
  local what = self.is_serving and "a handler or timer of app.lua does not return"
    or "they do not come to the end of their start"
  log.error(running, "of", self.worker_count, "workers do not end: " .. what
    .. ". The process ends without them")
  if C.loam_sync(self.db, err) ~= 0 then
    log.error("syncing the store: " .. last_error())
  end
  io.stdout:flush()
  C.host_exit(EXIT_FAILURE)
end

-- Ends whatever has been started. Returns the exit code.
local function stop(self, exit_code)
  if self.host then
    local deadline_ms = exit_code == 0 and self.values.stop_deadline_ms or 0
    C.host_stop(self.host, deadline_ms)
    local grace_ms = self.is_serving and END_GRACE_MS or START_GRACE_MS
    local running = C.host_end_wait(self.host, deadline_ms + grace_ms)
    if running > 0 then
      abandon(self, running)
    end
    if C.host_join(self.host) > 0 then
      exit_code = EXIT_FAILURE
    end
    report_failures(self)
    C.host_close(self.host)
  end
  C.http_tls_close(self.tls)
  if self.db and C.loam_close(self.db, err) ~= 0 then
    return fail("closing the store: " .. last_error())
  end
  return exit_code
end

-- Where copies go that are asked for over HTTP. The directory above it must be there.
local function open_backups_dir(values)
  local path = values.backups_dir
  if path ~= "" and C.host_make_directory(path, err) ~= 0 then
    return "backups_dir: " .. last_error()
  end
end

-- The store comes last: what can be wrong without it leaves no directory behind. Who connects
-- during its recovery waits in the kernel's queue.
local function start(self, config)
  local message
  if self.values.app then
    local chunk, problem = loadfile(self.values.app)
    if not chunk then
      return problem
    end
  end
  local out = ffi.new("struct host *[1]")
  if C.host_open(self.worker_count, out, err) ~= 0 then
    return last_error()
  end
  self.host = out[0]
  self.tls, message = tls.open(self.values)
  message = message or open_listeners(self) or open_admin_listener(self)
    or open_backups_dir(self.values)
  if message then
    return message
  end
  self.db, message = open_store(self.values)
  if not self.db then
    return message
  end
  return start_workers(self, config)
end

local function worker_count(values)
  if values.workers > 0 then
    return values.workers
  end
  return C.host_cpu_count()
end

-- By their texts: enough against a slip.
local function is_below(path, above)
  local function plain(text)
    return text:gsub("//+", "/"):gsub("^%./", ""):gsub("/$", "") .. "/"
  end
  return path ~= "" and plain(path):sub(1, #plain(above)) == plain(above)
end

local function check_address(values)
  local parsed, message = address.parse(values.listen)
  if not parsed then
    return nil, message
  elseif not parsed.is_loopback and values.tokens == "" and not values.insecure then
    return nil, ("listen %s is beyond loopback and this server asks nobody for a token: everyone "
      .. "who reaches it could read and write; give --tokens FILE, or --insecure to allow that")
      :format(parsed.text)
  elseif values.admin_listen ~= "" and not values.admin_listen:find("^unix:.") then
    return nil, ("admin_listen is unix:PATH, got '%s'"):format(values.admin_listen)
  end
  if is_below(values.backups_dir, values.data) then
    return nil, ("backups_dir '%s' lies in the store's own directory '%s'")
      :format(values.backups_dir, values.data)
  end
  for _, origin in ipairs(values.origins) do
    if not origin:find("^https?://[^/%s]+$") then
      return nil, ("origins are http://HOST[:PORT] or https://HOST[:PORT], got '%s'"):format(origin)
    end
  end
  message = tls.check(values)
  return not message and parsed or nil, message
end

--- Serves until a signal ends it. Returns the exit code of the process.
---@param config table  of loam.config.load
---@param app_path? string
function server.run(config, app_path)
  local values = config.values
  values.app = app_path
  log.configure { level = values.log_level, format = values.log_format }
  local parsed, message = check_address(values)
  if not parsed then
    io.stderr:write("loam: ", message, "\n")
    return EXIT_USAGE
  end
  C.host_signals_block()
  C.host_descriptors_raise()
  local self = { values = values, address = parsed, worker_count = worker_count(values) }
  if parsed.is_unix then
    self.worker_count = 1 -- SO_REUSEPORT is for ports.
  end
  message = start(self, config)
  if message then
    fail(message)
    return stop(self, EXIT_FAILURE)
  end
  if not parsed.is_loopback and values.tokens == "" then
    log.warn("everyone who reaches " .. parsed.text .. " can read and write: --insecure was given")
  elseif not parsed.is_loopback and values.tls_cert == "" then
    log.warn("tokens and data travel in the clear: give --tls-cert and --tls-key, or let a proxy "
      .. "in front of this server speak TLS")
  end
  for _, option in ipairs(options.list) do
    if option.no_effect and config.sources[option.name] ~= "default" then
      log.warn(option.name .. " has no effect: compaction goes by sizes")
    end
  end
  self.is_serving = true
  announce(self)
  return stop(self, wait_for_end(self))
end

return server
