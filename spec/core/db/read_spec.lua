-- Point reads into memory of the caller's own.
local env = require "spec.support.env"
local fault = require "spec.support.fault"
local ffi = require "ffi"
local lib = require "spec.support.lib"
local store = require "spec.support.db"

local CAPACITY = 16

describe("db.read", function()
  local db, bytes, place, meta

  before_each(function()
    db = assert(store.open(fault.new(1)._p, "/db"))
    bytes = ffi.new("char[?]", CAPACITY + 1, ("."):rep(CAPACITY))
    place, meta = ffi.new("loam_buffer"), ffi.new("loam_meta")
    place.data, place.capacity = bytes, CAPACITY
  end)

  after_each(function()
    store.close_all()
    env.close_all()
  end)

  local function get_into(key)
    local rc = lib.loam_get_into(db._p, 1, key, #key, nil, place, meta, db._err)
    return rc == 0 and ffi.string(place.data, place.size) or ffi.string(lib.loam_code_name(rc))
  end

  for where, settle in pairs { ["a memtable"] = function() end,
    ["a table"] = function() assert(db:flush()) end } do
    it("copies a value out of " .. where .. " into the caller's memory", function()
      local seq = assert(db:put("a", ("x"):rep(CAPACITY)))
      settle()

      assert.equal(("x"):rep(CAPACITY), get_into "a")

      assert.equal(seq, tonumber(meta.seq))
      assert.equal(CAPACITY, tonumber(place.capacity))
    end)

    it("tells the size of a value in " .. where .. " that does not fit, and copies none", function()
      assert(db:put("a", ("x"):rep(CAPACITY + 1)))
      settle()

      assert.equal("TOO_LARGE", get_into "a")

      assert.equal(CAPACITY + 1, tonumber(meta.value_size))
      assert.equal(("."):rep(CAPACITY), ffi.string(bytes, CAPACITY))
    end)
  end

  it("copies an empty value", function()
    assert(db:put("a", ""))

    assert.equal("", get_into "a")
  end)

  it("finds neither absent keys nor deleted ones", function()
    assert(db:put("a", "1"))
    assert(db:delete("a"))

    assert.equal("NOT_FOUND", get_into "a")
    assert.equal("NOT_FOUND", get_into "b")
  end)

  it("tells views that keep a block from those that keep memtables", function()
    local function is_light()
      local view = ffi.new("loam_view")
      assert.equal(0, lib.loam_get_view(db._p, 1, "a", 1, nil, view, db._err))
      local answer = lib.loam_view_is_light(view)
      lib.loam_view_release(view)
      return answer
    end
    assert(db:put("a", "1"))
    assert.is_false(is_light())

    assert(db:flush())

    assert.is_true(is_light())
    assert.is_true(lib.loam_view_is_light(ffi.new("loam_view")))
  end)
end)
