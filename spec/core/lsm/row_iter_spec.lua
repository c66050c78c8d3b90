-- What a reader sees at a sequence and a time, against a sorted list: newest visible versions, no
-- deletes, nothing expired, within bounds, turning at any row.
local cdef = require "spec.support.cdef"
local entries = require "spec.support.entries"
local ffi = require "ffi"
local keys = require "spec.support.keys"
local lib = require "spec.support.lib"
local seed = require "spec.support.seed"

cdef.load("base/memory.h")
cdef.load("lsm/lsm_testing.h")
cdef.load("lsm/merge_iter.h")
cdef.load("lsm/row_iter.h")

local CORRUPT, NO_MEMORY = -16, -22
local OFF = 0xffffffffffffffffULL
local NOW = 2 ^ 39
local err = ffi.new("struct loam_error")

local memtables, iters, merge, rows_iter
local borrowed

local function close()
  if rows_iter then
    lib.row_iter_deinit(rows_iter)
    rows_iter = nil
  end
  merge.iter.ops.free(merge.iter)
  for index, memtable in ipairs(memtables) do
    lib.testing_memtable_iter_free(iters[index - 1])
    lib.memtable_unref(memtable)
  end
end

local function open(count)
  memtables, iters = {}, ffi.new("struct iter *[?]", count)
  for index = 1, count do
    memtables[index] = lib.memtable_new(1)
    iters[index - 1] = lib.testing_memtable_iter_new(memtables[index])
  end
  merge = ffi.new("struct merge_iter")
  lib.merge_iter_init(merge)
  lib.merge_iter_set(merge, iters, count, err)
end

local function read(snapshot, lower, upper, source)
  if rows_iter then
    lib.row_iter_deinit(rows_iter)
  end
  rows_iter = ffi.new("struct row_iter")
  lib.row_iter_init(rows_iter, source or merge.iter, snapshot, NOW)
  borrowed = { lower = lower, upper = upper } -- Kept: the iterator borrows their bytes.
  if borrowed.lower then
    rows_iter.has_lower, rows_iter.lower = true, entries.slice(borrowed.lower)
  end
  if borrowed.upper then
    rows_iter.has_upper, rows_iter.upper = true, entries.slice(borrowed.upper)
  end
end

-- The rows that a reader sees, from all versions in entry order.
local function visible(all, snapshot, lower, upper)
  local seen, key = {}, nil
  for _, row in ipairs(all) do
    if row.seq <= snapshot and row.key ~= key then
      key = row.key
      local is_expired = row.expire_at_ms ~= 0 and row.expire_at_ms <= NOW
      local is_hidden = row.kind == entries.DELETE or is_expired
      local is_inside = (not lower or key >= lower) and (not upper or key < upper)
      if is_inside and not is_hidden then
        seen[#seen + 1] = row
      end
    end
  end
  return seen
end

-- Position of the first row with a key at or after `key`.
local function lower_key(rows, key)
  for index, row in ipairs(rows) do
    if row.key >= key then
      return index
    end
  end
  return #rows + 1
end

local function move(choice, rows, at, key)
  if choice == 1 then
    lib.row_iter_first(rows_iter)
    return math.min(1, #rows)
  elseif choice == 2 then
    lib.row_iter_last(rows_iter)
    return #rows
  elseif choice == 3 then
    lib.row_iter_seek(rows_iter, entries.slice(key))
    return lower_key(rows, key)
  elseif choice == 4 then
    lib.row_iter_seek_before(rows_iter, entries.slice(key))
    return lower_key(rows, key) - 1
  elseif choice == 5 then
    lib.row_iter_prev(rows_iter)
    return at - 1
  end
  lib.row_iter_next(rows_iter)
  return at + 1
end

local function fill(random, mode, count, row_count)
  close()
  open(count)
  local all = {}
  for seq = 1, row_count do
    all[seq] = entries.random_row(random, keys[mode](random, seq), seq)
    entries.insert(memtables[random:int(1, count)], all[seq])
  end
  table.sort(all, entries.precedes)
  return all
end

local function collect(is_backward)
  local list = {}
  move(is_backward and 2 or 1, list, 0)
  while rows_iter.is_valid do
    list[#list + 1] = entries.text(rows_iter.entry.key) .. "@" .. tonumber(rows_iter.entry.seq)
    move(is_backward and 5 or 6, list, 0)
  end
  return list
end

-- Some calls at random, each compared with the model.
local function walk(random, all, rows, steps)
  local at, straight = 0, 6
  for _ = 1, steps do
    assert.equal(rows[at] ~= nil, rows_iter.is_valid)
    if rows[at] then
      assert.same(rows[at], entries.row_of(rows_iter.entry))
    end
    straight = random:int(1, 3) == 1 and random:int(5, 6) or straight
    local is_jump = not rows[at] or random:int(1, 15) == 1
    at = move(is_jump and random:int(1, 4) or straight, rows, at, random:pick(all).key)
  end
end

describe("lsm.row_iter", function()
  before_each(function()
    rows_iter = nil
    open(1)
  end)
  after_each(function()
    lib.memory_fail_at(OFF, 0)
    close()
  end)

  it("sees the newest version of each key at its sequence", function()
    for seq, key in ipairs { "a", "b", "a", "c", "b" } do
      entries.insert(memtables[1], entries.row(key, seq))
    end

    read(3)
    local then_forward, then_backward = collect(false), collect(true)
    read(5)
    local now = collect(false)

    assert.same({ "a@3", "b@2" }, then_forward)
    assert.same({ "b@2", "a@3" }, then_backward)
    assert.same({ "a@3", "b@5", "c@4" }, now)
  end)

  it("sees neither deleted nor expired rows, nor what they hide", function()
    local expired, alive = { expire_at_ms = NOW }, { expire_at_ms = NOW + 1 }
    local deleted = { kind = entries.DELETE, value = "" }
    local versions = {
      { "a" }, { "a", deleted }, { "b" }, { "b", expired }, { "c", expired }, { "c", alive },
    }
    for seq, one in ipairs(versions) do
      entries.insert(memtables[1], entries.row(one[1], seq, one[2]))
    end

    read(6)
    local now = collect(false)
    local backward = collect(true)
    read(3)

    assert.same({ "c@6" }, now)
    assert.same({ "c@6" }, backward)
    assert.same({ "b@3" }, collect(false))
  end)

  it("leaves long runs of versions in both directions", function()
    for seq = 1, 500 do
      entries.insert(memtables[1], entries.row("b", seq))
    end
    entries.insert(memtables[1], entries.row("a", 501))
    entries.insert(memtables[1], entries.row("c", 502))

    for _, snapshot in ipairs { 1, 2, 20, 250, 499, 500 } do
      read(snapshot)
      assert.same({ "b@" .. snapshot }, collect(false))
      assert.same({ "b@" .. snapshot }, collect(true))
    end
    read(502)
    assert.same({ "c@502", "b@500", "a@501" }, collect(true))
  end)

  -- A leaf of a memtable's tree holds thirty rows: groups end within one, with one, far behind one.
  it("goes from key to key however many versions each has, in several sources", function()
    for _, count in ipairs { 1, 2, 3, 14, 15, 16, 29, 30, 31, 100 } do
      close()
      open(3)
      local seq, newest = 0, {}
      for key = 10, 40 do
        for version = 1, key % 3 == 0 and 1 or count do
          seq = seq + 1
          local name = ("k%02d"):format(key)
          entries.insert(memtables[1 + (key + version) % 3], entries.row(name, seq))
          newest[key - 9] = name .. "@" .. seq
        end
      end

      read(seq)

      assert.same(newest, collect(false))
    end
  end)

  it("turns on every row of a group", function()
    for seq = 1, 60 do
      entries.insert(memtables[1], entries.row(("k%d"):format(seq % 3), seq))
    end
    read(45)

    move(1, {}, 0)
    for _ = 1, 2 do
      move(6, {}, 0)
      assert.equal("k1", entries.text(rows_iter.entry.key))
      move(5, {}, 0)
      assert.equal("k0", entries.text(rows_iter.entry.key))
      assert.equal(45, tonumber(rows_iter.entry.seq))
    end
    move(5, {}, 0)
    assert.is_false(rows_iter.is_valid)
  end)

  it("keeps to empty and inverted bounds", function()
    entries.insert(memtables[1], entries.row("b", 1))

    local list = { { "c", "d" }, { "b", "b" }, { "c", "a" }, { nil, "b" }, { "ba", nil } }
    for _, bounds in ipairs(list) do
      read(1, bounds[1], bounds[2])
      assert.same({}, collect(false))
      assert.same({}, collect(true))
    end
    read(1, "b", "ba")
    assert.same({ "b@1" }, collect(true))
  end)

  for _, mode in ipairs(keys.modes) do
    it("equals a list with " .. mode .. " keys at any snapshot #fuzz", function()
      for round = 1, 12 do
        local random = seed.new(round * 31 + #mode)
        local row_count = mode == "long" and 60 or random:int(20, 250)
        local all = fill(random, mode, random:int(1, 4), row_count)
        local snapshot = random:int(0, #all)
        local lower = random:int(1, 3) == 1 and random:pick(all).key or nil
        local upper = random:int(1, 3) == 1 and random:pick(all).key or nil
        local rows = visible(all, snapshot, lower, upper)
        read(snapshot, lower, upper)
        walk(random, all, rows, 400)
      end
    end)
  end

  it("allocates nothing while it leaves versions and deletes", function()
    local deleted = { kind = entries.DELETE, value = "" }
    for seq = 1, 3000 do
      local key = ("k%04d"):format(seq % 1500)
      entries.insert(memtables[1], entries.row(key, seq, seq > 10 and deleted or nil))
    end
    entries.insert(memtables[1], entries.row("k0000", 3001))
    entries.insert(memtables[1], entries.row("k9999", 3002))
    read(3002)
    assert.same({ "k0000@3001", "k9999@3002" }, collect(false))
    collect(true)

    lib.memory_fail_at(0, OFF)
    local forward, backward = collect(false), collect(true)
    lib.memory_fail_at(OFF, 0)

    assert.same({ "k0000@3001", "k9999@3002" }, forward)
    assert.same({ "k9999@3002", "k0000@3001" }, backward)
  end)

  describe("error paths", function()
    it("stops at the first row that cannot be read, and stays there", function()
      local random = seed.new(8)
      local all = fill(random, "alphabet", 1, 120)
      local rows = visible(all, 120)
      for moves = 0, 80 do
        local failing = lib.testing_failing_iter_new(iters[0], moves)
        read(120, nil, nil, failing)
        local at, steps = move(random:int(1, 2), rows, 0), 0
        while rows_iter.status == 0 and steps < 1000 do
          if rows_iter.is_valid then
            assert.same(rows[at], entries.row_of(rows_iter.entry))
          end
          at = move(rows_iter.is_valid and random:int(5, 6) or random:int(1, 2), rows, at)
          steps = steps + 1
        end
        assert.equal(CORRUPT, rows_iter.status)
        assert.is_false(rows_iter.is_valid)
        move(1, rows, 0)
        assert.is_false(rows_iter.is_valid)
        lib.testing_failing_iter_free(failing)
      end
    end)

    it("fails when there is no memory for the current key", function()
      entries.insert(memtables[1], entries.row("a", 1))
      entries.insert(memtables[1], entries.row("b", 2))
      read(2)

      lib.memory_fail_at(0, OFF)
      move(2, {}, 0)
      lib.memory_fail_at(OFF, 0)

      assert.is_false(rows_iter.is_valid)
      assert.equal(NO_MEMORY, rows_iter.status)
    end)
  end)
end)
