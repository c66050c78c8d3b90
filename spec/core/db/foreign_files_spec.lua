-- Files that verify and yet make no sense, or are not there when they are needed; options and calls
-- that ask for what cannot be. Each is one clear error, and nothing is written.
local admin = require "spec.support.admin"
local env = require "spec.support.env"
local fault = require "spec.support.fault"
local ffi = require "ffi"
local lib = require "spec.support.lib"
local manifest = require "spec.support.manifest"
local store = require "spec.support.db"
local tmpdir = require "spec.support.tmp"
local wal = require "spec.support.wal"

ffi.cdef [[
  int getrlimit(int resource, uint64_t *limits);
  int setrlimit(int resource, const uint64_t *limits);
]]

local RLIMIT_NOFILE = 7

local function first_table(files)
  return files:list("/db"):match "(%d+%.sst) "
end

describe("db", function()
  local files

  before_each(function()
    files = fault.new(1)
  end)

  after_each(function()
    store.close_all()
    env.close_all()
  end)

  -- A store that was made by hand: its manifest names these logs.
  local function made(logs)
    local dir = assert(files:open("/db", true))
    manifest.write(dir, 5, { {
      next_file = 1000, last_seq = 0, next_bucket = 2, logs_added = logs,
      buckets_added = { { id = 1, name = "default" } },
    } })
    assert(manifest.set_current(dir, 5))
    return dir
  end

  describe("with a log whose operations cannot be decoded", function()
    local name = wal.name(7)

    local function write_log(dir, payload)
      local log = assert(wal.create(dir, 7))
      log:commit(1, payload)
      assert(log:close())
    end

    it("does not open, and says where", function()
      local dir = made { 7 }
      write_log(dir, "\15junk")
      dir:close()

      local db, code, text = store.open(files._p, "/db")

      assert.is_nil(db)
      assert.equal("CORRUPT", code)
      assert.matches(name .. ":96: operation cannot be decoded", text, 1, true)
      assert.truthy(files:list("/db"):find(name, 1, true))
    end)

    it("inspects it up to there", function()
      local path = tmpdir()
      local dir = assert(env.posix():open(path, true))
      write_log(dir, "\15junk")

      local text, code, message = env.out_buffer(function(buffer, err)
        return lib.loam_inspect(path .. "/" .. name, buffer, err)
      end)

      assert.is_nil(text)
      assert.same({ "CORRUPT", name .. ":96: operation cannot be decoded" }, { code, message })
    end)

    it("tells it in a check, when the log changes under an open store", function()
      local db = assert(store.open(files._p, "/db"))
      assert(db:put("a", "1"))
      local live = files:list("/db"):match "(%d+)%.wal "
      local bytes = assert(files:read_file("/db", wal.name(tonumber(live))))
      local forged = wal.record { number = tonumber(live), offset = 96, type = 1, count = 1,
        first_seq = 1, payload = "\15junk", uuid = bytes:sub(33, 48) }
      assert(files:write_file("/db", wal.name(tonumber(live)), bytes:sub(1, 96) .. forged))

      local report, code, text = db:check()

      assert.is_nil(report)
      assert.equal("CORRUPT", code)
      assert.matches(":96: operation cannot be decoded", text, 1, true)
    end)
  end)

  it("does not open with more logs than there can be", function()
    local logs = {}
    for at = 1, 70 do
      logs[at] = 100 + at
    end
    made(logs):close()

    local db, code, text = store.open(files._p, "/db")

    assert.is_nil(db)
    assert.equal("CORRUPT", code)
    assert.matches("the manifest names 70 logs; at most 64 are possible", text, 1, true)
  end)

  it("tells a CURRENT that names another manifest than its own", function()
    local db = assert(store.open(files._p, "/db"))
    local dir = assert(files:open("/db", false))
    assert(manifest.set_current(dir, 999))
    dir:close()

    local report, code, text = db:check()

    assert.is_nil(report)
    assert.equal("CORRUPT", code)
    assert.matches("CURRENT names manifest 999, not %d+", text)
  end)

  describe("with a table that is missing or cut", function()
    local db

    before_each(function()
      db = assert(store.open(files._p, "/db"))
      for at = 1, 200 do
        assert(db:put("k" .. at, ("v"):rep(100)))
      end
      assert(db:flush())
    end)

    it("names it: scrub, checkpoint and backup", function()
      local name = first_table(files)
      assert(files:truncate("/db", name, 1000))
      local scrub = admin.scrub(db)
      assert.equal("CORRUPT", scrub.code)
      assert.matches(name .. " at offset 1000: the file ends there", scrub.text, 1, true)
      local _, code, text = admin.backup(db, "/backup")
      assert.equal("CORRUPT", code)
      assert.matches(name, text, 1, true)
      assert.same({}, assert(admin.backups(files._p, "/backup")))

      assert(files:remove_file("/db", name))
      scrub = admin.scrub(db)
      assert.equal("CORRUPT", scrub.code)
      assert.matches(name .. ": is missing", scrub.text, 1, true)
      _, code, text = admin.checkpoint(db, "/copy")
      assert.equal("NOT_FOUND", code)
      assert.matches(name .. " is missing", text, 1, true)
      assert.is_nil(files:list "/copy")
    end)
  end)

  it("refuses options that another library has made", function()
    local err, out, given = ffi.new("loam_error"), ffi.new("loam_db *[1]"), ffi.new("loam_options")
    lib.loam_options_init(given)
    given.struct_size = given.struct_size - 8

    local ok, code, text = env.answer(lib.db_open(files._p, "/db", given, out, err), err)

    assert.is_nil(ok)
    assert.same({ "INVALID", "options were not made by loam_options_init() of this library" },
      { code, text })
  end)

  it("refuses more keys than one call can answer, before it looks at them", function()
    local db = assert(store.open(files._p, "/db"))
    local buffer = ffi.new("loam_buffer")

    local rc = lib.loam_mget(db._p, 1, nil, 2 ^ 31, nil, nil, buffer, db._err)

    assert.equal(lib.LOAM_TOO_LARGE, rc)
    assert.equal("2147483648 keys are too many for one call", ffi.string(db._err.text))
  end)

  it("opens no completion queue without a descriptor", function()
    local db = assert(store.open(files._p, "/db"))
    local limits, none = ffi.new("uint64_t[2]"), ffi.new("uint64_t[2]")
    ffi.C.getrlimit(RLIMIT_NOFILE, limits)
    none[1] = limits[1]
    local out = ffi.new("loam_completions *[1]")

    ffi.C.setrlimit(RLIMIT_NOFILE, none)
    local rc = lib.loam_completions_open(db._p, out, db._err)
    ffi.C.setrlimit(RLIMIT_NOFILE, limits)

    assert.equal(lib.LOAM_IO, rc)
    assert.equal("eventfd: Too many open files", ffi.string(db._err.text))
    assert(db:close())
  end)
end)
