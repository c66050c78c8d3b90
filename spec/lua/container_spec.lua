-- A server in a control group of 256 MiB with the default options: it holds its memory, is not
-- killed, and has every acknowledged row (R07).
local json = require "cjson"
local server = require "spec.support.server"
local shell = require "spec.support.shell"

local MIB = 2 ^ 20
local LIMIT, VALUE_BYTES, VALUES = 256 * MIB, MIB, 700

local function read(path)
  local file = io.open(path, "r")
  local text = file and file:read("*a")
  if file then
    file:close()
  end
  return text
end

-- Where a group may be made and the name of its limit; nil: nowhere.
local function place()
  local groups = read("/proc/self/cgroup") or ""
  local own = ("\n" .. groups):match("\n%d+:[^:\n]*memory[^:\n]*:([^\n]*)")
  for _, parent in ipairs { own and own:gsub("/$", "") or "", "" } do
    local version_1 = "/sys/fs/cgroup/memory" .. parent
    if read(version_1 .. "/memory.limit_in_bytes") then
      return version_1, "memory.limit_in_bytes"
    end
  end
  if (read("/sys/fs/cgroup/cgroup.subtree_control") or ""):find("memory") then
    return "/sys/fs/cgroup", "memory.max"
  end
end

-- A group with the limit, or nil.
local function make_group()
  local parent, name = place()
  if not parent then
    return nil
  end
  local group = ("%s/loam-spec-%d"):format(parent, os.time() * 1000 + math.random(999))
  local made = shell.script(("mkdir '%s' && echo %d >'%s/%s'"):format(group, LIMIT, group, name))
  if made.status ~= 0 then
    shell.script(("rmdir '%s'"):format(group))
    return nil
  end
  return group
end

describe("loam serve in a small container", function()
  local group

  after_each(function()
    server.stop_all()
    if group then
      server.wait_for("the end of the group", function()
        return shell.script(("rmdir '%s'"):format(group)).status == 0
      end)
      group = nil
    end
  end)

  it("is not killed under load with its default options (R07) #slow #plain", function()
    group = make_group()
    if not group then
      pending("no control group of memory can be made here")
      return
    end
    local served = server.start {
      environment = ("sh -c 'echo $$ >%s/cgroup.procs && exec \"$@\"' sh"):format(group) }
    local value = {}
    for at = 1, VALUE_BYTES / 16 do
      value[at] = ("%016x"):format(at * 2654435761 % 2 ^ 40)
    end
    value = table.concat(value)

    for at = 1, VALUES do
      local put = served:request("PUT", ("/v1/kv/default/%06d?durability=os"):format(at), value)
      assert.equal(201, put.status)
    end
    local stats = json.decode(served:request("GET", "/v1/admin/stats").body)
    local found = 0
    for at = 1, VALUES, 7 do
      found = found + #served:request("GET", ("/v1/kv/default/%06d"):format(at)).body
    end

    assert.equal(math.ceil(VALUES / 7) * VALUE_BYTES, found)
    assert.is_true(stats.memory_budget_bytes < LIMIT / 2)
    assert.is_not_nil(read(("/proc/%d/cgroup"):format(served.pid)):find("loam-spec-", 1, true))
    local killed = read(group .. "/memory.oom_control") or read(group .. "/memory.events")
    assert.equal("0", killed:match("oom_kill (%d+)"))
    assert.equal(0, served:stop())
  end)
end)
