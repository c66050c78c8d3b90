-- The merge of several memtables against one sorted list, with a change of direction at any row.
local cdef = require "spec.support.cdef"
local entries = require "spec.support.entries"
local ffi = require "ffi"
local keys = require "spec.support.keys"
local lib = require "spec.support.lib"
local seed = require "spec.support.seed"

cdef.load("base/memory.h")
cdef.load("lsm/lsm_testing.h")
cdef.load("lsm/merge_iter.h")

local CORRUPT, NO_MEMORY = -16, -22
local OFF = 0xffffffffffffffffULL
local err = ffi.new("struct loam_error")

local memtables, iters, merge

local function source()
  memtables[#memtables + 1] = lib.memtable_new(1)
  iters[#iters + 1] = lib.testing_memtable_iter_new(memtables[#memtables])
  return memtables[#memtables]
end

local function set(children)
  local list = ffi.new("struct iter *[?]", math.max(1, #children))
  for index, child in ipairs(children) do
    list[index - 1] = child
  end
  return lib.merge_iter_set(merge, list, #children, err)
end

-- Spreads random rows over `count` memtables; returns them sorted.
local function fill(random, mode, count, row_count)
  local base = #memtables
  for _ = 1, count do
    source()
  end
  local rows = {}
  for seq = 1, row_count do
    rows[seq] = entries.random_row(random, keys[mode](random, seq), seq)
    entries.insert(memtables[base + random:int(1, count)], rows[seq])
  end
  table.sort(rows, entries.precedes)
  return rows
end

local function move(choice, rows, at, key, seq)
  local iter = merge.iter
  if choice == 1 then
    iter.ops.first(iter)
    return math.min(1, #rows)
  elseif choice == 2 then
    iter.ops.last(iter)
    return #rows
  elseif choice == 3 then
    iter.ops.seek(iter, entries.slice(key), seq)
    return entries.lower(rows, key, seq)
  elseif choice == 4 then
    iter.ops.seek_before(iter, entries.slice(key), seq)
    return entries.lower(rows, key, seq) - 1
  elseif choice % 2 == 0 then
    iter.ops.next(iter)
    return at + 1
  end
  iter.ops.prev(iter)
  return at - 1
end

describe("lsm.merge_iter", function()
  before_each(function()
    memtables, iters = {}, {}
    merge = ffi.new("struct merge_iter")
    lib.merge_iter_init(merge)
  end)
  after_each(function()
    lib.memory_fail_at(OFF, 0)
    merge.iter.ops.free(merge.iter)
    for index, iter in ipairs(iters) do
      lib.testing_memtable_iter_free(iter)
      lib.memtable_unref(memtables[index])
    end
  end)

  it("stands nowhere without children and with empty ones", function()
    for count = 0, 3 do
      assert.equal(0, set(iters))
      merge.iter.ops.first(merge.iter)
      assert.is_false(merge.iter.is_valid)
      merge.iter.ops.last(merge.iter)
      assert.is_false(merge.iter.is_valid)
      assert.equal(0, merge.iter.status)
      assert.equal(count, #iters)
      source()
    end
  end)

  it("orders versions of one key by sequence over all children", function()
    for seq = 1, 9 do
      entries.insert(source(), entries.row("k", seq))
    end
    set(iters)

    local seen = {}
    merge.iter.ops.first(merge.iter)
    while merge.iter.is_valid do
      seen[#seen + 1] = tonumber(merge.iter.entry.seq)
      merge.iter.ops.next(merge.iter)
    end

    assert.same({ 9, 8, 7, 6, 5, 4, 3, 2, 1 }, seen)
  end)

  it("orders keys that differ only in their size or behind their twentieth byte", function()
    local list = { "", "\0", "\0\0", ("a"):rep(19), ("a"):rep(20), ("a"):rep(20) .. "\0",
      ("a"):rep(20) .. "b", ("a"):rep(21), ("b"):rep(3) }
    for index, key in ipairs(list) do
      entries.insert(source(), entries.row(key, 100 - index))
    end
    table.sort(list)
    set(iters)

    local seen = {}
    merge.iter.ops.last(merge.iter)
    while merge.iter.is_valid do
      table.insert(seen, 1, entries.text(merge.iter.entry.key))
      merge.iter.ops.prev(merge.iter)
    end

    assert.same(list, seen)
  end)

  for _, mode in ipairs(keys.modes) do
    it("equals a sorted list with " .. mode .. " keys, turning at any row #fuzz", function()
      for count = 1, 6 do
        local random = seed.new(count * 100 + #mode)
        local rows = fill(random, mode, count, mode == "long" and 40 or 300)
        set({ unpack(iters, #iters - count + 1) })
        local at, straight = 0, 5

        for _ = 1, 1500 do
          assert.equal(rows[at] ~= nil, merge.iter.is_valid)
          if rows[at] then
            assert.same(rows[at], entries.row_of(merge.iter.entry))
          end
          straight = random:int(1, 3) == 1 and random:int(5, 6) or straight
          local choice = (not rows[at] or random:int(1, 20) == 1) and random:int(1, 4) or straight
          at = move(choice, rows, at, random:pick(rows).key, random:int(0, #rows + 1))
        end
      end
    end)
  end

  it("allocates nothing once its children are set", function()
    local random = seed.new(5)
    local rows = fill(random, "decimal", 4, 200)
    set(iters)

    lib.memory_fail_at(0, OFF)
    local at = move(1, rows, 0)
    for step = 1, 300 do
      at = move(rows[at] and (step % 7 < 5 and 6 or 5) or 1, rows, at)
    end
    lib.memory_fail_at(OFF, 0)

    assert.equal(0, merge.iter.status)
  end)

  describe("error paths", function()
    it("fails as a whole when one child fails, and stays failed", function()
      local random = seed.new(6)
      local rows = fill(random, "alphabet", 3, 200)
      for moves = 0, 60 do
        local failing = lib.testing_failing_iter_new(iters[2], moves)
        set { iters[1], failing, iters[3] }
        local at, steps = move(random:int(1, 2), rows, 0), 0
        while merge.iter.is_valid and steps < 2000 do
          assert.same(rows[at], entries.row_of(merge.iter.entry))
          local choice = random:int(1, 30) == 1 and 3 or random:int(5, 6)
          at = move(choice, rows, at, random:pick(rows).key, 100)
          steps = steps + 1
          if not merge.iter.is_valid and merge.iter.status == 0 then
            at = move(random:int(1, 2), rows, 0)
          end
        end
        assert.equal(CORRUPT, merge.iter.status)
        move(1, rows, 0)
        assert.is_false(merge.iter.is_valid)
        assert.equal(CORRUPT, merge.iter.status)
        lib.testing_failing_iter_free(failing)
      end
    end)

    it("keeps its children when memory runs out for more", function()
      entries.insert(source(), entries.row("a", 1))
      set(iters)
      source()
      for after = 0, 1 do
        lib.memory_fail_at(after, 1)
        assert.equal(NO_MEMORY, set(iters))
        lib.memory_fail_at(OFF, 0)
      end

      merge.iter.ops.first(merge.iter)
      assert.is_true(merge.iter.is_valid)
    end)
  end)
end)
