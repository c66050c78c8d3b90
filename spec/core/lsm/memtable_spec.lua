-- The memtable against a plain sorted list: gets at any snapshot, walks in both directions, and one
-- writer beside readers that check what they see.
local cdef = require "spec.support.cdef"
local entries = require "spec.support.entries"
local ffi = require "ffi"
local keys = require "spec.support.keys"
local lib = require "spec.support.lib"
local seed = require "spec.support.seed"

cdef.load("base/checksum.h")
cdef.load("base/memory.h")
cdef.load("lsm/lsm_testing.h")

local DELETE, SEQ_MAX = entries.DELETE, entries.SEQ_MAX
local NO_MEMORY = -22
local OFF = 0xffffffffffffffffULL

local err = ffi.new("struct loam_error")
local out = ffi.new("struct entry")
local slice, row_of, insert, row = entries.slice, entries.row_of, entries.insert, entries.row
local lower = entries.lower

local function get(memtable, key, snapshot)
  local hash = lib.checksum_64(key, #key, 0)
  if lib.memtable_get(memtable, slice(key), hash, snapshot, out) then
    return row_of(out)
  end
  return nil
end

local function check(memtable)
  if lib.memtable_check(memtable, err) ~= 0 then
    error(ffi.string(err.text))
  end
end

local function model_get(rows, key, snapshot)
  local found = rows[lower(rows, key, snapshot)]
  return found and found.key == key and found or nil
end

local function fill(memtable, random, mode, count)
  local rows = {}
  for seq = 1, count do
    rows[seq] = entries.random_row(random, keys[mode](random, seq), seq)
    assert.equal(0, insert(memtable, rows[seq]))
  end
  table.sort(rows, entries.precedes)
  return rows
end

local moves = {
  function(iter, rows) iter.ops.first(iter) return math.min(1, #rows) end,
  function(iter, rows) iter.ops.last(iter) return #rows end,
  function(iter, rows, _, key, seq)
    iter.ops.seek(iter, slice(key), seq)
    return lower(rows, key, seq)
  end,
  function(iter, rows, _, key, seq)
    iter.ops.seek_before(iter, slice(key), seq)
    return lower(rows, key, seq) - 1
  end,
  function(iter, _, at) iter.ops.next(iter) return at + 1 end,
  function(iter, _, at) iter.ops.prev(iter) return at - 1 end,
}

-- Steps are more frequent than seeks.
local STANDING_MOVES = { 1, 2, 3, 4, 5, 5, 5, 5, 6, 6, 6, 6 }

describe("lsm.memtable", function()
  local memtable

  before_each(function() memtable = lib.memtable_new(7) end)
  after_each(function()
    lib.memory_fail_at(OFF, 0)
    lib.memtable_unref(memtable)
  end)

  it("is empty at first", function()
    assert.is_nil(get(memtable, "a", SEQ_MAX))
    assert.equal(0, tonumber(lib.memtable_count(memtable)))
    assert.equal(0, tonumber(lib.memtable_seq_max(memtable)))
    assert.equal(7, tonumber(lib.memtable_log_number(memtable)))
    check(memtable)
  end)

  it("gives back every field of a row", function()
    local rows = {
      row("a", 1, { value = "", kind = DELETE }),
      row("b", 2, { expire_at_ms = 2 ^ 45 + 1, content_type = 65535 }),
      row(("k"):rep(65540), 3, { value = ("v"):rep(2 ^ 20), content_type = 1 }),
      row("", SEQ_MAX, { expire_at_ms = 1 }),
    }
    for _, one in ipairs(rows) do
      insert(memtable, one)
    end

    for _, one in ipairs(rows) do
      assert.same(one, get(memtable, one.key, SEQ_MAX))
    end
  end)

  it("finds the version that a snapshot sees", function()
    for _, seq in ipairs { 3, 7, 9 } do
      insert(memtable, row("k", seq))
    end

    assert.is_nil(get(memtable, "k", 2))
    assert.equal(3, get(memtable, "k", 6).seq)
    assert.equal(7, get(memtable, "k", 7).seq)
    assert.equal(9, get(memtable, "k", SEQ_MAX).seq)
    assert.is_nil(get(memtable, "kk", SEQ_MAX))
    assert.is_nil(get(memtable, "", SEQ_MAX))
  end)

  it("finds an old version under many newer ones", function()
    for seq = 1, 2000 do
      insert(memtable, row("k", seq))
    end
    insert(memtable, row("l", 2001))

    for _, seq in ipairs { 1, 2, 1000, 1990, 1999, 2000 } do
      assert.equal(seq, get(memtable, "k", seq).seq)
    end
    assert.is_nil(get(memtable, "k", 0))
    check(memtable)
  end)

  it("takes versions in any order", function()
    for _, seq in ipairs { 5, 2, 9, 1, 7 } do
      insert(memtable, row("k", seq))
    end

    assert.equal(9, get(memtable, "k", SEQ_MAX).seq)
    assert.equal(2, get(memtable, "k", 4).seq)
    check(memtable)
  end)

  it("counts rows, deletes, bytes and the last sequence", function()
    local before = tonumber(lib.memtable_bytes(memtable))
    insert(memtable, row("a", 4, { value = ("x"):rep(10000) }))
    insert(memtable, row("a", 5, { kind = DELETE, value = "" }))
    local after = tonumber(lib.memtable_bytes(memtable))

    assert.equal(2, tonumber(lib.memtable_count(memtable)))
    assert.equal(1, tonumber(lib.memtable_delete_count(memtable)))
    assert.equal(5, tonumber(lib.memtable_seq_max(memtable)))
    assert.is_true(after - before >= 10000 and after - before < 13000)
  end)

  for _, mode in ipairs(keys.modes) do
    it("equals a sorted list with " .. mode .. " keys #fuzz", function()
      local random = seed.new(#mode)
      local rows = fill(memtable, random, mode, mode == "long" and 60 or 700)
      check(memtable)
      local iter = lib.testing_memtable_iter_new(memtable)
      local at = 0

      for step = 1, 3000 do
        assert.equal(rows[at] ~= nil, iter.is_valid)
        assert.same(rows[at] or false, iter.is_valid and row_of(iter.entry))
        local key = random:int(1, 2) == 1 and random:pick(rows).key or keys[mode](random, step)
        local snapshot = random:int(0, #rows)
        assert.same(model_get(rows, key, snapshot), get(memtable, key, snapshot))
        local choice = rows[at] and random:pick(STANDING_MOVES) or random:int(1, 4)
        at = moves[choice](iter, rows, at, key, snapshot)
      end
      iter.ops.free(iter)
      lib.testing_memtable_iter_free(iter)
    end)
  end

  for _, mode in ipairs(keys.modes) do
    it("takes rows abreast as one by one, with " .. mode .. " keys #fuzz", function()
      local random = seed.new(#mode + 100)
      local rows, window = {}, ffi.new("struct entry[?]", lib.MEMTABLE_ABREAST)
      for seq = 1, mode == "long" and 60 or 900 do
        rows[seq] = entries.random_row(random, keys[mode](random, seq), seq)
      end
      local from = 1
      while from <= #rows do
        local count = math.min(random:int(1, lib.MEMTABLE_ABREAST), #rows - from + 1)
        for index = 0, count - 1 do
          entries.fill(window[index], rows[from + index])
        end
        assert.equal(0, lib.memtable_insert_abreast(memtable, window, count, err))
        from = from + count
      end

      check(memtable)
      assert.equal(#rows, tonumber(lib.memtable_count(memtable)))
      for _, one in ipairs(rows) do
        assert.same(one, get(memtable, one.key, one.seq))
      end
    end)
  end

  -- Sends for a row, then now and then inserts another one first: what was found is void then.
  for _, mode in ipairs(keys.modes) do
    it("takes rows that were sent for like any other, with " .. mode .. " keys #fuzz", function()
      local random = seed.new(#mode + 200)
      local rows, window = {}, ffi.new("struct entry[2]")
      local count = mode == "long" and 60 or 900
      for seq = 1, count do
        rows[seq] = entries.random_row(random, keys[mode](random, seq), seq)
      end
      for seq = 1, count, 2 do
        entries.fill(window[0], rows[seq])
        entries.fill(window[1], rows[seq + 1])
        local early = random:int(0, 2) -- After which step the other row goes in.
        local steps = { "memtable_send_for_leaf", "memtable_send_for_rows" }
        for step = 0, 2 do
          if step > 0 then
            lib[steps[step]](memtable, window[0])
          end
          if step == early then
            assert.equal(0, lib.memtable_insert(memtable, window[1], err))
          end
        end
        assert.equal(0, lib.memtable_insert(memtable, window[0], err))
      end

      check(memtable)
      assert.equal(#rows, tonumber(lib.memtable_count(memtable)))
      for _, one in ipairs(rows) do
        assert.same(one, get(memtable, one.key, one.seq))
      end
    end)
  end

  it("takes rows in ascending and in descending order", function()
    for number = 1, 3000 do
      insert(memtable, row(("u%08d"):format(number), number))
    end
    for number = 3000, 1, -1 do
      insert(memtable, row(("d%08d"):format(number), 10000 - number))
    end

    check(memtable)
    assert.equal(77, get(memtable, "u00000077", SEQ_MAX).seq)
    assert.equal(10000 - 77, get(memtable, "d00000077", SEQ_MAX).seq)
  end)

  it("shows the newest version of the next key while a writer moves entries", function()
    for seq, key in ipairs { "k", "k", "k", "m", "m" } do
      insert(memtable, row(key, seq))
    end

    for at = 1, 4 do
      assert.equal(5, tonumber(lib.testing_memtable_torn(memtable, at)))
    end
  end)

  it("is read rightly while it is written #slow", function()
    for _, key_count in ipairs { 20, 3000, 1000000 } do
      local rc = lib.testing_memtable_race(20000, key_count, 3, seed.value, err)
      assert.equal(0, rc, ffi.string(err.text))
    end
  end)

  describe("error paths", function()
    it("answers NULL when there is no memory for a memtable", function()
      for after = 0, 2 do
        lib.memory_fail_at(after, 1)
        assert.is_true(lib.memtable_new(1) == nil)
      end
    end)

    it("adds a row in full or not at all when memory runs out", function()
      local random = seed.new(3)
      local rows = {}
      for seq = 1, 3000 do
        local one = row(keys.binary(random, seq), seq)
        lib.memory_fail_at(0, seq % 3 == 0 and 1 or 0)
        local rc = insert(memtable, one)
        lib.memory_fail_at(OFF, 0)
        if rc == 0 then
          rows[#rows + 1] = one
        else
          assert.equal(NO_MEMORY, rc)
          local seen = get(memtable, one.key, seq)
          assert.is_false(seen ~= nil and seen.seq == seq)
        end
      end

      check(memtable)
      assert.equal(#rows, tonumber(lib.memtable_count(memtable)))
      for _, one in ipairs(rows) do
        assert.same(one, get(memtable, one.key, one.seq))
      end
    end)
  end)
end)
