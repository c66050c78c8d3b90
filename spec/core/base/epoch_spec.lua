-- Reclamation: what is retired is released once, in order, and never while a reader that could have
-- seen it is inside its bracket. Items carry a tag; the order of release is read back.
local cdef = require "spec.support.cdef"
local ffi = require "ffi"
local lib = require "spec.support.lib"

cdef.load("base/epoch.h")
cdef.load("base/testing.h")

local tags = ffi.new("int[1024]")

local function released()
  local list = {}
  for index = 0, tonumber(lib.testing_epoch_take(tags, 1024)) - 1 do
    list[#list + 1] = tags[index]
  end
  return list
end

local function collect(times)
  for _ = 1, times do
    lib.epoch_collect()
  end
end

describe("base.epoch", function()
  before_each(function()
    lib.epoch_drain()
    released()
  end)

  it("releases after two advances, not at once", function()
    lib.testing_epoch_retire(1)
    local at_once = released()
    collect(1)
    local after_one = released()
    collect(1)

    assert.same({}, at_once)
    assert.same({}, after_one)
    assert.same({ 1 }, released())
  end)

  it("releases in the order of retirement", function()
    for tag = 1, 5 do
      lib.testing_epoch_retire(tag)
      collect(1)
    end
    lib.epoch_drain()

    assert.same({ 1, 2, 3, 4, 5 }, released())
  end)

  it("releases everything retired before a drain, once", function()
    lib.testing_epoch_retire(1)
    lib.testing_epoch_retire(2)

    lib.epoch_drain()
    local first = released()
    lib.epoch_drain()

    assert.same({ 1, 2 }, first)
    assert.same({}, released())
  end)

  it("collects by itself when much is retired", function()
    for tag = 1, 300 do
      lib.testing_epoch_retire(tag)
    end

    assert.is_true(#released() > 0)
    lib.epoch_drain()
  end)

  it("releases nothing that a reader of this thread may still see", function()
    lib.epoch_enter()
    lib.testing_epoch_retire(1)
    collect(10)
    local inside = released()
    lib.epoch_exit()
    collect(3)

    assert.same({}, inside)
    assert.same({ 1 }, released())
  end)

  it("counts nested brackets as one", function()
    lib.epoch_enter()
    lib.epoch_enter()
    lib.testing_epoch_retire(1)
    lib.epoch_exit()
    collect(10)
    local inside = released()
    lib.epoch_exit()
    collect(3)

    assert.same({}, inside)
    assert.same({ 1 }, released())
  end)

  it("waits for a reader of another thread", function()
    local reader = lib.testing_reader_start()
    lib.testing_epoch_retire(1)
    collect(10)
    local inside = released()
    lib.testing_reader_stop(reader)
    collect(3)

    assert.same({}, inside)
    assert.same({ 1 }, released())
  end)

  it("does not wait for threads that have ended", function()
    for _ = 1, 20 do
      lib.testing_reader_stop(lib.testing_reader_start())
    end
    lib.testing_epoch_retire(1)
    collect(2)

    assert.same({ 1 }, released())
  end)
end)
