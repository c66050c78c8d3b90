-- Power cuts of a real ext4: a process writes, the file system under it is shut down without
-- writing its journal, the image is mounted again. What was acknowledged as synced before the cut
-- began is there, and what is there is a prefix. Acknowledgements that race the cut are counted and
-- not judged: fdatasync on an ext4 that is just being shut down returns 0 for data that is gone,
-- also to a program that does nothing else than write and sync.
-- Cases: C03 C04 C18.
local mounts = require "spec.torture.mounts"
local process = require "spec.torture.process"
local real_store = require "spec.torture.real_store"
local steps = require "spec.torture.steps"
local tmpdir = require "spec.support.tmp"

local CUTS = 12
local STEPS_MAX = 100000

local rig = { seconds = 300, about = "power cuts of a real ext4 under a writing process (root)" }

local function cut(context, base, number, from)
  local random, progress = context.random, base .. "/progress" .. number
  local child = real_store.write(base .. "/mnt/db", progress, from, from + STEPS_MAX,
    random:pick { 1, 3, 20, 100 })
  process.sleep_ms(random:int(1, random:pick { 40, 300, 900 }))
  local before = steps.read(progress, from)
  mounts.power_cut(base .. "/mnt", random:pick { 2, 2, 1 })
  child:kill(9)
  child:wait(20000)
  mounts.detach(base)
  mounts.attach(base)
  local told = steps.read(progress, from) -- Opening may fail: the power may be gone by then.
  local what = ("cut %d, steps %d.., synced before it %d, synced %d, acknowledged %d, attempted %d")
    :format(number, from, before.synced, told.synced, told.acked, told.attempted)
  local recovered = real_store.verify(base .. "/mnt/db", before.synced, told.attempted, what)
  context:count "power cuts of ext4"
  context:count("synced steps before a cut", before.synced - from + 1)
  context:count("steps synced during a cut", told.synced - before.synced)
  context:count("steps synced during a cut and taken by it",
    math.max(0, told.synced - recovered))
  context:count("acknowledged steps that a cut took, none synced", told.acked - math.min(
    recovered, told.acked))
  return recovered + 1
end

function rig.round(context)
  local reason = mounts.why_not()
  if reason then
    context:skip(reason)
  end
  local base, from = tmpdir(), 1
  mounts.ext4(base, 128)
  local ok, problem = pcall(function()
    for number = 1, CUTS do
      from = cut(context, base, number, from)
    end
  end)
  mounts.remove_all()
  if not ok then
    error(problem, 0)
  end
end

return rig
