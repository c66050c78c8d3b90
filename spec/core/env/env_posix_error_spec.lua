-- System calls of the posix driver that fail on a healthy file system: each is one error that names
-- the file or directory, and no descriptor stays open.
local env = require "spec.support.env"
local ffi = require "ffi"
local tmpdir = require "spec.support.tmp"

ffi.cdef [[
  int getrlimit(int resource, uint64_t *limits);
  int setrlimit(int resource, const uint64_t *limits);
  int dup(int fd);
  int close(int fd);
]]

local RLIMIT_NOFILE = 7

describe("env.env_posix, error paths", function()
  local files, root, dir

  before_each(function()
    files, root = env.posix(), tmpdir()
    dir = assert(files:open(root, false))
  end)

  after_each(function()
    env.close_all()
  end)

  -- The lowest number that is free: one that stays open would take it.
  local function free_descriptor()
    collectgarbage() -- Files that nobody closed go now, not in between.
    collectgarbage()
    local fd = ffi.C.dup(1)
    ffi.C.close(fd)
    return fd
  end

  -- Calls while no descriptor can be opened; expects IO or BUSY and nothing left open.
  local function without_descriptors(call)
    local limits, none = ffi.new("uint64_t[2]"), ffi.new("uint64_t[2]")
    ffi.C.getrlimit(RLIMIT_NOFILE, limits)
    none[1] = limits[1]
    local before = free_descriptor()
    ffi.C.setrlimit(RLIMIT_NOFILE, none)
    local ok, code, text = call()
    ffi.C.setrlimit(RLIMIT_NOFILE, limits)
    assert.is_nil(ok)
    assert.equal(before, free_descriptor(), text)
    return code, text
  end

  it("says that there is no descriptor, for each call that needs one", function()
    dir:put("a", "1")
    for name, call in pairs {
      ["create"] = function() return dir:create("b") end,
      ["open_read"] = function() return dir:open_read("a") end,
      ["list"] = function() return dir:names() end,
      ["lock"] = function() return dir:lock() end,
      ["open"] = function() return files:open(root, false) end,
    } do
      local code, text = without_descriptors(call)
      assert.equal("IO", code, name)
      assert.matches("Too many open files", text, 1, true)
    end
    assert(dir:lock())
  end)

  it("refuses to take a directory for a file", function()
    os.execute(("mkdir '%s/LOCK' '%s/a.sst'"):format(root, root))

    local _, code, text = dir:lock()
    assert.equal("IO", code)
    assert.matches("cannot open lock file LOCK in ", text, 1, true)
    local file = dir:open_read("a.sst")
    if file then
      _, code, text = file:read(0, 10)
      assert.equal("IO", code)
      assert.matches("cannot read a.sst at offset 0", text, 1, true)
    end
  end)

  it("tells a lock whose holder has left no number", function()
    assert(dir:lock())
    assert(io.open(root .. "/LOCK", "w")):close() -- Empties it; the lock stays.
    local other = assert(io.popen(("luajit -e \"package.path='%s'\" -e \"%s\" 2>&1"):format(
      package.path:gsub("\n", ""), [[
        local env = require 'spec.support.env'
        local dir = assert(env.posix():open(']] .. root .. [[', false))
        print(select(2, dir:lock()), select(3, dir:lock()))]])))
    local text = other:read("*a")
    other:close()

    assert.equal(("BUSY\t%s is locked by another process\n"):format(root), text)
  end)
end)
