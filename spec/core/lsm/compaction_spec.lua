-- Merges of memtables into tables, read back by the table reader: what stays, where tables are cut,
-- what is counted, and that every failure is found before a table counts.
local cdef = require "spec.support.cdef"
local entries = require "spec.support.entries"
local ffi = require "ffi"
local lib = require "spec.support.lib"
local seed = require "spec.support.seed"
local tables = require "spec.support.table"

cdef.load("base/memory.h")
cdef.load("lsm/compaction.h")
cdef.load("lsm/lsm_testing.h")

local CANCELLED, CORRUPT, NO_MEMORY = -13, -16, -22
local OFF = 0xffffffffffffffffULL
local NOW = 1000

local err = ffi.new("struct loam_error")
local store, memtable, iter, job, number, dead, progress, anchors

local function input(rows)
  for _, row in ipairs(rows) do
    entries.insert(memtable, row)
  end
end

-- C calls back into Lua: the caller must not be compiled.
local function run()
  err.code = 0
  local rc = lib.compaction_run(job, err)
  return rc, ffi.string(err.text)
end
jit.off(run)

local function callback(type, fn)
  local made = ffi.cast(type, fn)
  anchors[#anchors + 1] = made
  return made
end

local function new_job(options)
  options = options or {}
  lib.compaction_job_deinit(job)
  ffi.fill(job, ffi.sizeof(job))
  job.dir, job.id, job.input = store.dir, store.id, options.input or iter
  job.table_options.block_bytes, job.table_options.point_index = 512, true
  job.table_bytes = options.table_bytes or 2 ^ 20
  job.run_order, job.log_number, job.now_ms = 5, options.log_number or 0, NOW
  job.is_bottom, job.verify = options.is_bottom or false, options.verify ~= false
  if options.snapshots then
    anchors.snapshots = ffi.new("uint64_t[?]", #options.snapshots, options.snapshots)
    job.snapshots, job.snapshot_count = anchors.snapshots, #options.snapshots
  end
  job.next_file = anchors.next_file
  job.bucket_is_live = anchors.bucket_is_live
  job.on_progress = anchors.on_progress
end

-- The rows of all outputs in order.
local function output_rows()
  local rows = {}
  for index = 0, tonumber(job.output_count) - 1 do
    local meta = job.outputs[index]
    local reader = assert(store:open { number = tonumber(meta.number), size = tonumber(meta.size) })
    local first = #rows + 1
    for _, row in ipairs(tables.all_rows(reader)) do
      rows[#rows + 1] = row
    end
    assert.equal(tonumber(meta.row_count), #rows - first + 1)
    assert.equal(rows[first].key, entries.text(meta.smallest))
    assert.equal(rows[#rows].key, entries.text(meta.largest))
    assert.equal(5, tonumber(meta.run))
  end
  return rows
end

local function brief(rows)
  local list = {}
  for index, row in ipairs(rows) do
    local kind = row.kind == entries.DELETE and "-" or "+"
    list[index] = row.key:sub(5) .. kind .. row.seq
  end
  return table.concat(list, " ")
end

local function row(key, seq, fields)
  return entries.row(tables.stored(key, fields and fields.bucket), seq, fields)
end

local DELETED = { kind = entries.DELETE, value = "" }

describe("lsm.compaction", function()
  before_each(function()
    anchors, number, dead, progress = {}, 100, {}, { calls = 0 }
    store = tables.store()
    memtable = lib.memtable_new(1)
    iter = lib.testing_memtable_iter_new(memtable)
    job = ffi.new("struct compaction_job")
    anchors.next_file = callback("int (*)(void *, uint64_t *, struct loam_error *)",
      function(_, out)
        number = number + 1
        out[0] = number
        return 0
      end)
    anchors.bucket_is_live = callback("bool (*)(void *, uint32_t)", function(_, bucket)
      return not dead[bucket]
    end)
    anchors.on_progress = callback("int (*)(void *, uint64_t)", function(_, bytes)
      progress.calls, progress.bytes = progress.calls + 1, tonumber(bytes)
      return progress.answer or 0
    end)
    new_job()
  end)
  after_each(function()
    lib.memory_fail_at(OFF, 0)
    lib.compaction_job_deinit(job)
    lib.testing_memtable_iter_free(iter)
    lib.memtable_unref(memtable)
    for _, made in ipairs(anchors) do
      made:free()
    end
  end)

  it("makes no table of no rows", function()
    assert.equal(0, run())
    assert.equal(0, tonumber(job.output_count))
    assert.equal(100, number)
  end)

  it("keeps newest versions and what snapshots see", function()
    input { row("a", 1), row("a", 2), row("a", 9), row("b", 3, DELETED), row("b", 4), row("c", 5) }
    input { row("c", 6, DELETED), row("d", 7, { expire_at_ms = NOW }), row("e", 8) }

    new_job { snapshots = { 2 } }
    assert.equal(0, run())
    assert.equal("a+9 a+2 b+4 c-6 d-7 e+8", brief(output_rows()))
    assert.equal(9, tonumber(job.rows_in))
    assert.equal(6, tonumber(job.rows_out))

    new_job { is_bottom = true }
    assert.equal(0, run())
    assert.equal("a+9 b+4 e+8", brief(output_rows()))
  end)

  it("writes every field of a row", function()
    local fields = { value = ("v"):rep(5000), expire_at_ms = NOW + 1, content_type = 900 }
    local one = row("k", 77, fields)
    input { one }
    run()

    local seen = output_rows()[1]
    assert.same({ one.key, one.value, 77, NOW + 1, 900 },
      { seen.key, seen.value, seen.seq, seen.expire, seen.type })
  end)

  it("turns an expired row into a delete without value, expiry and type", function()
    input { row("k", 7, { value = "secret", expire_at_ms = NOW, content_type = 3 }) }
    run()

    local seen = output_rows()[1]
    assert.same({ entries.DELETE, "", 0, 0 }, { seen.kind, seen.value, seen.expire, seen.type })
  end)

  it("drops the rows of dead buckets", function()
    input { row("a", 1), row("b", 2, { bucket = 2 }), row("c", 3, { bucket = 3 }) }
    dead[2] = true
    new_job { snapshots = { 1, 2, 3 } }
    run()

    assert.equal("a+1 c+3", brief(output_rows()))
    assert.equal(3, tonumber(job.rows_in))
  end)

  it("cuts tables at their size, never between versions of a key", function()
    local all, snapshots = {}, {}
    for seq = 1, 900 do
      all[seq] = row(("%03d"):format(math.floor(seq / 30)), seq, { value = ("x"):rep(100) })
      snapshots[seq] = seq
    end
    input(all)
    new_job { table_bytes = 5000, snapshots = snapshots, log_number = 42 }
    assert.equal(0, run())

    assert.equal(900, #output_rows())
    assert.is_true(job.output_count > 10)
    local last
    for index = 0, tonumber(job.output_count) - 1 do
      local meta = job.outputs[index]
      assert.is_true(last == nil or last < entries.text(meta.smallest))
      assert.equal(42, tonumber(meta.log_number))
      assert.equal(101 + index, tonumber(meta.number))
      last = entries.text(meta.largest)
    end
  end)

  it("tells its progress about every MiB and can be stopped", function()
    for seq = 1, 300 do
      entries.insert(memtable, row(("%04d"):format(seq), seq, { value = ("x"):rep(20000) }))
    end
    new_job { table_bytes = 2 ^ 21 }
    assert.equal(0, run())
    local calls = progress.calls
    assert.is_true(calls >= 4 and calls <= 7, calls)

    progress.answer = CANCELLED
    new_job { table_bytes = 2 ^ 21 }
    local rc, text = run()
    assert.equal(CANCELLED, rc)
    assert.matches("compaction stopped after %d+ rows", text)
    assert.equal(1, tonumber(job.output_count))
    assert.equal(number, tonumber(job.outputs[0].number))
  end)

  it("equals the merge of a model with many tables #fuzz", function()
    local random = seed.new(21)
    local all, newest = {}, {}
    for seq = 1, 3000 do
      local key = tables.stored(random:bytes(random:int(0, 3), "abc"))
      all[seq] = entries.random_row(random, key, seq)
      all[seq].expire_at_ms = 0
      newest[key] = all[seq]
    end
    input(all)
    new_job { table_bytes = 700, is_bottom = true }
    assert.equal(0, run())

    local wanted = {}
    for _, one in pairs(newest) do
      wanted[#wanted + 1] = one.kind == entries.PUT and one or nil
    end
    table.sort(wanted, entries.precedes)
    assert.equal(brief(wanted), brief(output_rows()))
  end)

  describe("error paths", function()
    local function fill(count)
      for seq = 1, count do
        entries.insert(memtable, row(("%04d"):format(seq), seq, { value = ("x"):rep(50) }))
      end
    end

    it("stops at input that cannot be read", function()
      fill(100)
      local failing = lib.testing_failing_iter_new(iter, 60)
      new_job { input = failing }
      local rc, text = run()
      lib.testing_failing_iter_free(failing)

      assert.equal(CORRUPT, rc)
      assert.equal("row 61 to be merged cannot be read", text)
      assert.equal(1, tonumber(job.output_count))
    end)

    it("refuses input that is out of order", function()
      -- The same version twice, which only a damaged input can bring.
      entries.insert(memtable, row("a", 5))
      entries.insert(memtable, row("a", 5))

      local rc, text = run()

      assert.equal(CORRUPT, rc)
      assert.equal("versions to be merged are out of order: 5 after 5", text)
    end)

    it("refuses a key without a bucket id", function()
      entries.insert(memtable, entries.row("abc", 1))

      local rc, text = run()

      assert.equal(CORRUPT, rc)
      assert.matches("has a key of 3 bytes", text)
    end)

    it("knows a row with any changed field by its digest", function()
      local one = { key = "abcd", value = "v", seq = 5, kind = 1, expire = 7, type = 9 }
      local changes = { key = "abce", value = "w", seq = 6, kind = 2, expire = 8, type = 10 }
      local seen = { [tostring(lib.table_row_digest(tables.entry(one)))] = true }

      for name, changed in pairs(changes) do
        local other = {}
        for field, value in pairs(one) do
          other[field] = field == name and changed or value
        end
        local digest = tostring(lib.table_row_digest(tables.entry(other)))
        assert.is_nil(seen[digest], name)
        seen[digest] = true
      end
    end)

    it("answers a file that is in the way", function()
      fill(10)
      store:write(101, "in the way")

      local rc, text = run()

      assert.is_true(rc < 0)
      assert.matches("000000000101.sst", text)
      assert.equal(101, tonumber(job.outputs[0].number))
    end)

    it("is clean when memory runs out anywhere", function()
      fill(60)
      local failures = 0
      for after = 0, 400 do
        new_job { table_bytes = 1000 }
        lib.memory_fail_at(after, 1)
        local rc = run()
        lib.memory_fail_at(OFF, 0)
        failures = failures + (rc == NO_MEMORY and 1 or 0)
        assert.is_true(rc == 0 or rc == NO_MEMORY, rc)
        if rc == 0 then
          assert.equal(60, #output_rows())
        end
      end
      assert.is_true(failures > 10)
    end)
  end)
end)
