-- put, get and scan through the module kv, in plain loops, against the same through the C API.
--
-- Keys are made before the clock starts: what is compared is the module, not string.format. The C
-- figures come from bench_loam in the same run, whose loop makes a key and reads the clock for each
-- operation; spec/support/kv_overhead.lua compares the same loops in both languages.
local cjson = require "cjson"
local driver = require "scripts.lib.bench.driver"
local ffi = require "ffi"
local string_buffer = require "string.buffer"

local lua_rate = {}

ffi.cdef [[
typedef struct { int64_t seconds; int64_t nanoseconds; } bench_time;
int clock_gettime(int clock, bench_time *out);
]]
local CLOCK_MONOTONIC = 1
-- What is printed, and the workload of bench_loam that does the same.
local CALLS = { "put", "get", "get_into", "scan", "scan rows" }
local WORKLOADS = { "fillrandom", "readrandom", "readseq" }
local WORKLOAD_OF = { put = "fillrandom", get = "readrandom", get_into = "readrandom",
  scan = "readseq", ["scan rows"] = "readseq" }
local time = ffi.new("bench_time")

local function now()
  ffi.C.clock_gettime(CLOCK_MONOTONIC, time)
  return tonumber(time.seconds) + tonumber(time.nanoseconds) / 1e9
end

local function random_keys(n)
  local keys = {}
  for index = 1, n do
    keys[index] = ("%016d"):format(math.random(0, n - 1))
  end
  return keys
end

-- As many values as the C loop takes its own from: one value alone would stay in the cache of the
-- processor, and the puts would be a tenth faster than they are.
local VALUE_COUNT = 10485

local function make_values()
  local values = {}
  for index = 1, VALUE_COUNT do
    local half = {}
    for place = 1, 50 do
      half[place] = string.char(math.random(32, 126))
    end
    values[index] = table.concat(half):rep(2)
  end
  return values
end

local function put_all(db, keys, values)
  for index = 1, #keys do
    assert(db:put(keys[index], values[index % VALUE_COUNT + 1]))
  end
  return #keys
end

local function get_all(db, keys)
  local found = 0
  for index = 1, #keys do
    if db:get(keys[index]) then
      found = found + 1
    end
  end
  assert(found > 0, "no row was found")
  return #keys
end

local function get_into_all(db, keys)
  local bytes, found = string_buffer.new(), 0
  for index = 1, #keys do
    bytes:reset()
    found = found + (db:get_into(keys[index], bytes) or 0)
  end
  assert(found > 0, "no row was found")
  return #keys
end

local function scan_all_rows(db)
  local bytes, rows = 0, 0
  for row in db:scan { rows = true } do
    rows = rows + 1
    bytes = bytes + row:key_size() + row:value_size()
  end
  assert(bytes > 0, "the scan met no row")
  return rows
end

local function scan_all(db)
  local bytes, rows = 0, 0
  for key, value in db:scan {} do
    rows = rows + 1
    bytes = bytes + #key + #value
  end
  assert(bytes > 0, "the scan met no row")
  return rows
end

local function timed(call, ...)
  local begin = now()
  local count = call(...)
  return count / (now() - begin)
end

local function lua_rates(options, dir)
  local kv = require "kv"
  local db = assert(kv.open(dir, {
    durability = "os",
    compression = options.compression == "none" and "none" or "lz4",
    memory_bytes = options.memory_mb * 2 ^ 20,
  }))
  local put_keys, get_keys = random_keys(options.n), random_keys(options.n)
  local values = make_values()
  local rates = {
    put = timed(put_all, db, put_keys, values),
    get = timed(get_all, db, get_keys),
    get_into = timed(get_into_all, db, get_keys),
    scan = timed(scan_all, db),
    ["scan rows"] = timed(scan_all_rows, db),
  }
  assert(db:close())
  return rates
end

local function c_rates(options, dir, program)
  local loam = driver.start(program, dir, {
    "--n", ("%.0f"):format(options.n),
    "--memory-mb", tostring(options.memory_mb),
    "--compress", options.compression == "none" and "0" or "1",
  })
  if not loam then
    error("bench_loam did not start", 0)
  end
  local by_workload, rates = {}, {}
  for _, workload in ipairs(WORKLOADS) do
    local count = workload == "readseq" and 1 or options.n
    local answer = loam:ask(("run %s %.0f 1 0"):format(workload, count))
    if not answer then
      error("bench_loam failed", 0)
    end
    by_workload[workload] = answer.ops / answer.seconds
  end
  for _, name in ipairs(CALLS) do
    rates[name] = by_workload[WORKLOAD_OF[name]]
  end
  loam:remove()
  return rates
end

local function median(rounds, name)
  local rates = {}
  for index, round in ipairs(rounds) do
    rates[index] = round[name]
  end
  table.sort(rates)
  return rates[math.floor((#rates + 1) / 2)]
end

--- Measures both in turn, options.repeats times, and prints the medians and their ratios.
---@param options table
---@param dir string       empty, for the stores
---@param program string   path of bench_loam
---@return string json
function lua_rate.run(options, dir, program)
  local of_c, of_lua = {}, {}
  for round = 1, options.repeats do
    of_c[round] = c_rates(options, ("%s/c-%d"):format(dir, round), program)
    of_lua[round] = lua_rates(options, ("%s/lua-%d"):format(dir, round))
  end
  print(("%-9s %12s %12s %8s"):format("", "C per s", "Lua per s", "Lua/C"))
  local out = {}
  for _, name in ipairs(CALLS) do
    local c, lua = median(of_c, name), median(of_lua, name)
    print(("%-9s %12.0f %12.0f %8.2f"):format(name, c, lua, lua / c))
    out[name] = { c_per_second = c, lua_per_second = lua, ratio = lua / c }
  end
  return cjson.encode { n = options.n, lua = out }
end

return lua_rate
