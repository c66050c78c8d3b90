-- Loops of kv, for spec/instructions_spec.lua to count their instructions under callgrind.
--
--     luajit spec/bench/instructions_kv.lua LIBRARY DIRECTORY
--
-- Each loop runs once to be compiled and once to be counted: between two calls of loam_code_text(),
-- which nothing else calls here, and before which callgrind writes down what it has counted. Prints
-- "NAME COUNT" for each. get() is not among them: how often the collector comes is not the same in
-- any two runs.
local library, dir = ...
package.path = "bindings/?.lua;bindings/?/init.lua;" .. package.path
package.preload["kv.native"] = function() return { library = library } end

local kv = require "kv"
local lib = require "kv.lib"
local string_buffer = require "string.buffer"

local ROWS, OPS = 12000, 4000
local db = assert(kv.open(dir .. "/kv", { durability = "os" }))
local bytes, buffer = 0, string_buffer.new()
local keys, value = {}, ("v"):rep(100)
for index = 1, ROWS do
  db:put(("%016d"):format(index), value)
end
for index = 1, OPS do
  keys[index] = ("%016d"):format(index * 7919 % ROWS + 1)
end
assert(db:flush())
assert(db:compact():wait())

local function run(name, loop)
  loop()
  collectgarbage()
  lib.C.loam_code_text(0)
  local count = loop()
  lib.C.loam_code_text(0)
  print(name .. " " .. count)
end

run("kv_get_into", function()
  for index = 1, OPS do
    buffer:reset()
    bytes = bytes + db:get_into(keys[index], buffer)
  end
  return OPS
end)
run("kv_scan_row", function()
  for row in db:scan { rows = true } do
    bytes = bytes + (row:key_size() + row:value_size())
  end
  return ROWS
end)
run("kv_put", function()
  for index = 1, OPS do
    db:put(keys[index], value)
  end
  return OPS
end)
db:close()
