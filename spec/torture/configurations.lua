-- The same operations on many differently configured stores have to give the same answers. Used by
-- the rig "configs" and by spec/torture/configurations_spec.lua.
local env = require "spec.support.env"
local fault = require "spec.support.fault"
local new_engine = require "spec.torture.loam_engine"
local operations = require "spec.torture.operations"
local store = require "spec.support.db"

local configurations = {}

local function options_of(random)
  return {
    memtable_bytes = random:pick { 65536, 65536, 131072, 2 ^ 20 },
    table_bytes = random:pick { 65536, 262144, 2 ^ 22 },
    memory_bytes = random:pick { 4, 5, 16, 64 } * 2 ^ 20,
    block_bytes = random:pick { 512, 700, 1024, 4096, 65536 },
    compression = random:int(0, 2),
    point_index = random:int(0, 1) == 1,
    background_threads = random:int(1, 2),
    max_open_files = random:pick { 16, 1000 },
  }
end

local function describe(options, restart_every, flush_every, compact_every)
  local parts = {}
  for name, value in pairs(options) do
    parts[#parts + 1] = name .. "=" .. tostring(value)
  end
  table.sort(parts)
  return ("%s, restart every %d, flush every %d, compact every %d"):format(
    table.concat(parts, " "), restart_every, flush_every, compact_every)
end

-- Reopens, cleanly or as after kill -9 or a power cut that everything was synced before.
local function restart(state, random)
  local way = random:int(1, 3)
  if way == 1 then
    assert(state.engine.db:close())
  else
    assert(state.engine.db:sync())
    state.files:crash_after(0)
    state.engine.db:close()
    state.files:clear()
    assert(state.files:reboot(way == 2 and "kill" or "lose", random:int(1, 2 ^ 30)))
  end
  state.engine.db = assert(store.open(state.files._p, "/db", state.options))
end

--- Plays the list on one random configuration. Returns the history and a description.
function configurations.play(list, random)
  local state = { files = fault.new(random:int(1, 2 ^ 30)), options = options_of(random) }
  state.engine = new_engine(assert(store.open(state.files._p, "/db", state.options)))
  local restart_every = random:pick { 17, 80, 300, 1e9 }
  local flush_every = random:pick { 11, 60, 1e9 }
  local compact_every = random:pick { 90, 400, 1e9 }
  local function between(_, is_held)
    if random:int(1, flush_every) == 1 then
      assert(state.engine.db:flush())
    end
    if random:int(1, compact_every) == 1 then
      assert(state.engine.db:compact())
    end
    if not is_held and random:int(1, restart_every) == 1 then
      restart(state, random)
    end
  end
  local history = operations.play(list, state.engine, between)
  assert(state.engine.db:check())
  assert(state.engine.db:close())
  store.close_all()
  env.close_all()
  return history, describe(state.options, restart_every, flush_every, compact_every)
end

--- Compares `count` configurations with each other on one list of operations.
function configurations.run(random, operation_count, count)
  local list = operations.list(random, operation_count, true)
  local expected, first = configurations.play(list, random)
  for _ = 2, count do
    local history, what = configurations.play(list, random)
    operations.compare(list, expected, history, what .. "\nagainst " .. first)
  end
end

return configurations
