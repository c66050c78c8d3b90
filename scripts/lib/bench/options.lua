-- Command line of scripts/bench: words to a checked table.
local argparse = require "argparse"

local options = {}

options.ENGINES = { "loam", "leveldb", "rocksdb", "lmdb", "file" }

local function refuse(format, ...)
  io.stderr:write("bench: ", format:format(...), "\n")
  os.exit(2)
end

local function whole(name, least, most)
  return function(text)
    local number = tonumber(text)
    if not number or number % 1 ~= 0 or number < least or number > most then
      return nil, ("%s takes a whole number from %.0f to %.0f, got '%s'"):format(name, least, most,
        text)
    end
    return number
  end
end

local function words(text)
  local list = {}
  for word in text:gmatch("[^,%s]+") do
    list[#list + 1] = word
  end
  return list
end

local function thread_counts(text)
  local list = {}
  for index, word in ipairs(words(text)) do
    local count, problem = whole("--threads", 1, 256)(word)
    if not count then
      return nil, problem
    end
    list[index] = count
  end
  return list
end

local function parser()
  local p = argparse("scripts/bench",
    "Loam against the stores that are installed, on one machine, in one run.")
  p:option("--n", "Rows: keys are numbers below it.", "1000000"):convert(whole("--n", 100, 4e9))
  p:option("--ops", "Operations of a read workload; seeks, scans, YCSB E are shares of it."
    .. " Default: the smaller of N and 1000000."):convert(whole("--ops", 1, 4e9))
  p:option("--engines", "Of loam,leveldb,rocksdb,lmdb,file. Default: all that are installed.")
    :convert(words)
  p:flag("--peers", "Loam and every peer that is installed, as by default; names the others.")
  p:option("--workloads", "Words: each selects all workloads that begin with it. Default: all.", "")
    :convert(words)
  p:option("--cache-mb", "Block cache of the peers.", "512"):convert(whole("--cache-mb", 1, 1e6))
  p:option("--memory-mb", "Loam's whole memory budget. Default: as --cache-mb.")
    :convert(whole("--memory-mb", 8, 1e6))
  p:option("--compression", "none, or each store's default codec.", "none")
    :choices { "none", "default" }
  p:option("--threads", "Threads of fillsync.", "1,8,64"):convert(thread_counts)
  p:option("--repeat", "Runs; the medians are reported.", "1"):target("repeats")
    :convert(whole("--repeat", 1, 100))
  p:option("--dir", "Where the stores are made, and removed. Default: TMPDIR or /tmp.")
  p:option("--json", "Write the results to FILE."):argname("FILE")
  p:option("--svg", "Draw the ratios to FILE."):argname("FILE")
  p:flag("--lua", "Instead: put, get and scan through the module kv against the C API.")
  p:flag("--http", "Instead: the server beside nginx and Redis, by wrk and redis-benchmark.")
  p:option("--seconds", "Length of each run of --http.", "3"):convert(whole("--seconds", 1, 600))
  return p
end

local function check_engines(names)
  local known = {}
  for _, name in ipairs(options.ENGINES) do
    known[name] = true
  end
  for _, name in ipairs(names) do
    if not known[name] then
      refuse("unknown store '%s' in --engines; there are %s", name,
        table.concat(options.ENGINES, ", "))
    end
  end
end

--- Returns the options of a command line; a bad one ends the process with a line and status 2.
---@param arguments string[]
---@return table
function options.parse(arguments)
  local given = parser():parse(arguments)
  if given.engines and given.peers then
    refuse("--peers and --engines exclude each other")
  end
  if given.lua and given.http then
    refuse("--lua and --http exclude each other")
  end
  check_engines(given.engines or {})
  given.engines = given.engines or options.ENGINES
  given.ops = given.ops or math.min(given.n, 1e6)
  given.memory_mb = given.memory_mb or given.cache_mb
  given.dir = given.dir or os.getenv("TMPDIR") or "/tmp"
  if #given.workloads == 0 then
    given.workloads = { "" }
  end
  return given
end

options.refuse = refuse

return options
