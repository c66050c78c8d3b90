-- The text of a backup: what is refused though its hash is right, as by another version, and what
-- the calls on a directory of backups answer when something is not there.
local admin = require "spec.support.admin"
local cdef = require "spec.support.cdef"
local crash = require "spec.support.crash"
local env = require "spec.support.env"
local fault = require "spec.support.fault"
local ffi = require "ffi"
local lib = require "spec.support.lib"
local store = require "spec.support.db"

cdef.load("base/checksum.h")

local TEXT = "backup-000000000001.txt"

describe("db.backup_text", function()
  local files, good

  before_each(function()
    files = fault.new(1)
    local db = assert(crash.open(files))
    assert(db:put("a", "1"))
    assert(admin.backup(db, "/backup"))
    assert(db:close())
    good = assert(files:read_file("/backup", TEXT))
  end)

  after_each(function()
    store.close_all()
    env.close_all()
  end)

  -- Puts a text in place of the good one, with the hash that belongs to it.
  local function write(lines)
    local hash = ffi.cast("uint64_t", lib.checksum_64(lines, #lines, 0))
    local text = lines .. ("end %s\n"):format(bit.tohex(hash, 16))
    assert(files:write_file("/backup", TEXT, text))
  end

  local function replaced(from, to)
    local body = good:match("^(.*)end %x+\n$")
    local result, count = body:gsub(from, to, 1)
    assert.equal(1, count, from)
    return result
  end

  local function refusal(call)
    local ok, code, text = call()
    assert.is_false(not not ok)
    return { code, text }
  end

  local function restore(id)
    return refusal(function() return admin.restore(files._p, "/backup", "/copy", id) end)
  end

  it("is taken as it was written", function()
    write(good:match("^(.*)end %x+\n$"))

    assert.equal(good, files:read_file("/backup", TEXT))
    assert(admin.restore(files._p, "/backup", "/copy"))
  end)

  it("of a later format is refused, by number", function()
    write(replaced("loam%-backup 1", "loam-backup 2"))

    assert.same({ "UNSUPPORTED",
      "restore from /backup: " .. TEXT .. ": format 2; this build reads 1" }, restore())
    assert.is_nil((files:list "/copy"))
  end)

  it("is refused when it is of something else or a line makes no sense", function()
    local table_line = good:match("\n(file %d+%.sst [^\n]*\n)")
    for _, body in ipairs {
      replaced("loam%-backup", "load-backup"), replaced("loam%-backup 1", "loam-backup 1x"),
      replaced("\nid 1\n", "\nid 2\n"), replaced("\nid 1\n", "\nid \n"),
      replaced("\nuuid ", "\nuuid x"), replaced("\nseq %d+", "\nseq -"),
      replaced("\ncreated_at_ms %d+", ""), replaced("\nfile ", "\nfiles "),
      replaced("(file %d+%.sst) %d+ ", "%1 12x "), replaced("(file %d+%.sst %d+ %x+)", "%1 more"),
      replaced("file %d+%.sst", "file " .. ("9"):rep(60) .. ".sst"),
      replaced("file %d+%.sst", "file notes.txt"), replaced("file %d+%.sst", "file CURRENT"),
      replaced("file MANIFEST%-[^\n]*\n", ""), replaced("(file MANIFEST%-[^\n]*\n)", "%1%1"),
      replaced("file MANIFEST%-[^\n]*\n", "%0" .. table_line),
      replaced("(file %d+%.sst)", ("x"):rep(200) .. "%1"),
      good:match("^(loam.-)file "), "",
    } do
      write(body)
      local answer = restore()
      assert.equal("CORRUPT", answer[1], body)
      assert.matches(TEXT, answer[2], 1, true)
      local list = assert(admin.backups(files._p, "/backup"))
      assert.equal(1, list[1].id, "it is listed as damaged, under its number")
      assert.is_nil((files:list "/copy"))
    end
  end)

  it("cannot be read: the calls say so and change nothing", function()
    files:fail { kind = "open_read", name = ".txt", times = "forever" }
    assert.equal("IO", refusal(function() return admin.backups(files._p, "/backup") end)[1])
    assert.equal("IO", restore()[1])

    files:clear()
    assert(admin.restore(files._p, "/backup", "/copy"))
  end)

  -- Error paths of backup_dir.c

  it("tells which directory, backup or file is not there", function()
    for _, call in ipairs {
      function() return admin.backups(files._p, "/none") end,
      function() return admin.backup_verify(files._p, "/none") end,
      function() return admin.backup_delete(files._p, "/none", 1) end,
      function() return admin.restore(files._p, "/none", "/copy") end,
    } do
      local answer = refusal(call)
      assert.equal("NOT_FOUND", answer[1])
      assert.matches("no directory /none", answer[2], 1, true)
    end
    assert.same({ "NOT_FOUND", "there is no backup 7" },
      refusal(function() return admin.backup_delete(files._p, "/backup", 7) end))
    assert.same({ "NOT_FOUND", "restore from /backup: there is no backup 7" }, restore(7))
    assert.same({ "NOT_FOUND", "there is no backup 7" },
      refusal(function() return admin.backup_verify(files._p, "/backup", 7) end))

    local name = files:list("/backup"):match("(%S+%.sst) ")
    assert(files:remove_file("/backup", name))
    assert.same({ "CORRUPT", name .. ": is missing" },
      refusal(function() return admin.backup_verify(files._p, "/backup") end))
    assert(admin.backup_delete(files._p, "/backup", 1))
    assert.same({ "NOT_FOUND", "restore from /backup: there is no backup" }, restore())
    assert.same({}, assert(admin.backups(files._p, "/backup")))
  end)

  it("of another backup is damaged: a deletion leaves the shared files", function()
    local db = assert(crash.open(files))
    assert(admin.backup(db, "/backup"))
    assert(files:flip("/backup", TEXT, 20))

    local answer = refusal(function() return admin.backup_delete(files._p, "/backup", 2) end)

    assert.equal("CORRUPT", answer[1])
    assert.matches("the backup is deleted, shared files stay", answer[2], 1, true)
    assert(files:flip("/backup", TEXT, 20))
    assert(admin.restore(files._p, "/backup", "/copy", 1))
  end)

  it("is not written into a store, and a copy not over one", function()
    local db = assert(crash.open(files))
    local answer = refusal(function() return admin.backup(db, "/db") end)
    assert.equal("INVALID", answer[1])
    assert.matches("the directory holds a store, not backups", answer[2], 1, true)
    assert.equal("EXISTS", refusal(function() return admin.checkpoint(db, "/backup") end)[1])
  end)
end)
