-- The table of goals: what Loam is to reach against its peers, line by line, in three settings.
--
-- A line takes a figure of each store from the rows of a report and compares Loam's with a limit:
-- a multiple of the best peer's, or a number of its own. Pure: rows go in, lines come out, so that
-- the table of a run can be printed again from its file.
local plan = require "scripts.lib.bench.plan"

local goals = {}

local STORES = { "loam", "leveldb", "rocksdb", "lmdb", "file" }
local EVERY_PEER, TREE_PEERS = { "leveldb", "rocksdb", "lmdb" }, { "leveldb", "rocksdb" }
-- A row of a table: 16 + 100 bytes.
local ROW_BYTES = 116
local MEMORY_SLACK_MB = 64
local READ, WRITE = true, false

--- What a setting fixes, and how rates are compared in it. `ratio` replaces the ratios of RATES.
goals.SETTINGS = {
  big = { cache_mb = 2048, memory_mb = 2048, compression = "none", peers = EVERY_PEER,
    about = "2 GiB each, no compression" },
  -- LMDB's cache is the page cache, which no budget bounds: on reads Loam is to be level with it.
  small = { cache_mb = 256, memory_mb = 256, compression = "none", peers = TREE_PEERS, ratio = 1.3,
    is_level_with_lmdb = true, about = "256 MiB each, no compression" },
  -- LMDB does not compress.
  lz4 = { cache_mb = 2048, memory_mb = 2048, compression = "default", peers = TREE_PEERS,
    ratio = 1.0, about = "2 GiB each, lz4 or snappy" },
}

-- Workload, ratio to the best peer in the setting "big", whether it reads only.
local RATES = {
  { "fillrandom", 2.5, WRITE },
  { "fillbatch", 4, WRITE },
  { "fillseq", 1.5, WRITE },
  { "readrandom", 1.3, READ },
  { "readrandom-settled", 2, READ },
  { "readmissing", 2.5, READ },
  { "readhot", 2, READ },
  { "readseq", 2, READ },
  { "seekrandom", 1.5, READ },
  { "scan100", 2, READ },
  { "ycsba", 1.5, WRITE },
  { "ycsbb", 1.5, WRITE },
  { "ycsbc", 1.5, READ },
  { "ycsbd", 1.5, WRITE },
  { "ycsbe", 1.5, WRITE },
  { "ycsbf", 1.5, WRITE },
  { "readwhilewriting", 1.3, WRITE },
}

local function numbers_of(row, member)
  local numbers = {}
  for _, name in ipairs(STORES) do
    local figure = row and row.engines[name]
    numbers[name] = figure and figure[member]
  end
  return numbers
end

-- Returns the largest number among those of `peers`, and whose it is.
local function best_of(numbers, peers)
  local best, whose
  for _, name in ipairs(peers) do
    local number = numbers[name]
    if number and (not best or number > best) then
      best, whose = number, name
    end
  end
  return best, whose
end

local function by(number, other)
  return number and other and other > 0 and number / other or nil
end

-- A line: Loam's `value` shall be at least, or at most, `limit`. `of` says what the value relates
-- to, `unit` how numbers are shown.
local function line(label, unit, numbers, fields)
  fields.label, fields.unit, fields.numbers = label, unit, numbers
  local value, limit = fields.value, fields.limit
  if value and limit then
    fields.is_reached = fields.at_most and value <= limit or not fields.at_most and value >= limit
    fields.attainment = fields.at_most and limit / math.max(value, 1e-9) or value / limit
  end
  return fields
end

-- Operations per second of processor time, of all threads.
local function per_cpu_second(row, name)
  local figure = row and row.engines[name or ""]
  return figure and by(figure.ops, figure.cpu_seconds)
end

local function rate_line(label, row, peers, ratio)
  local numbers = numbers_of(row, "ops_per_second")
  local best, whose = best_of(numbers, peers)
  return line(label, "rate", numbers, { value = by(numbers.loam, best), of = whose, limit = ratio,
    value_unit = "ratio", by_cpu = by(per_cpu_second(row, "loam"), per_cpu_second(row, whose)) })
end

local function add_rates(lines, rows, setting)
  for _, entry in ipairs(RATES) do
    local name, ratio, is_read = unpack(entry)
    lines[#lines + 1] = rate_line(name, rows[name], setting.peers, setting.ratio or ratio)
    if setting.is_level_with_lmdb and is_read then
      lines[#lines + 1] = rate_line(name .. ", level", rows[name], { "lmdb" }, 1)
    end
  end
end

-- The writer beside the reads: no slower than that of the peer that reads fastest.
local function writer_line(rows, setting)
  local row = rows.readwhilewriting
  local _, whose = best_of(numbers_of(row, "ops_per_second"), setting.peers)
  local numbers = numbers_of(row, "background_ops_per_second")
  return line("  its writer", "rate", numbers, { value = by(numbers.loam, numbers[whose or ""]),
    of = whose, limit = 1, value_unit = "ratio" })
end

-- One thread: as a share of write + fdatasync alone; more: of as many times that.
local function add_syncs(lines, rows, options)
  local alone = numbers_of(rows.fillsync, "ops_per_second").file
  for _, threads in ipairs(options.threads) do
    local label = threads == 1 and "fillsync" or ("fillsync-%d"):format(threads)
    local numbers = numbers_of(rows[label], "ops_per_second")
    lines[#lines + 1] = line(label, "rate", numbers, {
      value = by(numbers.loam, alone and alone * threads),
      of = threads == 1 and "file" or ("%d x file"):format(threads),
      limit = threads == 1 and 0.95 or 0.8,
      value_unit = "ratio",
    })
  end
end

local function threads_line(rows)
  local numbers = numbers_of(rows.readthreads, "ops_per_second")
  local one = numbers_of(rows["readrandom-settled"], "ops_per_second").loam
  return line("reads, 2 threads", "rate", numbers, { value = by(numbers.loam, one),
    of = "1 thread", limit = 1.9, value_unit = "ratio" })
end

-- All files, and all but the logs: those are allocated ahead, whatever the size of the store. Taken
-- after the first reads that follow the compaction: replaced tables are removed by then.
local function add_disks(lines, rows, options)
  local row = rows.readthreads or rows["readrandom-settled"]
  local whole, tables = numbers_of(row, "disk_bytes"), {}
  for name, log_bytes in pairs(numbers_of(row, "log_bytes")) do
    tables[name] = whole[name] - log_bytes
  end
  local seen = numbers_of(rows.readseq, "rows").loam
  local raw = seen and seen / plan.passes(options.n) * ROW_BYTES
  local is_plain = options.compression == "none"
  local function add(label, numbers)
    local base
    if is_plain then
      base = raw
    else
      base = numbers.rocksdb
    end
    lines[#lines + 1] = line(label, "bytes", numbers, { value = by(numbers.loam, base),
      of = is_plain and "raw" or "rocksdb", limit = is_plain and 1.03 or 1, at_most = true,
      value_unit = "ratio" })
  end
  add("disk after settle", whole)
  add("  without the logs", tables)
end

local function amplification_line(rows)
  local numbers = numbers_of(rows.fillrandom, "write_amplification")
  local limit = 4
  for _, name in ipairs(TREE_PEERS) do
    limit = math.min(limit, numbers[name] or limit)
  end
  return line("write amp. of fillrandom", "ratio", numbers, { value = numbers.loam, limit = limit,
    at_most = true, value_unit = "ratio" })
end

local function add_latencies(lines, rows)
  local tail = numbers_of(rows.fillrandom, "p999_ns")
  lines[#lines + 1] = line("p99.9 of a put", "ns", tail, { value = by(tail.loam, tail.lmdb),
    of = "lmdb", limit = 1, at_most = true, value_unit = "ratio" })
  local largest = numbers_of(rows.fillrandom, "max_ns")
  lines[#lines + 1] = line("longest put", "ns", largest, { value = largest.loam, limit = 50e6,
    at_most = true, value_unit = "ns" })
end

local function time_line(label, row, limit_seconds)
  local numbers = numbers_of(row, "seconds")
  for name, seconds in pairs(numbers) do
    numbers[name] = seconds * 1e9
  end
  return line(label, "ns", numbers, { value = numbers.loam, limit = limit_seconds * 1e9,
    at_most = true, value_unit = "ns" })
end

-- Peaks over every workload, those into an empty store too.
local function memory_line(rows, options)
  local peaks = {}
  for _, row in pairs(rows) do
    for name, bytes in pairs(numbers_of(row, "peak_memory_bytes")) do
      peaks[name] = math.max(peaks[name] or 0, bytes)
    end
  end
  return line("peak memory", "bytes", peaks, { value = peaks.loam, at_most = true,
    limit = (options.memory_mb + MEMORY_SLACK_MB) * 2 ^ 20, value_unit = "bytes" })
end

--- Returns the lines of the table, in its order; a line whose workload was not run has no value.
---@param rows table[]     of report.make()
---@param options table    n, memory_mb, compression, threads
---@param setting string   a name of SETTINGS
---@return table[] lines {label, unit, numbers, value, value_unit, of, limit, at_most, is_reached,
---  attainment, by_cpu: the same ratio of processor time, which other load disturbs less}
function goals.lines(rows, options, setting)
  local named, fixed = {}, goals.SETTINGS[setting]
  for _, row in ipairs(rows) do
    named[row.workload] = row
  end
  local lines = {}
  add_rates(lines, named, fixed)
  lines[#lines + 1] = writer_line(named, fixed)
  add_syncs(lines, named, options)
  lines[#lines + 1] = threads_line(named)
  add_disks(lines, named, options)
  lines[#lines + 1] = amplification_line(named)
  add_latencies(lines, named)
  lines[#lines + 1] = time_line("reopen", named.reopen, 0.02)
  lines[#lines + 1] = time_line("reopen after kill -9", named["reopen-killed"], 1)
  lines[#lines + 1] = memory_line(named, options)
  return lines
end

return goals
