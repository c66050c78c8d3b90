-- A process that writes the steps of spec/support/crash.lua through the module kv and tells outside
-- of the store how far it is:
--
--     luajit spec/torture/writer.lua ROOT DIR PROGRESS FROM TO SYNC_EVERY
--
-- Lines of PROGRESS: "t N" before step N, "a N" once it is acknowledged, "s N" once it is
-- acknowledged as synced, "f N CODE" when it failed, "o" when the store is open, "c" when closed.
-- TORTURE_FINISH=1 flushes and compacts at the end.
-- TORTURE_GATE=file: once the store is open, nothing is written before that file is there.
-- TORTURE_FILL=bytes also writes that much per step to a bucket of its own, to fill a disk.
local root, dir, progress_path, first, last, sync_every = unpack(arg)
for _, pattern in ipairs { "?.lua", "bindings/?/init.lua", "bindings/?.lua" } do
  package.path = root .. "/" .. pattern .. ";" .. package.path
end
-- The library that ships; LOAM_BUILD_DIR chooses another build.
local paths = require "spec.support.paths"
package.preload["kv.native"] = function()
  return { library = paths.build .. "/libloam.so" }
end
local kv = require "kv"
local process = require "spec.torture.process"
local steps = require "spec.torture.steps"

local progress = assert(io.open(progress_path, "a"))
progress:setvbuf("no")

-- One write per line: a kill leaves a line or none.
local function tell(word, number, code)
  progress:write(word .. (number and " " .. number or "") .. (code and " " .. code or "") .. "\n")
end

local db, failure = kv.open(dir, steps.KV_OPTIONS)
if not db then
  tell("x", 0, tostring(failure))
  os.exit(3)
end
tell "o"

local gate = os.getenv "TORTURE_GATE"
while gate and not io.open(gate, "r") do
  process.sleep_ms(1)
end

-- Bytes that do not compress.
local function noise(size)
  local words = {}
  for index = 1, size / 8 do
    words[index] = ("%08x"):format(math.random(0, 2 ^ 32 - 1))
  end
  return table.concat(words)
end

local fill_bytes = tonumber(os.getenv "TORTURE_FILL" or "0")
local fill = fill_bytes > 0 and assert(db:bucket("fill", { create = true }))
local filler = noise(fill_bytes)

local function write(i, durability)
  return db:batch(function(w)
    if fill then
      w:bucket "fill":put("f" .. i, filler)
    end
    for _, op in ipairs(steps.step(i)) do
      if op.kind == "delete" then
        w:delete(op.key)
      else
        w:put(op.key, op.value)
      end
    end
  end, { durability = durability, deadline_ms = 5000 })
end

-- Returns false when the step failed. A failed flush or compaction is not the end: the log has it.
local function step(i)
  local is_sync = i % tonumber(sync_every) == 0
  tell("t", i)
  local seq, _, code = write(i, is_sync and "sync" or "os")
  if not seq then
    tell("f", i, code)
    return false
  end
  tell(is_sync and "s" or "a", i)
  if i % 97 == 0 then
    db:flush()
  end
  if i % 331 == 0 then
    db:compact()
  end
  return true
end

for i = tonumber(first), tonumber(last) do
  if not step(i) then
    break
  end
end
if os.getenv "TORTURE_FINISH" then
  db:flush()
  db:compact()
end
-- A second write after the first failure: the store has to refuse it.
-- It deletes what was never there, so that it changes nothing when it is taken.
local ok, _, code = db:delete("after", { deadline_ms = 1000 })
tell(ok and "w" or "r", 0, code)
db:close()
tell "c"
