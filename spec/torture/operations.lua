-- One random list of operations, and what an engine answers to it, as lines that can be compared.
--
-- operations.list(random, count) makes the list; it depends on the generator alone.
-- operations.play(list, engine, between) runs it and returns the history: one line per operation.
-- between(index) is called before each, for restarts and the like; it must not change an answer.
-- An engine answers batch(ops), get(key, held), rows(range, held), hold(), release(held), and, when
-- it has conditions, apply(op).
local operations = {}

local KEYS = 60

local key_makers = {
  function(random) return ("k%03d"):format(random:int(1, KEYS)) end,
  function(random) return random:bytes(random:int(1, 3), "ab\0\255") end,
  function(random) return ("p"):rep(random:int(1, 40)) end,
  function(random)
    return ("k%03d"):format(random:int(1, KEYS)) .. ("z"):rep(random:int(0, 200))
  end,
}

local function new_key(random)
  return random:pick(key_makers)(random)
end

local function new_value(random)
  local size = random:int(0, 20)
  if random:int(1, 40) == 1 then
    size = random:int(1000, 9000)
  end
  return random:bytes(1, "abcdefgh"):rep(size) .. random:int(1, 99999)
end

local makers = {}

function makers.batch(random)
  local ops = {}
  for index = 1, random:pick { 1, 1, 1, 2, 5, 30 } do
    if random:int(1, 4) == 1 then
      ops[index] = { kind = "delete", key = new_key(random) }
    else
      ops[index] = { key = new_key(random), value = new_value(random) }
    end
  end
  return { ops = ops }
end

function makers.apply(random)
  local op = { key = new_key(random), report_previous = true, want_previous = true }
  op.kind = random:pick { "put", "put", "delete", "incr", "append" }
  if op.kind == "put" or op.kind == "append" then
    op.value = new_value(random)
  elseif op.kind == "incr" then
    op.key, op.by, op.has_init, op.init = "n" .. random:int(1, 5), random:int(-9, 9), true, 0
  end
  op.condition = random:pick { nil, "absent", "present" }
  if random:int(1, 4) == 1 then
    op.condition, op.if_value = "value", new_value(random)
  end
  return { op = op }
end

function makers.get(random)
  return { key = new_key(random), is_held = random:int(1, 4) == 1 }
end

function makers.scan(random)
  local range = { reverse = random:int(0, 1) == 1 }
  if random:int(1, 3) == 1 then range.from = new_key(random) end
  if random:int(1, 3) == 1 then range.to = new_key(random) end
  if random:int(1, 3) == 1 then range.limit = random:int(1, 30) end
  return { range = range, is_held = random:int(1, 4) == 1 }
end

function makers.hold() return {} end

function makers.release() return {} end

local NAMES = { "batch", "batch", "batch", "batch", "apply", "get", "get", "get", "scan", "hold",
  "release" }

--- A list of `count` operations; with_apply: also those that only Loam has.
function operations.list(random, count, with_apply)
  local list = {}
  while #list < count do
    local name = random:pick(NAMES)
    if name ~= "apply" or with_apply then
      local one = makers[name](random)
      one.name = name
      list[#list + 1] = one
    end
  end
  return list
end

local players = {}

function players.batch(engine, one)
  local ok, code = engine:batch(one.ops)
  return ok and "ok" or tostring(code)
end

function players.apply(engine, one)
  return engine:apply(one.op)
end

function players.get(engine, one, state)
  return tostring(engine:get(one.key, one.is_held and state.held or nil))
end

function players.scan(engine, one, state)
  local rows = assert(engine:rows(one.range, one.is_held and state.held or nil))
  local parts = {}
  for index, row in ipairs(rows) do
    parts[index] = ("%q=%q"):format(row[1], row[2])
  end
  return #rows .. ": " .. table.concat(parts, " ")
end

function players.hold(engine, _, state)
  if not state.held then
    state.held = engine:hold()
  end
  return "held"
end

function players.release(engine, _, state)
  if state.held then
    engine:release(state.held)
    state.held = nil
  end
  return "released"
end

--- Runs the list; returns the history. between(index, is_held) comes before each operation.
function operations.play(list, engine, between)
  local history, state = {}, {}
  for index, one in ipairs(list) do
    if between then
      between(index, state.held ~= nil)
    end
    history[index] = one.name .. " " .. players[one.name](engine, one, state)
  end
  players.release(engine, nil, state)
  history[#history + 1] = players.scan(engine, { range = {} }, state)
  return history
end

--- Raises at the first line in which two histories differ.
function operations.compare(list, expected, got, what)
  for index, line in ipairs(expected) do
    if line ~= got[index] then
      error(("%s: operation %d of %d, %s, answers\n  %s\nwanted\n  %s"):format(what, index, #list,
        (list[index] or { name = "last scan" }).name, tostring(got[index]):sub(1, 400),
        line:sub(1, 400)), 0)
    end
  end
end

return operations
