-- The server beside nginx (a constant reply) and Redis (appendfsync always), in one run.
--
-- One worker thread on the first processor, one client thread on the second. A rate depends on
-- whatever else the machine does; the processor time of the server per request hardly does, so both
-- are printed. Rounds go through all steps in turn; reported are medians of the rounds, and of
-- processor times the least.
local driver = require "scripts.lib.bench.driver"
local load = require "scripts.lib.bench.http_load"
local servers = require "scripts.lib.bench.http_servers"

local http = {}

local PACED_CONNECTIONS = 64
local SYNC = "?durability=sync"

-- A step is what one server does under one load. `peer` names the step that the ratios are of,
-- `least` the ratio it is to reach, by rate and by processor time, or by processor time alone
-- (`by_cpu`: a second worker shares its processor with the client). Steps with `half` send half of
-- the rate of the step named, evenly; `p99_most` is the latency they are to keep. `compacts`: while
-- Loam compacts on the same processor. What nginx, which has but one thread, keeps of the same rate
-- says what the machine and the client put into these latencies, and what a busy neighbour does.
local STEPS = {
  { name = "GET", server = "loam", connections = 32, peer = "nginx", least = 1 },
  { name = "nginx", server = "nginx", connections = 32 },
  { name = "GET x16", server = "loam", connections = 32, pipelined = 16, peer = "nginx x16",
    least = 5 },
  { name = "nginx x16", server = "nginx", connections = 32, pipelined = 16 },
  { name = "GET general way", server = "loam", connections = 32, query = "?meta=1",
    peer = "nginx" },
  { name = "PUT os", server = "loam", connections = 32, method = "PUT", peer = "GET",
    least = 0.8 },
  { name = "PUT sync c32", server = "loam", connections = 32, method = "PUT", query = SYNC,
    peer = "redis SET c32", least = 1.5 },
  { name = "redis SET c32", server = "redis", connections = 32, test = "set" },
  { name = "PUT sync c256", server = "loam", connections = 256, method = "PUT", query = SYNC,
    peer = "redis SET c256", least = 3 },
  { name = "redis SET c256", server = "redis", connections = 256, test = "set" },
  { name = "redis GET", server = "redis", connections = 32, test = "get" },
  { name = "GET, two workers", server = "loam2", connections = 32, peer = "GET", least = 0.9,
    by_cpu = true },
  { name = "GET half load", server = "loam", half = "GET", p99_most = 1 },
  { name = "nginx half load", server = "nginx", half = "GET" },
  { name = "GET half load, compaction", server = "loam", half = "GET", compacts = true,
    p99_most = 1 },
  { name = "nginx half load, compaction", server = "nginx", half = "GET", compacts = true },
}

local function median(values)
  table.sort(values)
  return values[math.floor((#values + 1) / 2)]
end

-- Rows for the requests, and fillers so that compaction has something to do.
local function fill(path, fillers)
  local kv = require "kv"
  local db = assert(kv.open(path, { durability = "os" }))
  local value = ("v"):rep(100)
  for number = 0, load.KEYS - 1 do
    assert(db:put(("%016d"):format(number), value))
  end
  for number = 1, fillers do
    assert(db:put(("filler-%09d"):format(number * 7919 % 1e9), value))
  end
  assert(db:close())
end

-- Waits for the end of the compaction that the client has asked for last: the next step is not to
-- pay for it.
local function end_compaction(server)
  driver.shell(("curl -sf -X POST '%s/v1/admin/compact?wait=1' >/dev/null 2>&1"):format(
    server:url()))
end

local function apply_load(step, given, before)
  if step.half then
    return load.paced(given)
  elseif step.test then
    return load.redis(given, before)
  end
  return load.wrk(given)
end

local function run_step(run, step, results)
  local server = run.servers[step.server]
  local given = { url = server:url(), port = server.port, dir = run.dir, pins = run.pins,
    seconds = run.seconds, connections = step.connections or PACED_CONNECTIONS,
    method = step.method, query = step.query, pipelined = step.pipelined, test = step.test,
    program = run.paced, rate = step.half and results[step.half].rate / 2,
    compact_port = step.compacts and run.servers.loam.port }
  local before = server:cpu_seconds()
  local is_done, result = pcall(apply_load, step, given,
    function() before = server:cpu_seconds() end)
  if step.compacts then
    end_compaction(run.servers.loam)
  end
  if not is_done then
    error(step.name .. ": " .. tostring(result), 0)
  end
  -- wrk counts the requests of a pipelined batch one by one, as their answers come.
  result.cpu_us = (server:cpu_seconds() - before) * 1e6 / result.count
  result.rate = result.count / result.seconds
  return result
end

-- The server's own durability is os, so PUT os is a request without a query.
local function run_round(run)
  local results = {}
  for _, step in ipairs(STEPS) do
    if run.servers[step.server] then
      results[step.name] = run_step(run, step, results)
    end
  end
  return results
end

local FIELDS = { "rate", "p50_ms", "p99_ms", "late_ms" }

local function values_of(name, field, rounds)
  local values = {}
  for _, results in ipairs(name and rounds or {}) do
    values[#values + 1] = results[name] and results[name][field]
  end
  return values
end

local function least_cpu(name, rounds)
  local values = values_of(name, "cpu_us", rounds)
  return values[1] and math.min(unpack(values))
end

-- Returns the row of a step. Ratios of rates are taken within a round, beside each other, and only
-- then their median. Of processor times the least counts: whatever else the machine does makes them
-- larger and never smaller, because it takes the caches away.
local function row_of(step, rounds)
  local row, ratios = { name = step.name, least = step.least, peer = step.peer,
    by_cpu = step.by_cpu, p99_most = step.p99_most }, {}
  for _, field in ipairs(FIELDS) do
    row[field] = median(values_of(step.name, field, rounds))
  end
  row.cpu_us = least_cpu(step.name, rounds)
  local own, other = values_of(step.name, "rate", rounds), values_of(step.peer, "rate", rounds)
  for round = 1, math.min(#own, #other) do
    ratios[round] = own[round] / other[round]
  end
  row.ratio = median(ratios)
  row.cpu_ratio = row.ratio and least_cpu(step.peer, rounds) / row.cpu_us
  return row
end

local function summary(rounds)
  local rows = {}
  for _, step in ipairs(STEPS) do
    local row = row_of(step, rounds)
    rows[#rows + 1] = row.rate and row
  end
  return rows
end

local function reached(is_by_rate, is_by_cpu)
  if is_by_rate == is_by_cpu then
    return is_by_cpu and "yes" or "no"
  end
  return is_by_cpu and "by CPU" or "by rate"
end

-- Returns the goal of a row as text and how it is reached: "yes", "by rate", "by CPU" or "no".
local function verdict(row)
  if row.p99_most then
    return ("p99 <= %g ms"):format(row.p99_most), row.p99_ms <= row.p99_most and "yes" or "no"
  elseif not (row.least and row.ratio) then
    return nil
  end
  local is_by_cpu = row.cpu_ratio >= row.least
  local is_by_rate = is_by_cpu
  if not row.by_cpu then
    is_by_rate = row.ratio >= row.least
  end
  return (row.by_cpu and ">= %g by CPU" or ">= %g"):format(row.least),
    reached(is_by_rate, is_by_cpu)
end

local function milliseconds(value)
  return value and ("%8.3f"):format(value) or ("%8s"):format("-")
end

-- Processor time counts all threads of a server: under compaction also what that takes. "late" is
-- the p99 of what the client with a pace of its own has itself added to the latencies.
local function print_rows(rows)
  print(("%-27s %9s %8s %8s %8s %8s %7s %8s  %-15s %-14s %s"):format("", "per s", "CPU us",
    "p50 ms", "p99 ms", "late ms", "ratio", "by CPU", "of", "goal", "reached"))
  for _, row in ipairs(rows) do
    row.goal, row.reached = verdict(row)
    local ratios = row.ratio and ("%7.2f %8.2f  %-15s"):format(row.ratio, row.cpu_ratio, row.peer)
      or ("%7s %8s  %-15s"):format("", "", "")
    print((("%-27s %9.0f %8.2f %8.3f %s %s %s %-14s %s"):format(row.name, row.rate, row.cpu_us,
      row.p50_ms, milliseconds(row.p99_ms), milliseconds(row.late_ms), ratios, row.goal or "",
      row.reached or ""):gsub("%s+$", "")))
  end
end

local function start_all(run, program)
  local versions = {}
  for _, known in ipairs(servers.LIST) do
    local path = known.is_own and program
    for _, name in ipairs(known.programs or {}) do
      path = path or servers.find(name)
    end
    if path then
      run.servers[known.name] = known.start(path, run.dir, run.pins)
      versions[known.name] = known.version and servers.version(path, known.version)
    else
      io.stderr:write(("bench: without %s: not installed: apt-get install %s\n"):format(known.name,
        known.package))
    end
  end
  return versions
end

local function measure(run, given, program)
  local versions = start_all(run, program)
  local rounds = {}
  for round = 1, given.repeats do
    rounds[round] = run_round(run)
  end
  return versions, summary(rounds)
end

--- Measures and prints. Returns what goes into the JSON file.
---@param given table
---@param dir string      empty, for data and configurations
---@param program string  path of loam
---@param paced string    path of bench_paced
---@return table
function http.run(given, dir, program, paced)
  if not servers.find("wrk") then
    error("wrk is not installed: apt-get install wrk", 0)
  end
  local run = { dir = dir, servers = {}, seconds = given.seconds, paced = paced,
    pins = servers.find("taskset") ~= nil and driver.shell("taskset -c 1 true 2>/dev/null") }
  fill(dir .. "/loam", given.n)
  fill(dir .. "/loam2", 0)
  local is_done, versions, rows = pcall(measure, run, given, program)
  for _, server in pairs(run.servers) do
    server:stop()
  end
  if not is_done then
    error(versions, 0)
  end
  for name, version in pairs(versions) do
    print(name, version)
  end
  print_rows(rows)
  return { format = 1, seconds = given.seconds, repeats = given.repeats, versions = versions,
    rows = rows }
end

return http
