-- The seam of the host: a waiter that commits in another place while the handler is asleep.
local ffi = require "ffi"
local kv = require "kv"
local lib = require "kv.lib"
local store = require "spec.support.store"
local tmpdir = require "spec.support.tmp"

local C = lib.C

-- A waiter of one handler coroutine, as a host has: write() copies the batch and yields; drain()
-- commits what waits and resumes.
local function new_host(db)
  local host = { waiting = {}, calls = {}, slept = 0 }

  local function park(work)
    local co = coroutine.running()
    host.waiting[#host.waiting + 1] = function() assert(coroutine.resume(co, work())) end
    return coroutine.yield()
  end

  host.waiter = {
    can_wait = function() return coroutine.running() == host.handler end,
    write = function(given_db, batch, commit)
      assert(given_db == db)
      assert(commit == nil or ffi.istype("loam_commit", commit))
      local outcome, err = ffi.new("loam_outcome"), ffi.new("loam_error")
      -- The batch is used before the yield, as loam_submit would copy it.
      local rc = C.loam_write(db:pointer(), batch, nil, outcome, err)
      return park(function() return rc, outcome, err end)
    end,
    call = function(_, kind, name)
      host.calls[#host.calls + 1] = name and kind .. " " .. name or kind
      return park(function()
        if kind == "compact" then
          local id = ffi.new("uint64_t[1]")
          return C.loam_compact(db:pointer(), id, nil), tonumber(id[0]), nil
        end
        return kind == "content_type" and 0 or C.LOAM_IO, 77, nil
      end)
    end,
    sleep = function()
      host.slept = host.slept + 1
      park(function() end)
    end,
  }

  function host.run(handler)
    host.handler = coroutine.create(handler)
    assert(coroutine.resume(host.handler))
    while #host.waiting > 0 do
      table.remove(host.waiting, 1)()
    end
    assert(coroutine.status(host.handler) == "dead")
  end
  return host
end

describe("kv.wait", function()
  local db, host
  before_each(function()
    db = store.open({ durability = "sync" })
    host = new_host(db)
    kv.waiter = host.waiter
  end)
  after_each(function()
    kv.waiter = nil
    db:close()
  end)

  it("yields for durable writes and returns the same results", function()
    local results
    host.run(function()
      local first = db:put("a", "1")
      results = {
        first, db:add("a", "2"), db:incr("n", 5, 1), db:delete("a"), db:mput({ x = "1" }),
        db:batch(function(w) w:put("y", "2") end), db:getset("y", "3"),
      }
    end)

    assert.same({ 1, false, 6, true, 4, 5, "2" }, results)
    assert.same({ "n", "x", "y" }, (db:keys()))
  end)

  it("tells conditions and their values as without it", function()
    local results
    host.run(function()
      local seq = db:put("a", "1")
      results = { seq, { db:cas("a", "0", "2") }, { db:put("a", "2", { if_seq = 99 }) } }
    end)

    assert.same({ false, "mismatch", "1", results[1] }, results[2])
    assert.same({ false, "mismatch", results[1] }, results[3])
  end)

  it("does not yield for other durabilities, nor outside handlers", function()
    local is_done = false
    local co = coroutine.create(function()
      db:put("a", "1", { durability = "os" })
      is_done = true
    end)
    host.handler = co
    assert(coroutine.resume(co))
    assert.is_true(is_done)

    local generator = coroutine.wrap(function() coroutine.yield(db:put("b", "1")) end)
    assert.is_number(generator())
    assert.is_number(db:put("c", "1"))
  end)

  it("hands slow calls over", function()
    local results
    host.run(function()
      local is_flushed, _, code = db:flush()
      local bucket, _, bucket_code = db:bucket("new", { create = true })
      results = { is_flushed or code, bucket or bucket_code }
      db:put("k", "v", { content_type = "text/html" })
    end)

    assert.same({ "IO", "IO" }, results)
    assert.same({ "flush", "bucket new", "content_type text/html" }, host.calls)
  end)

  it("sleeps while copies are made, checked, restored and deleted", function()
    local dir, results = tmpdir(), {}
    host.run(function()
      results = {
        assert(db:backup(dir .. "/backup")).id, assert(db:checkpoint(dir .. "/copy")),
        assert(db:check()), assert(db:verify()), assert(kv.verify_backup(dir .. "/backup")),
        assert(kv.restore(dir .. "/backup", dir .. "/new")),
        assert(kv.delete_backup(dir .. "/backup", 1)), #assert(kv.repair(dir .. "/new")) > 0,
      }
    end)

    assert.same({ 1, 0, true, true, true, true, true, true }, results)
    assert.is_true(host.slept >= 5)
  end)

  it("sleeps while a job runs", function()
    local info
    host.run(function() info = assert(assert(db:compact()):wait(60000)) end)

    assert.equal("done", info.state)
    assert.same({ "compact" }, host.calls)
  end)
end)
