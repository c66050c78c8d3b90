-- Runs hot loops of kv and prints what the compiler made of each, for
-- spec/bindings/kv/traces_spec.lua:
--
--     luajit spec/support/kv_traces.lua LIBRARY DIRECTORY
--
-- One line per loop: its name, the traces made, the aborts that say "this cannot be compiled", and
-- the kilobytes the loop allocated. Leaving a loop while recording, or meeting an inner one (also
-- one that turns too often to be unrolled), is no such abort: the compiler then starts elsewhere. A
-- process of its own, since a loop that once failed stays marked.
local library, dir = ...
package.path = "bindings/?.lua;bindings/?/init.lua;" .. package.path
package.preload["kv.native"] = function() return { library = library } end

local jit_util = require "jit.util"
local kv = require "kv"
local string_buffer = require "string.buffer"
local vmdef = require "jit.vmdef"

local HARMLESS = {
  ["leaving loop in root trace"] = true,
  ["inner loop in root trace"] = true,
  ["loop unroll limit reached"] = true,
}
local aborts, traces

local function watch(what, _, func, pc, number)
  if what == "stop" then
    traces = traces + 1
  elseif what == "abort" then
    local text = vmdef.traceerr[number]
    if not HARMLESS[text] then
      aborts[#aborts + 1] = text .. " at " .. jit_util.funcinfo(func, pc).loc
    end
  end
end

local function run(name, loop)
  jit.flush()
  aborts, traces = {}, 0
  collectgarbage()
  collectgarbage("stop")
  local before = collectgarbage("count")
  jit.attach(watch, "trace")
  loop()
  jit.attach(watch)
  local grown = collectgarbage("count") - before
  collectgarbage("restart")
  io.write(("%s\t%d\t%d\t%.0f\t%s\n"):format(name, traces, #aborts, grown,
    table.concat(aborts, ", ")))
end

local db = assert(kv.use(kv.open(dir .. "/db", { durability = "os" })))
local bucket = assert(db:bucket("b", { create = true }))
local COUNT, ROUNDS = 1000, 20
local keys = {}
for index = 1, COUNT do
  keys[index] = ("key%05d"):format(index)
end

-- A buffer is looked at once, in a way that is not compiled. The compiler may begin with any call:
-- it counts turns by address, and different places can share a counter.
local bytes = string_buffer.new()
jit.off()
db:put(keys[1], "value")
db:get_into(keys[1], bytes)
jit.on()

-- Calls fn(key) for each key, ROUNDS times. Each loop is written out: a shared one would be one
-- trace.
local total = 0
run("db:put", function()
  for index = 1, COUNT * 3 do
    db:put(keys[index % COUNT + 1], "value")
  end
end)
run("db:get", function()
  for index = 1, COUNT * ROUNDS do
    total = total + #db:get(keys[index % COUNT + 1])
  end
end)
run("kv.get", function()
  for index = 1, COUNT * ROUNDS do
    total = total + #kv.get(keys[index % COUNT + 1])
  end
end)
run("kv.put", function()
  for index = 1, COUNT * 3 do
    kv.put(keys[index % COUNT + 1], "value")
  end
end)
run("bucket:put", function()
  for index = 1, COUNT * 3 do
    bucket:put(keys[index % COUNT + 1], "value")
  end
end)
run("bucket:get", function()
  for index = 1, COUNT * ROUNDS do
    total = total + #bucket:get(keys[index % COUNT + 1])
  end
end)
run("db:exists", function()
  for index = 1, COUNT * ROUNDS do
    total = total + (db:exists(keys[index % COUNT + 1]) and 1 or 0)
  end
end)
run("db:incr", function()
  for _ = 1, COUNT * 3 do
    total = total + db:incr("number", 1, 0)
  end
end)
run("db:put with TTL", function()
  for index = 1, COUNT * 3 do
    db:put(keys[index % COUNT + 1], "value", 60)
  end
end)
run("batch:put", function()
  local w = db:batch()
  for index = 1, COUNT * 3 do
    w:put(keys[index % COUNT + 1], "value")
  end
  w:close()
end)
run("db:scan", function()
  for _ = 1, ROUNDS do
    for key, value in db:scan({ prefix = "key" }) do
      total = total + #key + #value
    end
  end
end)
run("db:scan keys_only", function()
  for _ = 1, ROUNDS do
    for key in db:scan({ prefix = "key", keys_only = true }) do
      total = total + #key
    end
  end
end)
run("db:scan rows", function()
  for _ = 1, ROUNDS do
    for row in db:scan({ prefix = "key", rows = true }) do
      bytes:reset()
      total = total + row:key_size() + row:value_size() + row:value_into(bytes)
    end
  end
end)
run("db:get_into", function()
  for index = 1, COUNT * ROUNDS do
    bytes:reset()
    total = total + db:get_into(keys[index % COUNT + 1], bytes)
  end
end)
run("bucket:delete", function()
  for index = 1, COUNT * 3 do
    bucket:delete(keys[index % COUNT + 1])
  end
end)
db:close()
