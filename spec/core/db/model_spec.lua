-- Random operations on a store and on a plain Lua table, compared after every few: gets, scans in
-- both directions with bounds and limits, snapshots, over flushes, compactions and reopening.
-- SEED=n repeats a run.
local env = require "spec.support.env"
local fault = require "spec.support.fault"
local seed = require "spec.support.seed"
local store = require "spec.support.db"
local lib = require "spec.support.lib"

local OPTIONS = {
  memtable_bytes = 65536,
  table_bytes = 65536,
  memory_bytes = 4 * 2 ^ 20,
  block_bytes = 512,
}

local KEY_MODES = {
  chain = function(random) return ("a"):rep(random:int(0, 40)) end,
  small = function(random) return random:bytes(random:int(0, 4), "ab") end,
  binary = function(random) return random:bytes(random:int(0, 6), "\0\1\254\255") end,
  digits = function(random) return ("%016d"):format(random:int(0, 400)) end,
  long = function(random)
    return ("x"):rep(300) .. random:bytes(2, "abc") .. ("y"):rep(random:int(0, 3) * 200)
  end,
}

local function is_in_range(key, range)
  if range.from and key < range.from or range.to and key >= range.to then
    return false
  end
  if range.prefix and key:sub(1, #range.prefix) ~= range.prefix then
    return false
  end
  if range.after then
    return range.reverse and key < range.after or not range.reverse and key > range.after
  end
  return true
end

local function sorted_rows(model, range)
  local keys = {}
  for key in pairs(model) do
    if is_in_range(key, range) then
      keys[#keys + 1] = key
    end
  end
  table.sort(keys, function(a, b)
    if range.reverse then
      return a > b
    end
    return a < b
  end)
  local rows = {}
  for i = 1, math.min(#keys, range.limit or #keys) do
    rows[i] = { keys[i], model[keys[i]] }
  end
  return rows
end

local function copy(model)
  local result = {}
  for key, value in pairs(model) do
    result[key] = value
  end
  return result
end

local function random_range(random, new_key)
  local range = { reverse = random:int(0, 1) == 1 }
  if random:int(1, 3) == 1 then range.from = new_key(random) end
  if random:int(1, 3) == 1 then range.to = new_key(random) end
  if random:int(1, 4) == 1 then range.prefix = new_key(random):sub(1, random:int(0, 3)) end
  if random:int(1, 4) == 1 then range.after = new_key(random) end
  if random:int(1, 3) == 1 then range.limit = random:int(1, 20) end
  return range
end

local function compare(db, model, random, new_key, snapshot)
  for _ = 1, 20 do
    local key = new_key(random)
    assert.equal(model[key], (db:get(key, snapshot)))
  end
  for _ = 1, 4 do
    local range = random_range(random, new_key)
    assert.same(sorted_rows(model, range), db:rows(range, snapshot))
  end
end

local function mutate(db, model, random, new_key)
  local ops = {}
  for i = 1, random:int(1, 6) do
    local key = new_key(random)
    if random:int(1, 4) == 1 then
      ops[i] = { kind = "delete", key = key }
    else
      ops[i] = { key = key, value = random:bytes(random:int(0, 30), "vwxyz") .. i }
    end
  end
  assert(db:batch(ops, { durability = "os" }))
  for _, op in ipairs(ops) do
    model[op.key] = op.kind ~= "delete" and op.value or nil
  end
end

local actions = {}

function actions.flush(state)
  assert(state.db:flush())
end

function actions.compact(state)
  if state.random:int(1, 3) == 1 then
    assert(state.db:compact())
  end
end

function actions.hold(state)
  if #state.held < 3 then
    state.held[#state.held + 1] = { snapshot = state.db:snapshot(), model = copy(state.model) }
  end
end

function actions.release(state)
  local held = table.remove(state.held, 1)
  if held then
    lib.loam_snapshot_close(held.snapshot)
  end
end

function actions.reopen(state)
  if #state.held == 0 then
    assert(state.db:close())
    state.db = assert(store.open(state.files._p, "/db", OPTIONS))
  end
end

local ACTIONS = { "flush", "compact", "hold", "release", "reopen", "none", "none", "none" }

function actions.none() end

local function run(mode, new_key, rounds)
  local files = fault.new(1)
  local state = {
    files = files,
    random = seed.new(#mode),
    db = assert(store.open(files._p, "/db", OPTIONS)),
    model = {},
    held = {},
  }
  for _ = 1, rounds do
    for _ = 1, state.random:int(1, 60) do
      mutate(state.db, state.model, state.random, new_key)
    end
    compare(state.db, state.model, state.random, new_key)
    for _, held in ipairs(state.held) do
      compare(state.db, held.model, state.random, new_key, held.snapshot)
    end
    actions[state.random:pick(ACTIONS)](state)
  end
  while #state.held > 0 do
    actions.release(state)
  end
  compare(state.db, state.model, state.random, new_key)
  assert.same(sorted_rows(state.model, {}), state.db:rows())
  assert(state.db:check())
  assert(state.db:close())
end

describe("db model #fuzz", function()
  after_each(function()
    store.close_all()
    env.close_all()
  end)

  for mode, new_key in pairs(KEY_MODES) do
    it("agrees with a sorted table, keys: " .. mode .. " (K03 K07)", function()
      run(mode, new_key, 60)
    end)
  end
end)
