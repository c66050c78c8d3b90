-- What control groups allow, from files of both versions.
local cdef = require "spec.support.cdef"
local files = require "spec.support.files"
local lib = require "spec.support.lib"
local tmpdir = require "spec.support.tmp"

cdef.load("env/memory_limit.h")

local NONE = 0xffffffffffffffffULL

-- The limit of a process whose list of groups is `list`, with the files given by path.
local function limit_of(list, given)
  local dir = tmpdir()
  for path, text in pairs(given) do
    files.write(dir, { ["mount/" .. path] = text })
  end
  files.write(dir, { list = list })
  local limit = lib.memory_limit_read(dir .. "/list", dir .. "/mount")
  return limit ~= NONE and tonumber(limit) or nil
end

describe("env.memory_limit", function()
  it("is the least of the groups of version 2, from the own one upwards", function()
    local list = "0::/a/b\n"
    assert.equal(3000, limit_of(list, { ["a/b/memory.max"] = "max\n",
      ["a/memory.max"] = "3000\n" }))
    assert.equal(2000, limit_of(list, { ["a/b/memory.max"] = "2000\n",
      ["a/memory.max"] = "3000\n" }))
    assert.equal(1000, limit_of("0::/\n", { ["memory.max"] = "1000\n" }))
  end)

  it("is the one of the memory controller in version 1", function()
    local list = "9:name=systemd:/x\n4:cpu,memory:/a/b\n3:memoryless:/a\n0::/\n"
    local none = "9223372036854771712\n"
    assert.equal(4096, limit_of(list, { ["memory/a/b/memory.limit_in_bytes"] = "4096\n",
      ["memory/a/memory.limit_in_bytes"] = none, ["memory/memory.limit_in_bytes"] = none }))
    assert.is_nil(limit_of(list, { ["memory/a/b/memory.limit_in_bytes"] = none }))
  end)

  it("is that of the nearest group to be seen, as in a container", function()
    assert.equal(500, limit_of("4:memory:/docker/1234\n", {
      ["memory/memory.limit_in_bytes"] = "500\n" }))
  end)

  it("is none where files are missing or make no sense", function()
    assert.is_nil(limit_of("0::/a\n", {}))
    assert.is_nil(limit_of("", {}))
    assert.is_nil(limit_of("nonsense\n:\n::\n4:memory\n", { ["memory.max"] = "0\n" }))
    assert.is_nil(limit_of("0::/\n", { ["memory.max"] = "-5\n" }))
    assert.is_nil(limit_of("0::/\n", { ["memory.max"] = "99999999999999999999999\n" }))
    assert.equal(NONE, lib.memory_limit_read("/nonexistent", "/nonexistent"))
  end)

  it("is at most what the machine has", function()
    assert.is_true(lib.memory_limit() > 0)
    assert.is_true(lib.memory_limit() < NONE)
  end)
end)
