-- Command line of scripts/bench: words to a checked table.
local argparse = require "argparse"
local goals = require "scripts.lib.bench.goals"

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
  p:flag("--peers", "The table of goals: Loam and every peer that is installed, what ratio is to be"
    .. " reached on each line, and whether it is.")
  p:option("--setting", "Of --peers: big (2 GiB each), small (256 MiB each) or lz4 (2 GiB each,"
    .. " compressed). Default: big."):choices { "big", "small", "lz4" }
  p:option("--table", "Run nothing: print the tables of FILE, which --json has written.")
    :argname("FILE")
  p:option("--workloads", "Words: each selects all workloads that begin with it. Default: all.", "")
    :convert(words)
  p:option("--cache-mb", "Block cache of the peers. Default: 512.")
    :convert(whole("--cache-mb", 1, 1e6))
  p:option("--memory-mb", "Loam's whole memory budget. Default: as --cache-mb.")
    :convert(whole("--memory-mb", 8, 1e6))
  p:option("--compression", "none, or each store's default codec. Default: none.")
    :choices { "none", "default" }
  p:option("--threads", "Threads of fillsync.", "1,8,64"):convert(thread_counts)
  p:option("--repeat", "Runs; the medians are reported.", "1"):target("repeats")
    :convert(whole("--repeat", 1, 100))
  p:option("--dir", "Where the stores are made, and removed. Default: TMPDIR or /tmp.")
  p:option("--json", "Write the results to FILE."):argname("FILE")
  p:flag("--resume", "Go on with the run in the file of --json, or begin it there. Exit status 3:"
    .. " there is more to do.")
  p:option("--minutes", "With --resume: begin no group of workloads after this time; the next call"
    .. " goes on."):convert(whole("--minutes", 0, 1e5))
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

-- Of two options that say the same, or nothing together.
local function check_together(given)
  local function exclude(left, right)
    local function name(word) return (word:gsub("_", "-")) end
    if given[left] and given[right] then
      refuse("--%s and --%s exclude each other", name(left), name(right))
    end
  end
  local function need(word, other)
    if given[word] and not given[other] then
      refuse("--%s goes with --%s", word, other)
    end
  end
  exclude("peers", "engines")
  exclude("lua", "http")
  need("setting", "peers")
  need("resume", "json")
  need("minutes", "resume")
  for _, word in ipairs { "cache_mb", "memory_mb", "compression" } do
    exclude("setting", word)
  end
  for _, word in ipairs { "peers", "resume", "table" } do
    exclude(word, "lua")
    exclude(word, "http")
  end
  exclude("table", "resume")
end

local function apply_setting(given)
  given.setting = given.setting or "big"
  local setting = goals.SETTINGS[given.setting]
  given.cache_mb = given.cache_mb or setting.cache_mb
  given.compression = given.compression or setting.compression
end

local function fill(given)
  if given.peers then
    apply_setting(given)
  end
  given.cache_mb = given.cache_mb or 512
  given.memory_mb = given.memory_mb or given.cache_mb
  given.compression = given.compression or "none"
  given.engines = given.engines or options.ENGINES
  given.ops = given.ops or math.min(given.n, 1e6)
  given.dir = given.dir or os.getenv("TMPDIR") or "/tmp"
  if #given.workloads == 0 then
    given.workloads = { "" }
  end
  return given
end

--- Returns the options of a command line; a bad one ends the process with a line and status 2.
---@param arguments string[]
---@return table
function options.parse(arguments)
  local given = parser():parse(arguments)
  check_together(given)
  check_engines(given.engines or {})
  return fill(given)
end

options.refuse = refuse

return options
