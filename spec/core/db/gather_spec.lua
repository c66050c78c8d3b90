-- Whether a group waits for more before its sync: the counting alone, and that writers who write
-- again at once come to share one sync.
local cdef = require "spec.support.cdef"
local ffi = require "ffi"
local lib = require "spec.support.lib"

cdef.load("db/gather.h")

local SYNC_NS = 100000

describe("db.gather", function()
  local gather

  before_each(function()
    gather = ffi.new("struct gather")
  end)

  -- A group of `ops` is synced while `behind` more came.
  local function commit(ops, behind)
    lib.gather_note_sync(gather, SYNC_NS)
    gather.queued = behind
    lib.gather_note_group(gather, ops)
  end

  local function target()
    return tonumber(lib.gather_target(gather))
  end

  local function span_ns(wanted)
    return tonumber(lib.gather_span_ns(gather, wanted))
  end

  it("waits for nobody when nobody was answered", function()
    assert.equal(0, target())
    commit(1, 0)
    gather.queued = 1
    assert.equal(0, target())
  end)

  it("waits for those who were just answered, half a sync when they are half of all", function()
    commit(4, 4)

    assert.equal(8, target())
    assert.equal(SYNC_NS / 2, span_ns(8))
    gather.queued = 7
    assert.equal(SYNC_NS / 8, span_ns(8))
    gather.queued = 8
    assert.equal(0, target())
  end)

  it("does without one in sixteen", function()
    commit(128, 128)

    assert.equal(240, target())
    assert.equal(SYNC_NS * 112 / 256, span_ns(240))
  end)

  it("waits two milliseconds at most, however long a sync takes", function()
    lib.gather_note_sync(gather, 1e9)
    gather.queued = 1
    lib.gather_note_group(gather, 1)

    assert.equal(2e6, span_ns(2))
  end)

  it("waits with no write that asks for no sync", function()
    commit(4, 4)
    gather.hasty = 1
    assert.equal(0, target())
  end)

  it("expects nobody back from a group that was not synced", function()
    gather.queued = 4
    lib.gather_note_group(gather, 4)
    assert.equal(0, target())
  end)

  it("gives up for longer and longer when they do not come, until they do", function()
    local skipped = {}
    for wait = 1, 9 do
      local groups = 0
      commit(1, 1)
      while target() == 0 do
        groups = groups + 1
        commit(1, 1)
      end
      skipped[wait] = groups
      lib.gather_note_wait(gather, 2)
    end
    assert.same({ 0, 1, 2, 4, 8, 16, 32, 64, 64 }, skipped)

    gather.skipped, gather.queued = 0, 2
    lib.gather_note_wait(gather, 2)
    commit(1, 1)
    assert.equal(2, target())
  end)

  it("smooths what a sync takes", function()
    lib.gather_note_sync(gather, 800)
    assert.equal(800, tonumber(gather.sync_ns))
    lib.gather_note_sync(gather, 1600)
    assert.equal(900, tonumber(gather.sync_ns))
  end)
end)
