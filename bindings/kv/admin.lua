-- Looking after an open database: statistics, levels, health, flush, sync, compaction, check.
local declarations = require "kv.cdef"
local errors = require "kv.errors"
local ffi = require "ffi"
local handles = require "kv.handles"
local job = require "kv.job"
local lib = require "kv.lib"
local options = require "kv.options"
local wait = require "kv.wait"
local work = require "kv.work"

local admin = {}
local C = lib.C
local err = errors.scratch
local stats = ffi.new("loam_stats")
local histogram = ffi.new("loam_histogram")
local id_out = ffi.new("uint64_t[1]")
local LOG_LINES_MAX = 64

local HEALTH = {
  [C.LOAM_HEALTH_OK] = "ok", [C.LOAM_HEALTH_DEGRADED] = "degraded",
  [C.LOAM_HEALTH_READ_ONLY] = "read_only",
}
local HISTOGRAMS = {
  get = C.LOAM_HISTOGRAM_GET, write = C.LOAM_HISTOGRAM_WRITE, sync = C.LOAM_HISTOGRAM_SYNC,
  flush = C.LOAM_HISTOGRAM_FLUSH, compaction = C.LOAM_HISTOGRAM_COMPACTION,
}
local HISTOGRAM_FIELDS = {
  "count", "sum_ns", "min_ns", "max_ns", "p50_ns", "p90_ns", "p99_ns", "p999_ns",
}
local LOG_LEVELS = {
  [C.LOAM_LOG_DEBUG] = "debug", [C.LOAM_LOG_INFO] = "info", [C.LOAM_LOG_WARN] = "warn",
  [C.LOAM_LOG_ERROR] = "error",
}

local function read_stats(p)
  stats.struct_size = ffi.sizeof(stats)
  C.loam_stats_get(p, stats)
end

--- Returns all statistics of core/loam.h (loam_stats) as a flat table of numbers and strings;
--- health is "ok", "degraded" or "read_only".
---@return table<string, number|string>
function admin:stats()
  read_stats(handles.pointer(self, "stats"))
  local found = {}
  for _, member in ipairs(declarations.stats) do
    local name = member.name
    found[name] = member.is_text and ffi.string(stats[name]) or tonumber(stats[name])
  end
  found.health = HEALTH[stats.health]
  self:_deliver_log()
  return found
end

--- Returns {status = "ok"|"degraded"|"read_only", text = the first cause}.
---@return {status: string, text: string}
function admin:health()
  read_stats(handles.pointer(self, "health"))
  self:_deliver_log()
  return { status = HEALTH[stats.health], text = ffi.string(stats.health_text) }
end

--- Returns latencies by operation (get, write, sync, flush, compaction), each a table of count,
--- sum_ns, min_ns, max_ns, p50_ns, p90_ns, p99_ns, p999_ns.
---@return table<string, table<string, number>>
function admin:histograms()
  local p = handles.pointer(self, "histograms")
  local found = {}
  for name, which in pairs(HISTOGRAMS) do
    C.loam_histogram_get(p, which, histogram)
    local values = {}
    for _, field in ipairs(HISTOGRAM_FIELDS) do
      values[field] = tonumber(histogram[field])
    end
    found[name] = values
  end
  return found
end

local function describe_table(info)
  return {
    number = tonumber(info.number),
    bytes = tonumber(info.size),
    rows = tonumber(info.row_count),
    deletes = tonumber(info.delete_count),
    seq_min = tonumber(info.seq_min),
    seq_max = tonumber(info.seq_max),
    smallest = ffi.string(info.smallest, info.smallest_size),
    largest = ffi.string(info.largest, info.largest_size),
  }
end

local function live_tables(p)
  local count, capacity, infos = tonumber(C.loam_tables(p, nil, 0)), 0, nil
  while count > capacity do -- A flush may add tables between two calls.
    capacity = count + 16
    infos = ffi.new("loam_table_info[?]", capacity)
    count = tonumber(C.loam_tables(p, infos, capacity))
  end
  return infos, count
end

--- Returns the sorted runs, newest first: {run, bytes, rows, deletes, tables = {...}}. `smallest`
--- and `largest` of a table are the first 64 bytes of those keys.
---@return table[]
function admin:levels()
  local infos, count = live_tables(handles.pointer(self, "levels"))
  local runs, current = {}, nil
  for index = 0, count - 1 do
    local info = infos[index]
    if not current or current.run ~= info.run then
      current = { run = info.run, bytes = 0, rows = 0, deletes = 0, tables = {} }
      runs[#runs + 1] = current
    end
    local found = describe_table(info)
    current.tables[#current.tables + 1] = found
    current.bytes = current.bytes + found.bytes
    current.rows = current.rows + found.rows
    current.deletes = current.deletes + found.deletes
  end
  return runs
end

--- Returns the newest visible sequence number.
---@return number
function admin:seq()
  return tonumber(C.loam_seq(handles.pointer(self, "seq")))
end

--- Returns the sequence number up to which everything is on stable storage.
---@return number
function admin:durable_seq()
  return tonumber(C.loam_durable_seq(handles.pointer(self, "durable_seq")))
end

local function flush(p)
  return C.loam_flush(p, err), nil, err
end

local function sync(p)
  return C.loam_sync(p, err), nil, err
end

local function compact(p)
  local rc = C.loam_compact(p, id_out, err)
  return rc, tonumber(id_out[0]), err
end

local function slow(self, call, direct)
  handles.pointer(self, call)
  local rc, _, detail = wait.call(self, call, direct)
  if self._p then
    self:_deliver_log()
  end
  if rc ~= 0 then
    return errors.failure(rc, detail)
  end
  return true
end

--- Writes what is in memory to tables.
---@return boolean? is_done, kv.error? err, string? code
function admin:flush()
  return slow(self, "flush", flush)
end

--- Makes every write acknowledged so far durable.
---@return boolean? is_done, kv.error? err, string? code
function admin:sync()
  return slow(self, "sync", sync)
end

--- Starts a compaction of everything in the background.
---@return kv.job? job, kv.error? err, string? code
function admin:compact(given)
  handles.pointer(self, "compact")
  if given ~= nil then
    return errors.refuse("UNSUPPORTED", "compact: only everything at once, not a range")
  end
  local rc, id, detail = wait.call(self, "compact", compact)
  if rc ~= 0 then
    return errors.failure(rc, detail)
  end
  return job.new(self, id)
end

--- Returns the infos of the latest jobs, newest first; see job:info().
---@return table[]
function admin:jobs()
  return job.list(self)
end

--- Returns the job object of an id, as jobs() tells it.
---@param id number
---@return kv.job
function admin:job(id)
  handles.pointer(self, "job")
  if type(id) ~= "number" then
    errors.misuse("job: the id is a number, got %s", errors.what_came(id))
  end
  return job.new(self, id)
end

--- Checks every checksum, order and count of the store. Returns true and the report; when
--- something is wrong nil, err, CODE with the findings in err.report. on_progress: as kv.tools.
---@param given? {on_progress: function}
---@return boolean? is_sound, string|kv.error report, string? code
function admin:check(given)
  local p = handles.pointer(self, "check")
  given = given or {}
  options.check("check", given, { on_progress = "function" })
  local report, failure, code = work.run(function(out, detail)
    return C.loam_check_begin(p, out, detail)
  end, given.on_progress)
  if not report then
    return nil, failure, code
  end
  return true, report
end

--- Returns the log lines that background threads have written since the last call, oldest first,
--- as {at, level, text}. With the option `log` of kv.open they are handed to that function
--- instead.
---@return table[]
function admin:take_log()
  local p = handles.pointer(self, "take_log")
  local lines = ffi.new("loam_log_line[?]", LOG_LINES_MAX)
  local list = {}
  repeat
    local count = tonumber(C.loam_log_take(p, lines, LOG_LINES_MAX))
    for index = 0, count - 1 do
      local line = lines[index]
      list[#list + 1] = {
        at = tonumber(line.at_ms) / 1000,
        level = LOG_LEVELS[line.level],
        text = ffi.string(line.text),
      }
    end
  until count < LOG_LINES_MAX
  return list
end

-- Calls the function of option `log`. libloam never calls Lua, so this happens inside the
-- administrative calls and close().
function admin:_deliver_log()
  if not self._log then
    return
  end
  for _, line in ipairs(self:take_log()) do
    self._log(line.level, line.text, line.at)
  end
end

return admin
