-- put, get and scan through the module kv, in plain loops, against the same through the C API.
--
-- Keys are made before the clock starts: what is compared is the module, not string.format. The C
-- figures come from bench_loam in the same run.
local cjson = require "cjson"
local driver = require "scripts.lib.bench.driver"
local ffi = require "ffi"

local lua_rate = {}

ffi.cdef [[
typedef struct { int64_t seconds; int64_t nanoseconds; } bench_time;
int clock_gettime(int clock, bench_time *out);
]]
local CLOCK_MONOTONIC = 1
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

local function put_all(db, keys, value)
  for index = 1, #keys do
    assert(db:put(keys[index], value))
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
  local db = assert(kv.open(dir .. "/lua", {
    durability = "os",
    compression = options.compression == "none" and "none" or "lz4",
    memory_bytes = options.memory_mb * 2 ^ 20,
  }))
  local put_keys, get_keys = random_keys(options.n), random_keys(options.n)
  local value = ("half compressible "):rep(6):sub(1, 100)
  local rates = {
    put = timed(put_all, db, put_keys, value),
    get = timed(get_all, db, get_keys),
    scan = timed(scan_all, db),
  }
  assert(db:close())
  return rates
end

local function c_rates(options, dir, program)
  local loam = driver.start(program, dir .. "/c", {
    "--n", ("%.0f"):format(options.n),
    "--memory-mb", tostring(options.memory_mb),
    "--compress", options.compression == "none" and "0" or "1",
  })
  if not loam then
    error("bench_loam did not start", 0)
  end
  local rates = {}
  for name, workload in pairs { put = "fillrandom", get = "readrandom", scan = "readseq" } do
    rates[name] = workload
  end
  for _, name in ipairs { "put", "get", "scan" } do
    local count = name == "scan" and 1 or options.n
    local answer = loam:ask(("run %s %.0f 1 0"):format(rates[name], count))
    if not answer then
      error("bench_loam failed", 0)
    end
    rates[name] = answer.ops / answer.seconds
  end
  loam:remove()
  return rates
end

--- Measures both and prints rates and ratios.
---@param options table
---@param dir string       empty, for the stores
---@param program string   path of bench_loam
---@return string json
function lua_rate.run(options, dir, program)
  local of_c = c_rates(options, dir, program)
  local of_lua = lua_rates(options, dir)
  print(("%-6s %12s %12s %8s"):format("", "C per s", "Lua per s", "Lua/C"))
  local out = {}
  for _, name in ipairs { "put", "get", "scan" } do
    local ratio = of_lua[name] / of_c[name]
    print(("%-6s %12.0f %12.0f %8.2f"):format(name, of_c[name], of_lua[name], ratio))
    out[name] = { c_per_second = of_c[name], lua_per_second = of_lua[name], ratio = ratio }
  end
  return cjson.encode { n = options.n, lua = out }
end

return lua_rate
