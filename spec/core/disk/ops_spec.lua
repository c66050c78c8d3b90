-- Operations as bytes: round trips, the bytes of core/FORMAT.md, and every way a payload can be
-- wrong.
local cdef = require "spec.support.cdef"
local example = require "spec.support.format_example"
local ffi = require "ffi"
local lib = require "spec.support.lib"
local seed = require "spec.support.seed"

cdef.load("disk/ops.h")
cdef.load("base/memory.h")

local OFF = 0xffffffffffffffffULL
local out, err

-- Anchors the strings of an entry as long as the entry lives.
local function entry_of(op)
  local entry = ffi.new("struct entry")
  entry.key.data, entry.key.size = op.key, #op.key
  entry.value.data, entry.value.size = op.value or "", #(op.value or "")
  entry.kind = op.kind or lib.ENTRY_PUT
  entry.expire_at_ms = op.expire_at_ms or 0
  entry.content_type = op.content_type or 0
  return entry
end

local function append(op)
  return lib.ops_append(out, entry_of(op), err)
end

local function bytes()
  return ffi.string(out.data, out.size)
end

-- Returns the decoded operations, and whether the end was reached exactly.
local function decode(payload)
  local memory = ffi.new("char[?]", math.max(#payload, 1))
  ffi.copy(memory, payload, #payload)
  local limit = memory + #payload
  local cursor, entry = ffi.new("const char *[1]", memory), ffi.new("struct entry")
  local ops = {}
  while cursor[0] < limit do
    local before = cursor[0]
    local rc = lib.ops_next(cursor, limit, entry)
    if rc ~= 0 then
      assert.equal(lib.LOAM_CORRUPT, rc)
      assert.is_true(cursor[0] == before)
      return ops, false
    end
    assert.is_true(cursor[0] > before and cursor[0] <= limit)
    ops[#ops + 1] = {
      kind = entry.kind,
      key = ffi.string(entry.key.data, entry.key.size),
      value = ffi.string(entry.value.data, entry.value.size),
      expire_at_ms = tonumber(entry.expire_at_ms),
      content_type = entry.content_type,
    }
  end
  return ops, true
end

local function random_op(random)
  local key = random:bytes(random:pick { 4, 5, 20, 131, 300 })
  if random:int(1, 3) == 1 then
    return { kind = lib.ENTRY_DELETE, key = key, value = "", expire_at_ms = 0, content_type = 0 }
  end
  return {
    kind = lib.ENTRY_PUT,
    key = key,
    value = random:bytes(random:pick { 0, 1, 127, 128, 1000 }),
    expire_at_ms = random:pick { 0, 1, 1700000000000 },
    content_type = random:pick { 0, 1, 65535 },
  }
end

describe("disk.ops", function()
  before_each(function()
    out, err = ffi.new("loam_buffer"), ffi.new("loam_error")
  end)
  after_each(function()
    lib.memory_fail_at(OFF, 0)
    lib.loam_buffer_free(out)
  end)

  it("writes the bytes of the format's example", function()
    append { key = "\0\0\0\1k", value = "v1" }
    append { key = "\0\0\0\1k2", expire_at_ms = 1700000000000, content_type = 2 }
    append { key = "\0\0\1\2", kind = lib.ENTRY_DELETE }

    assert.equal(example "ops", bytes())
  end)

  it("joins the bucket's id and the user's key", function()
    append { key = "\0\0\1\2key", value = "value", content_type = 7 }
    local joined = bytes()
    out.size = 0

    local op = entry_of { key = "key", value = "value", content_type = 7 }
    assert.equal(0, lib.ops_append_in(out, 258, op, err))
    assert.equal(joined, bytes())
  end)

  it("reads back what it wrote", function()
    local random, written = seed.new(1), {}
    for index = 1, 200 do
      written[index] = random_op(random)
      assert.equal(0, append(written[index]))
    end

    local read, is_whole = decode(bytes())

    assert.is_true(is_whole)
    assert.same(written, read)
  end)

  it("carries the largest key and the largest value", function()
    local op = { key = ("k"):rep(65540), value = ("v"):rep(64 * 1024 * 1024) }
    assert.equal(0, append(op))

    local read, is_whole = decode(bytes())

    assert.is_true(is_whole)
    assert.is_true(read[1].key == op.key and read[1].value == op.value)
  end)

  it("is as before when memory runs out", function()
    append { key = "\0\0\0\1k", value = "v1" }
    local before = bytes()
    lib.memory_fail_at(0, OFF)

    assert.equal(lib.LOAM_NO_MEMORY, append { key = "\0\0\0\1k", value = ("x"):rep(1000) })

    assert.equal(before, bytes())
  end)

  -- Error paths of ops_next().

  it("refuses every payload that ends early (B03)", function()
    append { key = "\0\0\0\1k2", value = "v", expire_at_ms = 5, content_type = 2 }
    local whole = bytes()

    for size = 1, #whole - 1 do
      local read, is_whole = decode(whole:sub(1, size))
      assert.is_false(is_whole, "size " .. size)
      assert.same({}, read)
    end
  end)

  it("refuses an empty range", function()
    local byte = ffi.new("char[1]")
    local cursor = ffi.new("const char *[1]", byte)
    assert.equal(lib.LOAM_CORRUPT, lib.ops_next(cursor, byte, ffi.new("struct entry")))
  end)

  local key = "\0\0\0\1k"
  local refused = {
    ["kind 0"] = "\0\5\0" .. key,
    ["a merge, reserved"] = "\3\5\0" .. key,
    ["a delete of a range, reserved"] = "\4\5\0" .. key,
    ["an unknown kind"] = "\15\5\0" .. key,
    ["an unknown flag"] = "\65\5\0" .. key,
    ["another unknown flag"] = "\129\5\0" .. key,
    ["a delete with expiry"] = "\18\5\1\0\0\0\0\0\0\0" .. key,
    ["a delete with content type"] = "\34\5\1\0" .. key,
    ["an expiry of 0"] = "\17\5\0\0\0\0\0\0\0\0\0" .. key,
    ["a content type of 0"] = "\33\5\0\0\0" .. key,
    ["a key without bucket id"] = "\1\3\0abcdefgh",
    ["a key size of 0"] = "\2\0abcdefgh",
    ["a key size above the limit (B07)"] = "\2\133\128\4" .. ("k"):rep(65541),
    ["a key size of 2^32-1 (B07)"] = "\2\255\255\255\255\15" .. key,
    ["a key size of 2^63 (B07)"] = "\2\128\128\128\128\128\128\128\128\128\1" .. key,
    ["a key size of 2^64-1 (B07)"] = "\2\255\255\255\255\255\255\255\255\255\1" .. key,
    ["a key size of 65 bits (B07)"] = "\2\255\255\255\255\255\255\255\255\255\3" .. key,
    ["a key size of 11 bytes (B07)"] = "\2\128\128\128\128\128\128\128\128\128\128\1" .. key,
    ["a value size above the limit (B07)"] = "\1\5\129\128\128\32" .. key,
    ["a value size of 2^64-1 (B07)"] = "\1\5\255\255\255\255\255\255\255\255\255\1" .. key,
    ["a value longer than the payload"] = "\1\5\3" .. key .. "vv",
  }
  for name, payload in pairs(refused) do
    it("refuses " .. name, function()
      local read, is_whole = decode(payload)

      assert.is_false(is_whole)
      assert.same({}, read)
    end)
  end

  it("survives random damage without crash or reading outside #fuzz", function()
    local random = seed.new(2)
    for _ = 1, 300 do
      out.size = 0
      for _ = 1, random:int(1, 5) do
        append(random_op(random))
      end
      local payload = bytes()
      for _ = 1, random:int(1, 4) do
        local at = random:int(1, #payload)
        payload = payload:sub(1, at - 1) .. random:bytes(1) .. payload:sub(at + random:int(0, 2))
      end
      decode(payload)
    end
  end)
end)
