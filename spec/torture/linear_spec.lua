-- The checker itself: hand-made histories that are right or wrong, and random ones that are right
-- by construction and become wrong by one change.
local linear = require "spec.torture.linear"
local seed = require "spec.support.seed"

local function op(name, call, ret, fields)
  fields = fields or {}
  fields.op, fields.call, fields.ret = name, call, ret
  return fields
end

local function put(call, ret, value) return op("put", call, ret, { value = value }) end
local function get(call, ret, result) return op("get", call, ret, { result = result }) end
local function delete(call, ret) return op("delete", call, ret) end
local function cas(call, ret, expected, value, result)
  return op("cas", call, ret, { expected = expected, value = value, result = result })
end

local GOOD = {
  ["nothing"] = {},
  ["a read of an absent key"] = { get(1, 2, nil) },
  ["one after the other"] = { put(1, 2, "a"), get(3, 4, "a"), delete(5, 6), get(7, 8, nil) },
  ["a read during a write sees the old value"] = { put(1, 2, "a"), put(3, 9, "b"), get(4, 5, "a") },
  ["a read during a write sees the new value"] = { put(1, 2, "a"), put(3, 9, "b"), get(4, 5, "b") },
  ["two writes at once, the first called wins"] = {
    put(1, 9, "a"), put(2, 8, "b"), get(10, 11, "a"),
  },
  ["cas after its value"] = { put(1, 2, "a"), cas(3, 4, "a", "b", true), get(5, 6, "b") },
  ["cas of an absent key"] = { cas(1, 2, nil, "a", true), cas(3, 4, nil, "b", false) },
  ["one of two cas at once"] = {
    put(1, 2, "a"), cas(3, 9, "a", "b", true), cas(3, 9, "a", "c", false), get(10, 11, "b"),
  },
  ["a lost write that happened"] = { put(1, 2, "a"), put(3, nil, "b"), get(5, 6, "b") },
  ["a lost write that never happened"] = { put(1, 2, "a"), put(3, nil, "b"), get(5, 6, "a") },
  ["a lost write that happened late"] = {
    put(1, 2, "a"), put(3, nil, "b"), get(5, 6, "a"), get(7, 8, "b"),
  },
  ["a lost delete that happened late"] = {
    put(1, 2, "a"), delete(3, nil), get(5, 6, "a"), get(7, 8, nil),
  },
  ["a lost cas that happened"] = { put(1, 2, "a"), cas(3, nil, "a", "b"), get(5, 6, "b") },
}

local BAD = {
  ["a read of what nobody wrote"] = { get(1, 2, "a") },
  ["a lost write"] = { put(1, 2, "a"), get(3, 4, nil) },
  ["a stale read"] = { put(1, 2, "a"), put(3, 4, "b"), get(5, 6, "a") },
  ["a value that comes and goes"] = {
    put(1, 2, "a"), put(3, 9, "b"), get(4, 5, "b"), get(6, 7, "a"),
  },
  ["a resurrected delete"] = { put(1, 2, "a"), delete(3, 4), get(5, 6, nil), get(7, 8, "a") },
  ["two cas of one value"] = {
    put(1, 2, "a"), cas(3, 9, "a", "b", true), cas(3, 9, "a", "c", true),
  },
  ["cas refused though its value was there all the time"] = {
    put(1, 2, "a"), cas(3, 4, "a", "b", false),
  },
  ["a lost write that happened before its call"] = {
    put(1, 2, "a"), get(3, 4, "b"), put(5, nil, "b"),
  },
  ["a lost write that happened twice"] = {
    put(1, nil, "b"), get(3, 4, "b"), put(5, 6, "c"), get(7, 8, "b"),
  },
  ["a lost cas that happened without its value"] = {
    put(1, 2, "a"), put(3, 4, "c"), cas(5, nil, "a", "b"), get(7, 8, "b"),
  },
}

-- A history as an atomic register with eight clients gives it.
local function random_history(random, count)
  local history, value, time = {}, nil, 0
  for index = 1, count do
    time = time + 1
    local call, ret = time - random:int(0, 40) / 10, time + random:int(0, 40) / 10
    local kind = random:int(1, 5)
    if kind <= 2 then
      history[index] = get(call, ret, value)
    elseif kind == 3 then
      history[index] = cas(call, ret, value, "v" .. index, true)
      value = "v" .. index
    elseif kind == 4 then
      history[index], value = delete(call, ret), nil
    else
      history[index] = put(call, random:int(1, 10) > 1 and ret or nil, "v" .. index)
      value = "v" .. index
    end
  end
  return history
end

describe("torture.linear (K01)", function()
  for name, history in pairs(GOOD) do
    it("accepts " .. name, function()
      assert.is_true(linear.check(history))
    end)
  end

  for name, history in pairs(BAD) do
    it("refuses " .. name, function()
      local ok, where = linear.check(history)
      assert.is_nil(ok)
      assert.truthy(where:find("no order", 1, true))
    end)
  end

  it("accepts random histories of an atomic register #fuzz", function()
    for salt = 1, 20 do
      local ok, where = linear.check(random_history(seed.new(salt), 300))
      assert.is_true(ok, where)
    end
  end)

  it("refuses them once a read answers what was overwritten long before #fuzz", function()
    for salt = 1, 10 do
      local history = random_history(seed.new(salt), 200)
      history[#history + 1] = put(300, 301, "late")
      history[#history + 1] = put(302, 303, "last")
      history[#history + 1] = get(304, 305, "late")
      assert.is_nil((linear.check(history)))
    end
  end)
end)
