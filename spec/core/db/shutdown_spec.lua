-- loam_shutdown(): the end of a store that other threads still use (K09).
local env = require "spec.support.env"
local fault = require "spec.support.fault"
local ffi = require "ffi"
local lib = require "spec.support.lib"
local paths = require "spec.support.paths"
local seed = require "spec.support.seed"
local shell = require "spec.support.shell"
local store = require "spec.support.db"
local tmpdir = require "spec.support.tmp"

local ROUNDS = 40

local function code_of(_, code)
  return code
end

describe("db shutdown", function()
  after_each(function()
    store.close_all()
    env.close_all()
  end)

  it("refuses with CLOSED what would be new, answers reads, and closes", function()
    local files = fault.new(1)
    local db = assert(store.open(files._p, "/db"))
    assert(db:put("a", "1"))

    lib.loam_shutdown(db._p)

    assert.equal("CLOSED", code_of(db:put("b", "2")))
    assert.equal("CLOSED", code_of(db:flush()))
    assert.equal("CLOSED", code_of(db:sync()))
    assert.equal("CLOSED", code_of(db:compact()))
    assert.equal("CLOSED", code_of(db:bucket("c", { create = true })))
    assert.equal("CLOSED", code_of(db:rows()))
    assert.equal("1", db:get "a")
    assert(db:close())
    db = assert(store.open(files._p, "/db"))
    assert.same({ { "a", "1" } }, db:rows())
    assert(db:close())
  end)

  it("lets an open scan and snapshot go on until they are closed", function()
    local db = assert(store.open(fault.new(1)._p, "/db"))
    assert(db:put("a", "1"))
    local snapshot, scan = db:snapshot(), ffi.new("loam_scan *[1]")
    assert.equal(0, lib.loam_scan_open(db._p, 1, ffi.new "loam_range", snapshot, scan, nil))

    lib.loam_shutdown(db._p)

    local rows = ffi.new "loam_rows"
    assert.equal(0, lib.loam_scan_next(scan[0], rows, nil))
    assert.equal(1, tonumber(rows.count))
    assert.equal("BUSY", code_of(db:close()))
    lib.loam_scan_close(scan[0])
    lib.loam_snapshot_close(snapshot)
    assert(db:close())
  end)

  it("ends every public call in flight in sixteen threads (K09)", function()
    local result = shell.run("timeout", "120", paths.build .. "/loam_stress_close",
      tmpdir() .. "/db", ROUNDS, seed.value)

    assert.equal(0, result.status, result.out .. result.err)
    assert.matches(ROUNDS .. " shutdowns", result.out)
  end)
end)
