-- kill -9 of a process that writes: everything acknowledged is there afterwards, batches are whole.
-- Some kills hit while the store is being opened, that is, in recovery.
-- Cases: C01 C02 C18.
local process = require "spec.torture.process"
local real_store = require "spec.torture.real_store"
local tmpdir = require "spec.support.tmp"

local KILLS = 40
local STEPS_MAX = 100000

local rig = { seconds = 300, about = "kill -9 of a writing process, again and again on one store" }

function rig.round(context)
  local random, base, from = context.random, tmpdir(), 1
  local dir = base .. "/db"
  for number = 1, KILLS do
    local progress = base .. "/progress" .. number
    local sync_every = random:pick { 1, 7, 100, 1000 }
    local child = real_store.write(dir, progress, from, from + STEPS_MAX, sync_every)
    process.sleep_ms(random:int(1, random:pick { 30, 200, 600 }))
    child:kill(9)
    child:wait(10000)
    local told = real_store.told(progress, from)
    context:count(told.is_open and "kill -9 of a writer" or "kill -9 of a writer while opening")
    -- What is in the kernel survives a kill: acknowledged is enough, synced is not asked for.
    local what = ("kill %d, steps %d.., acknowledged %d"):format(number, from, told.acked)
    local recovered = real_store.verify(dir, told.acked, told.attempted, what)
    context:count("steps acknowledged before a kill", told.acked - from + 1)
    from = recovered + 1
  end
end

return rig
