-- What only the memory driver does; the contract is in env_spec.lua.
local cdef = require "spec.support.cdef"
local env = require "spec.support.env"
local lib = require "spec.support.lib"

cdef.load("base/memory.h")

local OFF = 0xffffffffffffffffULL

describe("env.env_mem", function()
  after_each(function()
    lib.memory_fail_at(OFF, 0)
    env.close_all()
  end)

  it("keeps two envs apart", function()
    local a, b = env.mem(), env.mem()
    assert(a:open("/data", true)):put("x", "1")

    assert.same({ nil, "NOT_FOUND", "" }, { b:open("/data", false) })
  end)

  it("knows one directory by its path with or without a slash at the end", function()
    local files = env.mem()
    assert(files:open("data/", true)):put("x", "1")

    assert.equal("1", assert(files:open("data", false)):get("x"))
  end)

  it("counts open handles", function()
    local files = env.mem()
    local dir = assert(files:open("/data", true))
    local file = assert(dir:create("x"))

    assert.equal(2, tonumber(lib.env_mem_handle_count(files._p)))
    file:close()
    dir:close()

    assert.equal(0, tonumber(lib.env_mem_handle_count(files._p)))
  end)

  it("lives until its last handle is closed", function()
    local files = env.mem()
    local dir = assert(files:open("/data", true))
    dir:put("x", "1")
    local file = assert(dir:open_read("x"))

    files:close()
    dir:close()

    assert.equal("1", file:read(0, 10))
    assert(file:close())
  end)

  it("keeps a removed directory for those who have it open", function()
    local files = env.mem()
    local dir = assert(files:open("/data", true))
    assert(files:remove_dir("/data"))

    assert.equal("IO", (select(2, dir:create("x"))))
    assert.equal("", dir:names())
  end)

  it("refuses a link into another memory env", function()
    local a = assert(env.mem():open("/data", true))
    local b = assert(env.mem():open("/data", true))
    a:put("x", "1")

    assert.equal("UNSUPPORTED", (select(2, a:link("x", b, "x"))))
  end)

  it("answers NO_MEMORY at every allocation and stays as it was", function()
    local files = env.mem()
    local dir = assert(files:open("/data", true))

    for after = 0, 20 do
      lib.memory_fail_at(after, 1)
      local file, code = dir:create("x")
      local ok = file and file:write(0, "bytes") and dir:names()
      lib.memory_fail_at(OFF, 0)
      if file then
        file:close()
      else
        assert.equal("NO_MEMORY", code)
        assert.equal("", dir:names())
      end
      if ok then
        assert.equal("bytes", dir:get("x"))
        return
      end
      if file then
        assert(dir:remove("x"))
      end
    end
    assert.is_true(false, "20 allocations are more than these calls make")
  end)
end)
