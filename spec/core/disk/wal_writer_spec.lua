-- What the writer puts into a log, mark by mark; what comes back out is wal_reader_spec.lua.
local cdef = require "spec.support.cdef"
local env = require "spec.support.env"
local example = require "spec.support.format_example"
local fault = require "spec.support.fault"
local ffi = require "ffi"
local lib = require "spec.support.lib"
local seed = require "spec.support.seed"
local wal = require "spec.support.wal"

cdef.load("base/memory.h")

local OFF = 0xffffffffffffffffULL
local dir

describe("disk.wal_writer", function()
  before_each(function()
    dir = assert(env.mem():open("/wal", true))
  end)
  after_each(function()
    lib.memory_fail_at(OFF, 0)
    env.close_all()
  end)

  it("writes the bytes of the format's example", function()
    local previous = ffi.new("struct wal_link", { number = 5, size = 4096, chain = 258 })
    local log = assert(wal.create(dir, 7, { previous = previous }))
    log:commit(1000, "\2\4\0\0\0\1")
    assert(log:seal())
    assert(log:close())

    assert.equal(example "wal", dir:get(wal.name(7)))
  end)

  it("writes what the format says, made a second time in Lua", function()
    local log = assert(wal.create(dir, 9))
    log:commit(1, "one")
    assert(log:add(2, 3, "two"))
    assert(log:add(5, 1, ""))
    assert(log:write())
    assert(log:close())

    local expected = wal.header { number = 9 }
    local first = #expected
    expected = expected .. wal.record {
      number = 9, offset = first, first_seq = 1, durable_upto = first, payload = "one" }
    local second = #expected
    expected = expected .. wal.record {
      number = 9, offset = second, first_seq = 2, count = 3, durable_upto = second,
      payload = "two" }
    expected = expected .. wal.record {
      number = 9, offset = #expected, first_seq = 5, durable_upto = second, payload = "" }
    assert.equal(expected, dir:get(wal.name(9)))
  end)

  it("frames into memory, writes on demand, and knows what is durable", function()
    local log = assert(wal.create(dir, 1))
    assert(log:add(1, 1, "abc"))
    local after_add = { log:size(), log:durable() }
    assert(log:write())
    local after_write = { log:size(), log:durable() }
    assert(log:sync())

    assert.same({ 96, 96 }, after_add)
    assert.same({ 139, 96 }, after_write)
    assert.same({ 139, 139 }, { log:size(), log:durable() })
    log:close()
  end)

  it("forgets what was added since the last write, chain included", function()
    local log, other = assert(wal.create(dir, 1)), assert(env.mem():open("/wal", true))
    log:commit(1, "kept")
    assert(log:add(2, 1, "refused"))
    log:forget()
    log:commit(2, "also kept")
    local plain = assert(wal.create(other, 1))
    plain:commit(1, "kept")
    plain:commit(2, "also kept")

    assert.equal(other:get(wal.name(1)), dir:get(wal.name(1)))
    assert.same(plain:link(), log:link())
    log:close()
    plain:close()
  end)

  it("does nothing when there is nothing to write", function()
    local log = assert(wal.create(dir, 1))

    assert(log:write())

    assert.equal(96, log:size())
    log:close()
  end)

  it("syncs before it writes the end record, so that the record cannot lie", function()
    local log = assert(wal.create(dir, 1))
    assert(log:add(1, 1, "abc"))
    assert(log:write())
    assert(log:seal())
    log:close()

    local bytes = dir:get(wal.name(1))
    local sealed = wal.record {
      number = 1, offset = 139, type = lib.RECORD_END, count = 0, first_seq = 0,
      durable_upto = 139 }
    assert.equal(sealed, bytes:sub(140))
  end)

  it("carries a large record and gives its memory back", function()
    local payload = ("0123456789abcdef"):rep(6 * 65536)
    local log = assert(wal.create(dir, 1))
    log:commit(1, payload)
    log:commit(2, "small")
    log:close()

    local got = assert(wal.read(dir, 1))
    assert.is_true(got.payloads[1] == payload)
    assert.equal("small", got.payloads[2])
  end)

  it("writes a large payload from where it is, in its place among others", function()
    local large, other = ("L"):rep(2 * 1048576), ("O"):rep(1048576)
    local log = assert(wal.create(dir, 1))
    assert(log:add(1, 1, "one"))
    assert(log:add(2, 1, large))
    assert(log:add(3, 1, other))
    assert(log:add(4, 1, "four"))
    assert(log:write())
    assert(log:add(5, 1, large))
    log:forget()
    log:commit(5, "five")
    log:commit(6, other)
    log:close()

    local got = assert(wal.read(dir, 1)).payloads
    assert.equal(6, #got)
    assert.is_true(got[2] == large and got[3] == other and got[6] == other)
    assert.same({ "one", "four", "five" }, { got[1], got[4], got[5] })
  end)

  -- Error paths of wal_writer.c.

  it("never opens a log that exists (C10)", function()
    dir:put(wal.name(3), "old bytes")

    assert.equal("EXISTS", (select(2, wal.create(dir, 3))))
    assert.equal("old bytes", dir:get(wal.name(3)))
  end)

  it("refuses a batch above the limit, and adds nothing", function()
    local log, err = assert(wal.create(dir, 1)), ffi.new("struct loam_error")
    local size = 512 * 1024 * 1024 + 1

    assert.equal(lib.LOAM_TOO_LARGE, lib.wal_writer_add(log._p, 1, 1, "", size, err))
    assert.equal("log record of 536870913 bytes, the limit is 536870912", ffi.string(err.text))

    assert(log:write())
    assert.equal(96, log:size())
    log:close()
  end)

  it("adds nothing when memory runs out, and goes on when there is some", function()
    local log = assert(wal.create(dir, 1))
    log:commit(1, "one")
    lib.memory_fail_at(0, OFF)
    local _, code = log:add(2, 1, ("x"):rep(100000))
    lib.memory_fail_at(OFF, 0)
    log:commit(2, "two")
    log:close()

    assert.equal("NO_MEMORY", code)
    assert.same({ "one", "two" }, assert(wal.read(dir, 1)).payloads)
  end)

  it("leaves no file behind when it cannot open", function()
    lib.memory_fail_at(0, OFF)
    local _, code = wal.create(dir, 1)
    lib.memory_fail_at(OFF, 0)

    assert.equal("NO_MEMORY", code)
    assert.equal("", dir:names())
  end)

  it("closes nothing", function()
    assert.equal(0, lib.wal_writer_close(nil, nil))
  end)
end)

describe("disk.wal_writer on a disk that fails", function()
  local files

  before_each(function()
    files = fault.new(seed.value)
    dir = assert(files:open("/wal", true))
  end)
  after_each(env.close_all)

  -- Each way in which a log is poisoned: what fails beside the write, if that is what fails.
  for name, kinds in pairs {
    ["a sync"] = { "sync" },
    ["a write that cannot be cut off"] = { "write", "trim" },
    ["a write whose cut cannot be synced"] = { "write", "sync" },
  } do
    it("returns the first error of " .. name .. " from every later call (D01, D03)", function()
      local number = 1
      local log = assert(wal.create(dir, number))
      log:commit(1, "one")
      local durable = log:durable()
      assert(log:add(2, 1, "two"))
      for _, kind in ipairs(kinds) do
        files:fail { kind = kind }
      end
      local first
      if kinds[1] == "write" then
        first = { log:write() }
      else
        assert(log:write())
        first = { log:sync() }
      end

      assert.truthy(first[3]:find(kinds[1], 1, true), first[3])
      assert.is_true(log:has_failed())
      assert.equal("IO", first[2])
      assert.same(first, { log:add(3, 1, "three") })
      assert.same(first, { log:write() })
      assert.same(first, { log:sync() })
      assert.same(first, { log:seal() })
      assert.equal(durable, log:durable())
      assert(log:close())
      assert.equal("one", assert(wal.read(dir, number)).payloads[1])
    end)
  end

  it("cuts a failed write off for good before it says so, and takes no more (F6, D05)", function()
    for number, errno in ipairs { 5, 28, 122, 27 } do -- EIO, ENOSPC, EDQUOT, EFBIG.
      local log = assert(wal.create(dir, number, { allocate = 4096 }))
      log:commit(1, "one")
      assert(log:add(2, 1, "two"))
      assert(log:add(3, 1, "three"))
      files:tear(45) -- The whole record "two" gets into the file, and a part of the next.
      files:fail { kind = "write", errno = errno }

      local _, code, text = log:write()

      assert.equal(errno == 5 and "IO" or "NO_SPACE", code)
      assert.is_false(log:has_failed())
      assert.is_true(log:is_spent())
      assert.equal(log:size(), log:durable())
      assert.same({ nil, code, text }, { log:add(2, 1, "behind it") })
      files:clear()
      assert(files:reboot(number % 2 == 0 and "lose" or "kill", number))
      log:close()
      dir = assert(files:open("/wal", true))
      local got = assert(wal.read(dir, number))
      assert.same({ { "one" }, "open" }, { got.payloads, got.ended })
    end
  end)

  it("cuts a group off of which any part fails around a large payload (F6)", function()
    local large = ("L"):rep(1048576)
    for number, after in ipairs { 0, 1, 2 } do
      local log = assert(wal.create(dir, number))
      log:commit(1, "one")
      assert(log:add(2, 1, "two"))
      assert(log:add(3, 1, large))
      assert(log:add(4, 1, "four"))
      files:fail { kind = "write", after = after }

      assert.equal("IO", (select(2, log:write())))

      assert.is_true(log:is_spent() and not log:has_failed())
      assert(log:seal())
      log:close()
      local got = assert(wal.read(dir, number))
      assert.same({ { "one" }, "sealed" }, { got.payloads, got.ended })
    end
  end)

  it("is sealed behind a write that was cut off, also at the second try", function()
    local log = assert(wal.create(dir, 1))
    log:commit(1, "one")
    assert(log:add(2, 1, "two"))
    files:tear(45)
    files:fail { kind = "write", times = 2 }
    assert.is_nil((log:write()))

    assert.equal("IO", (select(2, log:seal())))
    assert(log:seal())

    assert(log:close())
    local got = assert(wal.read(dir, 1))
    assert.same({ { "one" }, "sealed" }, { got.payloads, got.ended })
  end)

  it("says NO_SPACE when the disk is full, and leaves a prefix (F7, R02)", function()
    local log = assert(wal.create(dir, 1))
    log:commit(1, "one")
    files:space(20)
    assert(log:add(2, 1, "two"))

    assert.equal("NO_SPACE", (select(2, log:write())))

    log:close()
    local got = assert(wal.read(dir, 1))
    assert.same({ "one" }, got.payloads)
    assert.same({ "open", 0 }, { got.ended, got.dropped })
  end)

  it("opens no log without its space, header and name, and leaves nothing behind (D10)", function()
    for _, kind in ipairs { "create", "allocate", "write", "sync", "dir_sync" } do
      files:fail { kind = kind, errno = 28 }

      assert.equal("NO_SPACE", (select(2, wal.create(dir, 1, { allocate = 1000 }))))

      assert.equal("", dir:names())
      files:clear()
    end
  end)

  it("reports a failed close, unless the log is sealed (D06)", function()
    for number, is_sealed in ipairs { false, true } do
      local log = assert(wal.create(dir, number))
      log:commit(1, "one")
      if is_sealed then
        assert(log:seal())
      end
      files:fail { kind = "close" }
      assert.equal(is_sealed, log:close() == true)
      files:clear()
    end
  end)

  -- Commits five records, of which every second is synced; returns how many writes and which sync
  -- were acknowledged.
  local function workload()
    local log = wal.create(dir, 1, { allocate = 4096 })
    if not log then
      return nil, 0, 0
    end
    local written, synced = 0, 0
    for index = 1, 5 do
      if not (log:add(index, 1, ("payload %d "):format(index):rep(900)) and log:write()) then
        break
      end
      written = index
      if index % 2 == 0 then
        if not log:sync() then
          break
        end
        synced = index
      end
    end
    return log, written, synced
  end

  for _, mode in ipairs { "lose", "random", "kill" } do
    it("leaves a prefix that holds what was synced, cut at each operation, " .. mode
      .. " (C03, F3) #crash", function()
      for after = 0, 14 do
        for salt = 1, 8 do
          files = fault.new(seed.value)
          dir = assert(files:open("/wal", true))
          files:crash_after(after)
          files:tear(5000)
          local log, written, synced = workload()
          assert(files:reboot(mode, seed.value + salt))
          if log then
            log:close()
          end
          dir:close()
          dir = assert(files:open("/wal", true))
          local got = log and assert(wal.read(dir, 1))
          if got then
            assert.is_nil(got.text)
            assert.is_true(#got.payloads >= (mode == "kill" and written or synced))
            for index, payload in ipairs(got.payloads) do
              assert.is_true(payload == ("payload %d "):format(index):rep(900))
            end
          end
          env.close_all()
        end
      end
    end)
  end
end)
