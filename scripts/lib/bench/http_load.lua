-- The clients of scripts/bench --http: wrk, redis-benchmark and bench_paced, and what they print as
-- numbers.
--
-- Requests of wrk are made before it starts to send: a client that writes its requests one by one
-- would be what is measured. Loam and nginx get the same ones.
local driver = require "scripts.lib.bench.driver"

local load = {}

load.KEYS = 20000
local REQUESTS = 2000

-- Words in capitals are filled in. SPREAD is prime to the number of keys: each request another one.
local SCRIPT = [[
local requests, at = {}, 0
function init()
  local value = ("v"):rep(VALUE_SIZE)
  for index = 1, REQUESTS do
    local parts = {}
    for turn = 1, PIPELINED do
      local number = (index * PIPELINED + turn) * 7919 % KEYS
      parts[turn] = wrk.format("METHOD", ("/v1/kv/default/%016dQUERY"):format(number), nil,
        "METHOD" == "PUT" and value or nil)
    end
    requests[index] = table.concat(parts)
  end
end
function request()
  at = at % REQUESTS + 1
  return requests[at]
end
function done(summary, latency)
  local errors = summary.errors
  io.write(("RESULT %d %d %d %.1f %.1f\n"):format(summary.requests, summary.duration,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout,
    latency:percentile(50), latency:percentile(99)))
end
]]

local function write_script(path, given)
  local text = SCRIPT:gsub("%u[%u_]+", {
    VALUE_SIZE = "100",
    REQUESTS = tostring(REQUESTS),
    PIPELINED = tostring(given.pipelined or 1),
    KEYS = tostring(load.KEYS),
    METHOD = given.method or "GET",
    QUERY = given.query or "",
  })
  local file = assert(io.open(path, "wb"))
  file:write(text)
  file:close()
end

local function output_of(words, pins)
  local quoted = {}
  for index, word in ipairs(words) do
    quoted[index] = driver.quote(word)
  end
  local pipe = io.popen((pins and "taskset -c 1 " or "") .. table.concat(quoted, " ") .. " 2>&1")
  local text = pipe:read("*a")
  pipe:close()
  return text
end

--- Runs wrk with one thread. given: url, connections, seconds, method, query, pipelined, dir,
--- pins. Returns {count, seconds, p50_ms, p99_ms}; raises when an answer was an error.
function load.wrk(given)
  local script = given.dir .. "/wrk.lua"
  write_script(script, given)
  local text = output_of({ "wrk", "-t1", "-c" .. given.connections, "-d" .. given.seconds .. "s",
    "--timeout", "10s", "-s", script, given.url }, given.pins)
  local count, microseconds, errors, p50, p99 =
    text:match("RESULT (%d+) (%d+) (%d+) ([%d.]+) ([%d.]+)")
  if not count then
    error("wrk failed: " .. (text:match("[^\n]*") or ""), 0)
  elseif tonumber(errors) > 0 then
    error(("%s of %s answers of %s were errors"):format(errors, count, given.url), 0)
  end
  -- wrk answers 0 for a percentile that it cannot tell, as happens when requests are pipelined.
  return { count = tonumber(count), seconds = tonumber(microseconds) / 1e6,
    p50_ms = tonumber(p50) / 1000, p99_ms = tonumber(p99) > 0 and tonumber(p99) / 1000 or nil }
end

--- Sends GETs evenly at a rate, whatever the server does; latencies count from when each request
--- was to be sent. given: program, port, connections, rate, seconds, pins, compact_port of a Loam
--- that compacts meanwhile. Returns as wrk(), and late_ms: the p99 of what of these is the client's
--- own lateness.
function load.paced(given)
  local words = { given.program, given.port, given.connections,
    ("%.0f"):format(math.max(1, given.rate)), given.seconds, load.KEYS }
  words[#words + 1] = given.compact_port
  local text = output_of(words, given.pins)
  local count, microseconds, errors, p50, p99, late =
    text:match("RESULT (%d+) (%d+) (%d+) ([%d.]+) ([%d.]+) [%d.]+ ([%d.]+)")
  if not count or tonumber(errors) > 0 then
    error("bench_paced failed: " .. (text:match("[^\n]*") or ""), 0)
  end
  return { count = tonumber(count), seconds = tonumber(microseconds) / 1e6,
    p50_ms = tonumber(p50) / 1000, p99_ms = tonumber(p99) / 1000, late_ms = tonumber(late) / 1000 }
end

local function redis_once(given, count)
  local text = output_of({ "redis-benchmark", "-h", "127.0.0.1", "-p", given.port, "-c",
    given.connections, "-n", ("%.0f"):format(count), "-P", given.pipelined or 1, "-t", given.test,
    "-d", 100, "-r", load.KEYS, "--csv" }, given.pins)
  -- "test","rps","avg","min","p50","p95","p99","max"
  local rate, p50, p99 =
    text:match('"%u%u%u","([%d.]+)","[%d.]+","[%d.]+","([%d.]+)","[%d.]+","([%d.]+)"')
  if not rate then
    error("redis-benchmark failed: " .. (text:match("[^\n]*") or ""), 0)
  end
  return { count = count, seconds = count / tonumber(rate), p50_ms = tonumber(p50),
    p99_ms = tonumber(p99) }
end

local SAMPLE = 5000

--- Runs redis-benchmark for about given.seconds. given: port, connections, test ("get", "set"),
--- pipelined, pins. Returns as wrk(), for the second of two runs: the first finds out how many
--- requests fill the time. before() is called between them.
function load.redis(given, before)
  local sample = redis_once(given, SAMPLE * (given.pipelined or 1))
  before()
  local count = math.max(SAMPLE, sample.count / sample.seconds * given.seconds)
  return redis_once(given, math.floor(count))
end

return load
