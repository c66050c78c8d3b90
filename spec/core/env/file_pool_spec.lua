local cdef = require "spec.support.cdef"
local env = require "spec.support.env"
local fault = require "spec.support.fault"
local ffi = require "ffi"
local lib = require "spec.support.lib"
local store = require "spec.support.db"

cdef.load("env/file_pool.h")

local EMFILE = 24

describe("env.file_pool", function()
  local files, dir, pool, opened

  before_each(function()
    files = fault.new(1)
    dir = assert(files:open("/d", true))
    for i = 1, 8 do
      dir:put("f" .. i, "text " .. i)
    end
    pool, opened = lib.file_pool_new(dir._p, 3), {}
  end)

  after_each(function()
    for _, file in pairs(opened) do
      lib.env_close(file, nil)
    end
    lib.file_pool_free(pool)
    store.close_all()
    env.close_all()
  end)

  local function open(name)
    local out, err = ffi.new("struct env_file *[1]"), ffi.new("struct loam_error")
    local rc = lib.env_open_read(lib.file_pool_dir(pool), name, out, err)
    if rc ~= 0 then
      return nil, ffi.string(lib.loam_code_name(rc)), ffi.string(err.text)
    end
    opened[name] = out[0]
    return out[0]
  end

  local function read(file)
    local data, got = ffi.new("char[64]"), ffi.new("size_t[1]")
    local err = ffi.new("struct loam_error")
    local rc = lib.env_read(file, 0, data, 64, got, err)
    if rc ~= 0 then
      return nil, ffi.string(lib.loam_code_name(rc)), ffi.string(err.text)
    end
    return ffi.string(data, got[0])
  end

  it("reads any number of files with few descriptors", function()
    for i = 1, 8 do
      assert(open("f" .. i))
    end
    for _ = 1, 3 do
      for i = 1, 8 do
        assert.equal("text " .. i, read(opened["f" .. i]))
      end
    end

    assert.equal(3, tonumber(lib.file_pool_open_count(pool)))
  end)

  it("keeps the files that were used last open", function()
    local a, b = assert(open "f1"), assert(open "f2")
    assert(open "f3")
    read(a)
    assert(open "f4") -- f2 was unused for longest.
    files:fail { kind = "open_read", name = "f2", times = "forever" }

    assert.equal("text 1", read(a))
    local _, code, text = read(b)
    assert.equal("IO", code)
    assert.truthy(text:find("f2", 1, true))
    files:clear()
    assert.equal("text 2", read(b))
  end)

  it("makes do with fewer when the system has none left (D12)", function()
    local a, b = assert(open "f1"), assert(open "f2")
    files:fail { kind = "open_read", name = "f3", times = 1, errno = EMFILE }
    local c = assert(open "f3")

    assert.equal(2, tonumber(lib.file_pool_open_count(pool)))
    assert.equal("text 3", read(c))
    assert.equal("text 1", read(a))
    assert.equal("text 2", read(b))
  end)

  it("passes on what is wrong with a name", function()
    local _, code = open "absent"
    assert.equal("NOT_FOUND", code)
  end)

  it("serves a store of many tables with few descriptors (D12)", function()
    local db = assert(store.open(files._p, "/db",
      { memtable_bytes = 65536, table_bytes = 65536, max_open_files = 16, compression = 0 }))
    for i = 1, 4000 do
      assert(db:put(("k%05d"):format(i), ("v"):rep(500), { durability = "os" }))
    end
    assert(db:compact())
    assert.is_true(tonumber(lib.loam_tables(db._p, nil, 0)) > 16)
    assert.equal(4000, db:count())
    for i = 1, 4000, 37 do
      assert.equal(("v"):rep(500), db:get(("k%05d"):format(i)))
    end
    assert.is_true(files:handle_count() <= 16 + 4, "tables, log, manifest, lock")
    assert(db:close())
  end)
end)
