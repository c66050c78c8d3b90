-- File systems of a rig's own: ext4 on a loop file, and a way to cut its power. Needs root and loop
-- devices; mounts.why_not() tells what is missing. mounts.remove_all() unmounts in any state.
local ffi = require "ffi"
local process = require "spec.torture.process"
local shell = require "spec.support.shell"

local SHUTDOWN = 0x8004587d -- EXT4_IOC_SHUTDOWN

local mounts = {}
local mounted = {}

local function must(line)
  local result = shell.script(line)
  if result.status ~= 0 then
    error(("%s: %s%s"):format(line, result.out, result.err), 2)
  end
end

--- Nil when file systems can be made and mounted here, else the reason.
function mounts.why_not()
  if shell.script("[ \"$(id -u)\" = 0 ]").status ~= 0 then
    return "needs root"
  elseif shell.script("command -v mkfs.ext4 && command -v losetup && losetup -f").status ~= 0 then
    return "needs mkfs.ext4 and loop devices"
  end
end

local function remember(point)
  table.insert(mounted, 1, point)
end

--- Makes an empty ext4 of `megabytes` in the file base/img, mounted at base/mnt. Returns that path.
function mounts.ext4(base, megabytes, features)
  must(("mkdir -p %s/mnt && truncate -s %dM %s/img && mkfs.ext4 -q -F %s %s/img"):format(
    base, megabytes, base, features or "", base))
  mounts.attach(base)
  return base .. "/mnt"
end

function mounts.attach(base)
  must(("mount -o loop %s/img %s/mnt"):format(base, base))
  remember(base .. "/mnt")
end

function mounts.detach(base)
  local point = base .. "/mnt"
  process.await("umount of " .. point, 10000, function()
    return shell.script("umount " .. point).status == 0
  end)
  -- Whoever copied the table of mounts meanwhile holds the file system, and mounting it again would
  -- give the one that was shut down. Its loop device goes with the last of them.
  process.await("release of " .. base .. "/img", 10000, function()
    return shell.script(("losetup -j %s/img"):format(base)).out == ""
  end)
  for index, other in ipairs(mounted) do
    if other == point then
      table.remove(mounted, index)
      return
    end
  end
end

--- A tmpfs of `megabytes` at `point`.
function mounts.tmpfs(point, megabytes)
  must(("mkdir -p %s && mount -t tmpfs -o size=%dM tmpfs %s"):format(point, megabytes, point))
  remember(point)
end

--- Cuts the power of the file system at `point`: nothing reaches the disk any more. mode 2 also
--- drops the journal that was not written yet, mode 1 writes it first.
function mounts.power_cut(point, mode)
  local fd = ffi.C.open(point, 0x80000)
  assert(fd >= 0, "cannot open " .. point)
  local rc = ffi.C.ioctl(fd, SHUTDOWN, ffi.new("unsigned[1]", mode))
  ffi.C.close(fd)
  assert(rc == 0, "EXT4_IOC_SHUTDOWN failed on " .. point)
end

function mounts.remove_all()
  for _, point in ipairs(mounted) do
    shell.script("umount -l " .. point)
  end
  mounted = {}
end

return mounts
