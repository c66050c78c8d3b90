-- A log that is made ahead: its first record, and what its records claim.
local env = require "spec.support.env"
local example = require "spec.support.format_example"
local ffi = require "ffi"
local wal = require "spec.support.wal"

describe("disk.wal_writer of a log made ahead", function()
  local dir

  before_each(function()
    dir = assert(env.mem():open("/wal", true))
  end)

  after_each(env.close_all)

  it("writes the bytes of the format's example of a log made ahead", function()
    local log = assert(wal.create_ahead(dir, 8))
    assert(log:begin(ffi.new("struct wal_link", { number = 7, size = 142, chain = 515 })))
    log:commit(1001, "\2\4\0\0\0\1")
    assert(log:close())

    assert.equal(example "wal-ahead", dir:get(wal.name(8)))
  end)

  it("claims what is durable only once the logs before it are sealed", function()
    local log = assert(wal.create_ahead(dir, 9))
    assert(log:begin(ffi.new("struct wal_link", { number = 8, size = 200, chain = 1 })))
    assert.is_true(log:is_empty())
    log:commit(1, "one")
    log:commit(2, "two")
    log:anchor()
    log:commit(3, "three")
    assert(log:seal())
    assert(log:close())

    local got = wal.read(dir, 9)
    assert.equal("sealed", got.ended)
    assert.same({ number = 8, size = 200, chain = "1ULL" }, got.previous)
    assert.equal(0, got.records[1].durable_upto)
    assert.equal(0, got.records[2].durable_upto)
    assert.equal(got.records[3].offset, got.records[3].durable_upto)
  end)
end)
