-- put, get and scan through the module kv, in plain loops, against the same loops in C.
--
-- Both run in this process, on one store, and are given the same strings: what is compared is the
-- module alone. Pieces of CHUNK operations change sides in the order C, Lua, Lua, C, each with keys
-- of its own, so both meet the same fullness, the same compactions and the same other load. What
-- counts is the processor time of this thread. Before and after a piece all garbage is collected:
-- the loop pays for what it has made, and for nothing else.
local cjson = require "cjson"
local ffi = require "ffi"
local machine = require "scripts.lib.bench.machine"
local reader = require "scripts.lib.cdef"
local string_buffer = require "string.buffer"

local lua_rate = {}

ffi.cdef [[
typedef struct { int64_t seconds; int64_t nanoseconds; } bench_time;
int clock_gettime(int clock, bench_time *out);
void *malloc(size_t size);
void free(void *memory);
]]
local CLOCK_THREAD_CPUTIME = 3
local CHUNK = 2000
local SCANS = 4 -- Of each kind in each round.
local KEY_SIZE, VALUE_SIZE = 16, 100
local ROW_SIZE = KEY_SIZE + VALUE_SIZE
local FLAT_ROWS = 200000 -- Of which strings are made without a store.
local SHORT_ROWS = 10 -- Of a short scan.
-- What is printed, in this order, and the loop in C that each loop in Lua is compared with. Those
-- that take keys run in this order, too; the first one fills the store.
local CALLS = {
  { name = "put", c = "put", is_keyed = true },
  { name = "get", c = "get", is_keyed = true },
  { name = "get_into", c = "get", is_keyed = true },
  { name = "scan rows, 10", c = "seek", is_keyed = true },
  { name = "scan rows", c = "scan" },
  { name = "scan", c = "scan" },
  { name = "scan / copies", lua = "scan", c = "scan copies" },
  { name = "two strings", c = "scan" },
}
local time = ffi.new("bench_time")
local seen = nil -- A bench_seen, once it is declared.

local function now()
  ffi.C.clock_gettime(CLOCK_THREAD_CPUTIME, time)
  return tonumber(time.seconds) + tonumber(time.nanoseconds) / 1e9
end

-- Returns the seconds that a call takes, with the collection of what it leaves behind. A collection
-- that finds nothing is taken off again.
local function spent(call, ...)
  collectgarbage()
  local begin = now()
  call(...)
  collectgarbage()
  local middle = now()
  collectgarbage()
  return math.max(1e-9, 2 * middle - begin - now())
end

local function must(rc)
  assert(rc == 0, "a loop in C failed")
end

-- The loops, by name and language. A loop gets the state of its round and, if it takes keys, a
-- piece {keys, values, key_slices, value_slices, count}.
local loops = { c = {}, lua = {} }

function loops.c.put(state, piece)
  must(state.calls.bench_put_all(state.p, piece.key_slices, piece.value_slices, piece.count))
end

function loops.lua.put(state, piece)
  local db, keys, values = state.db, piece.keys, piece.values
  for index = 1, #keys do
    assert(db:put(keys[index], values[index]))
  end
end

function loops.c.get(state, piece)
  must(state.calls.bench_get_all(state.p, piece.key_slices, piece.count, seen))
end

function loops.lua.get(state, piece)
  local db, keys, bytes = state.db, piece.keys, 0
  for index = 1, #keys do
    bytes = bytes + #db:get(keys[index])
  end
  assert(bytes == #keys * VALUE_SIZE)
end

function loops.lua.get_into(state, piece)
  local db, keys, buffer, bytes = state.db, piece.keys, state.buffer, 0
  for index = 1, #keys do
    buffer:reset()
    bytes = bytes + db:get_into(keys[index], buffer)
  end
  assert(bytes == #keys * VALUE_SIZE)
end

function loops.c.seek(state, piece)
  must(state.calls.bench_seek_all(state.p, piece.key_slices, piece.count, SHORT_ROWS, seen))
end

loops.lua["scan rows, 10"] = function(state, piece)
  local db, keys, bytes = state.db, piece.keys, 0
  for index = 1, #keys do
    for row in db:scan { from = keys[index], limit = SHORT_ROWS, rows = true } do
      bytes = bytes + (row:key_size() + row:value_size())
    end
  end
  assert(bytes > 0)
end

function loops.c.scan(state)
  must(state.calls.bench_scan_all(state.p, seen))
end

loops.c["scan copies"] = function(state)
  must(state.calls.bench_scan_copies(state.p, seen))
end

loops.lua["scan rows"] = function(state)
  local rows, bytes = 0, 0
  for row in state.db:scan { rows = true } do
    rows = rows + 1
    bytes = bytes + (row:key_size() + row:value_size())
  end
  assert(bytes == rows * ROW_SIZE)
end

function loops.lua.scan(state)
  local rows, bytes = 0, 0
  for key, value in state.db:scan() do
    rows = rows + 1
    bytes = bytes + #key + #value
  end
  assert(bytes == rows * ROW_SIZE)
end

-- What no scan that gives strings can do without: the strings.
loops.lua["two strings"] = function(state)
  local at, bytes = state.flat, 0
  for _ = 1, state.flat_count do
    bytes = bytes + #ffi.string(at, KEY_SIZE) + #ffi.string(at + KEY_SIZE, VALUE_SIZE)
    at = at + ROW_SIZE
  end
  assert(bytes == state.flat_count * ROW_SIZE)
end

local function slices_of(strings)
  local slices = ffi.new("loam_slice[?]", #strings)
  for index, text in ipairs(strings) do
    slices[index - 1].data, slices[index - 1].size = text, #text
  end
  return slices
end

-- Random bytes, of which values are put together. Hardly a value is there twice: LuaJIT finds a
-- string that is there already faster than it makes one.
local function random_halves()
  local halves = {}
  for index = 1, CHUNK do
    local half = {}
    for place = 1, VALUE_SIZE / 2 do
      half[place] = string.char(math.random(32, 126))
    end
    halves[index] = table.concat(half)
  end
  return halves
end

-- Returns a piece with the keys that next_number() tells, and values when there are halves.
local function new_piece(count, next_number, halves)
  local keys, values = {}, {}
  for index = 1, count do
    keys[index] = ("%016d"):format(next_number())
    if halves then
      values[index] = halves[math.random(#halves)] .. halves[math.random(#halves)]
    end
  end
  return { count = count, keys = keys, values = values, key_slices = slices_of(keys),
    value_slices = slices_of(values) }
end

local function add(state, language, name, seconds, count)
  local sum = state.sums[language][name] or { seconds = 0, count = 0 }
  sum.seconds, sum.count = sum.seconds + seconds, sum.count + count
  state.sums[language][name] = sum
end

-- The loop in C of a call with keys has a sum for each call.
local function beside(call)
  return call.is_keyed and call.c .. " beside " .. call.name or call.c
end

-- Makes a call with N keys, changing sides after each piece: Lua, C, C, Lua from the second on, for
-- in the first, which does not count, the compiler is at work.
local function run_pieces(state, call, next_number, halves)
  local size = math.max(1, math.min(CHUNK, math.floor(state.n / 8)))
  loops.lua[call.name](state, new_piece(size, next_number, halves))
  for index = 1, math.floor(state.n / size) do
    local is_lua = index % 4 < 2
    local loop = is_lua and loops.lua[call.name] or loops.c[call.c]
    local seconds = spent(loop, state, new_piece(size, next_number, halves))
    add(state, is_lua and "lua" or "c", is_lua and call.name or beside(call), seconds, size)
  end
end

local function run_scans(state)
  local kinds = {
    { "c", "scan" }, { "lua", "scan rows" }, { "lua", "scan" }, { "c", "scan copies" },
    { "lua", "two strings" },
  }
  for turn = 0, SCANS do
    for index = 1, #kinds do
      local language, name = unpack(kinds[turn % 2 == 0 and index or #kinds + 1 - index])
      local seconds = spent(loops[language][name], state)
      if turn > 0 then
        add(state, language, name, seconds, name == "two strings" and state.flat_count
          or state.row_count)
      end
    end
  end
end

-- Memory that the garbage collector does not count: the more of its own lives, the longer garbage
-- lies about, and the seldomer it is in the caches.
local function allocate(count, type)
  local memory = ffi.C.malloc(count * ffi.sizeof(type))
  assert(memory ~= nil, "out of memory")
  return ffi.gc(ffi.cast(ffi.typeof("$ *", ffi.typeof(type)), memory), ffi.C.free)
end

local function copy_rows(state)
  local count = ffi.new("size_t[1]", math.min(FLAT_ROWS, state.row_count))
  state.flat = allocate(tonumber(count[0]) * ROW_SIZE, "char")
  must(state.calls.bench_rows_copy(state.p, state.flat, count))
  state.flat_count = tonumber(count[0])
end

local function settle(db)
  assert(db:flush())
  assert(assert(db:compact()):wait())
end

-- Returns nanoseconds per operation by language and name.
local function run_round(options, dir, calls)
  local kv = require "kv"
  local db = assert(kv.open(dir, {
    durability = "os",
    compression = options.compression == "none" and "none" or "lz4",
    memory_bytes = options.memory_mb * 2 ^ 20,
  }))
  local state = { db = db, p = db:pointer(), calls = calls, n = options.n,
    buffer = string_buffer.new(), sums = { c = {}, lua = {} } }
  local numbers, count = allocate(options.n * 2, "uint32_t"), 0
  run_pieces(state, CALLS[1], function()
    numbers[count] = math.random(0, options.n - 1)
    count = count + 1
    return numbers[count - 1]
  end, random_halves())
  settle(db)
  for index = 2, #CALLS do
    if CALLS[index].is_keyed then
      run_pieces(state, CALLS[index], function()
        return numbers[math.random(0, count - 1)]
      end)
    end
  end
  state.row_count = assert(db:count())
  copy_rows(state)
  run_scans(state)
  assert(db:close())
  return state.sums
end

local function per_operation(sum)
  return sum.seconds / sum.count * 1e9
end

local function median(figures)
  table.sort(figures)
  return figures[math.floor((#figures + 1) / 2)]
end

-- Returns a call's medians over the rounds, with the lowest and the highest ratio.
local function figure_of(call, rounds)
  local of_c, of_lua, ratios = {}, {}, {}
  for index, sums in ipairs(rounds) do
    of_c[index] = per_operation(sums.c[beside(call)])
    of_lua[index] = per_operation(sums.lua[call.lua or call.name])
    ratios[index] = of_c[index] / of_lua[index]
  end
  local ratio = median(ratios)
  return { c_ns = median(of_c), lua_ns = median(of_lua), ratio = ratio, ratio_least = ratios[1],
    ratio_most = ratios[#ratios] }
end

local function load_calls(build)
  local path = package.searchpath("scripts.lib.bench.lua_rate", package.path)
  local header = path:gsub("scripts/lib/bench/lua_rate%.lua$", "") .. "core/bench/calls.h"
  ffi.cdef(reader.extract(reader.read_file(header), "core/bench/calls.h"))
  seen = ffi.new("bench_seen")
  return ffi.load(build .. "/libbench_calls.so")
end

--- Measures both, options.repeats times, and prints the medians and their ratios.
---@param options table
---@param dir string       empty, for the stores
---@param build string     folder of the build
---@return string json
function lua_rate.run(options, dir, build)
  require "kv" -- Declares loam.h.
  local calls = load_calls(build)
  math.randomseed(1)
  local rounds = {}
  for round = 1, options.repeats do
    rounds[round] = run_round(options, ("%s/%d"):format(dir, round), calls)
  end
  print(("%-14s %8s %8s %8s   %s"):format("ns per call", "C", "Lua", "C/Lua", "of rounds"))
  local out = {}
  for _, call in ipairs(CALLS) do
    local figure = figure_of(call, rounds)
    print(("%-14s %8.1f %8.1f %8.3f   %.3f to %.3f"):format(call.name, figure.c_ns, figure.lua_ns,
      figure.ratio, figure.ratio_least, figure.ratio_most))
    out[call.name] = figure
  end
  return cjson.encode { n = options.n, machine = machine.describe(dir, build), lua = out }
end

return lua_rate
