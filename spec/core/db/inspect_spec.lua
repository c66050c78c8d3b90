-- loam_inspect(): files in readable form, and one clear error for what it cannot show.
local cdef = require "spec.support.cdef"
local env = require "spec.support.env"
local files = require "spec.support.files"
local lib = require "spec.support.lib"
local store = require "spec.support.db"
local tmpdir = require "spec.support.tmp"

cdef.load("env/env.h")

local function inspect(path)
  return env.out_buffer(function(buffer, err)
    return lib.loam_inspect(path, buffer, err)
  end)
end

local function names_of(dir)
  local names = {}
  for name in assert(io.popen("ls " .. dir)):lines() do
    names[name:match("%.(%w+)$") or name:match("^%u+")] = name
  end
  return names
end

describe("db.inspect", function()
  local dir, names

  before_each(function()
    dir = tmpdir() .. "/db"
    local db = assert(store.open(env.posix()._p, dir))
    local bucket = assert(db:bucket("logs", { create = true, ttl_ms = 1000, merge = 4 }))
    assert(db:put("flushed", "1"))
    assert(db:flush())
    assert(db:put("logged", ("v"):rep(300)))
    assert(db:apply { key = "b", value = "x", bucket = bucket, expire_at_ms = 4102444800123 })
    -- A copy of the files of an open store: closing would flush the log away.
    os.execute(("cp -r %s %s.copy"):format(dir, dir))
    assert(db:close())
    dir = dir .. ".copy"
    names = names_of(dir)
  end)

  after_each(function()
    store.close_all()
    env.close_all()
  end)

  it("shows log, table, manifest and CURRENT", function()
    local log = assert(inspect(dir .. "/" .. names.wal))
    assert.matches("batch at %d+: 1 operations from sequence 2, %d+ bytes", log)
    assert.matches("logged", log)
    assert.matches('put 1/"flushed" = "1"', assert(inspect(dir .. "/" .. names.sst)))
    local manifest = assert(inspect(dir .. "/" .. names.MANIFEST))
    assert.matches("^manifest %d+\n", manifest)
    assert.matches("logs", manifest)
    assert.matches(names.MANIFEST, assert(inspect(dir .. "/CURRENT")), 1, true)
  end)

  -- Error paths of inspect.c

  it("tells what is no file of a store, or not there, or too long a path", function()
    files.write(dir, { ["notes.txt"] = "mine" })
    for path, answer in pairs {
      [dir .. "/notes.txt"] = { "INVALID",
        "notes.txt is no log, table, manifest or CURRENT of a store" },
      [dir .. "/000000000099.sst"] = { "NOT_FOUND", "no file " .. dir .. "/000000000099.sst" },
      [dir .. "/none/CURRENT"] = { "NOT_FOUND", "no file " .. dir .. "/none/CURRENT" },
      [dir .. "/" .. ("x"):rep(50)] = { "INVALID",
        (dir .. "/" .. ("x"):rep(50)):sub(1, 100) .. ": the path is too long" },
      ["/" .. ("d"):rep(5000) .. "/CURRENT"] = { "INVALID",
        "/" .. ("d"):rep(99) .. ": the path is too long" },
    } do
      local text, code, message = inspect(path)
      assert.is_nil(text)
      assert.same(answer, { code, message })
    end
  end)

  it("names file and offset of damage, for each kind of file", function()
    for kind, name in pairs(names) do
      local whole = files.read(dir .. "/" .. name)
      for _, bytes in ipairs { "", whole:sub(1, 20), whole:sub(1, 8) .. "\255" .. whole:sub(10) } do
        files.write(dir, { [name] = bytes })
        local text, code, message = inspect(dir .. "/" .. name)
        if kind ~= "LOCK" then
          assert.is_nil(text, name)
          assert.is_true(code == "CORRUPT" or code == "UNSUPPORTED", name .. " " .. code)
          assert.truthy(message:find(name, 1, true) or message:find("CURRENT", 1, true), message)
        end
      end
      files.write(dir, { [name] = whole })
    end
  end)
end)
