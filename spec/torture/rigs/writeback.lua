-- Real writeback errors: ext4 on a loop file on a tmpfs that is too small for it. Writes succeed,
-- the first sync that has no room says so, later ones succeed although the data is gone. After the
-- first failing sync the store refuses writes; reopening shows all that was acknowledged as synced.
-- Cases: D03 R02.
local mounts = require "spec.torture.mounts"
local real_store = require "spec.torture.real_store"
local shell = require "spec.support.shell"
local tmpdir = require "spec.support.tmp"

local STEPS_MAX = 200000

local rig = { seconds = 300, about = "real writeback errors: the disk under ext4 is full (root)" }

local function run(context, base)
  local random = context.random
  local room = random:int(8, 16)
  mounts.tmpfs(base .. "/small", room)
  local features = random:pick { "-b 4096 -O ^has_journal", "-b 4096" }
  local point = mounts.ext4(base .. "/small", 64, features)
  -- The loop driver takes a request of which only a part found room for a success, which no store
  -- can see: so a request is one page, and finds room or not.
  assert(shell.script(("echo 4 > /sys/block/$(basename $(losetup -j %s/small/img -O NAME -n))"
    .. "/queue/max_sectors_kb"):format(base)).status == 0)
  local progress, from = base .. "/progress", 1
  -- Filler that nobody overwrites brings the failure within a few seconds.
  local fill = "TORTURE_FILL=" .. random:pick { 800, 4000, 20000 }
  local child = real_store.write(point .. "/db", progress, from, STEPS_MAX,
    random:pick { 1, 5, 30 }, { "env", fill })
  child:wait(200000)
  local told = real_store.told(progress, from)
  if not told.failed then
    error(("room %d MB: no write failed: the rig is broken"):format(room))
  end
  -- NO_SPACE and IO say "not committed", and a later write may find room.
  local is_finished = told.failed == "UNKNOWN_OUTCOME" or told.failed == "READ_ONLY"
  if is_finished and told.wrote_after then
    error("a write after the failed one was acknowledged; the first answered " .. told.failed)
  end
  context:count("first failing call answered " .. told.failed)
  context:count("write after it answered " .. tostring(told.refused))
  -- Room again, as an operator would make it; what the cache says and the disk has not is dropped.
  assert(shell.script(("mount -o remount,size=200M tmpfs %s/small"):format(base)).status == 0)
  mounts.detach(base .. "/small")
  -- Metadata whose write failed is repaired as after any unclean end: else a block could be given
  -- to two files.
  shell.script(("e2fsck -fy %s/small/img"):format(base))
  mounts.attach(base .. "/small")
  local what = ("%s, room %d MB, synced %d, acknowledged %d"):format(
    features, room, told.synced, told.acked)
  real_store.verify(point .. "/db", told.synced, told.attempted, what)
  context:count "writeback failures survived"
  context:count("synced steps before a writeback failure", told.synced)
end

function rig.round(context)
  local reason = mounts.why_not()
  if reason then
    context:skip(reason)
  end
  local ok, problem = pcall(run, context, tmpdir())
  mounts.remove_all()
  if not ok then
    error(problem, 0)
  end
end

return rig
