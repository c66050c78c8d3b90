-- Edits as structs and as bytes. All that decodes is within bounds; all else is refused without a
-- trace.
local example = require "spec.support.format_example"
local manifest = require "spec.support.manifest"
local seed = require "spec.support.seed"

local EVERYTHING = {
  next_file = 200,
  last_seq = 400,
  next_bucket = 4,
  logs_removed = { 7, 8 },
  logs_added = { 12 },
  tables_removed = { 5, 6 },
  tables_added = { manifest.table_meta(), manifest.table_meta { number = 10, run = 9 } },
  buckets_dropped = { 2 },
  buckets_added = { { id = 3, merge = 1, ttl_ms = 60000, name = "hits.2024_a-b" } },
  content_types_added = { { id = 1, name = "text/plain; charset=utf-8" } },
}

-- A varint.
local function v(value)
  local bytes = {}
  while value >= 128 do
    bytes[#bytes + 1] = string.char(128 + value % 128)
    value = math.floor(value / 128)
  end
  return table.concat(bytes) .. string.char(value)
end

local function field(tag, body)
  return v(tag) .. v(#body) .. body
end

-- The bytes of a table's field with some values replaced by ones that the setters refuse.
local function table_bytes(fields)
  local meta = manifest.table_meta(fields)
  local body = v(meta.number) .. v(meta.run) .. v(meta.size) .. v(meta.row_count)
    .. v(meta.delete_count) .. v(meta.expiry_count) .. v(meta.raw_size) .. v(meta.seq_min)
    .. v(meta.seq_max) .. v(meta.log_number) .. v(#meta.smallest)
    .. "\x88\x77\x66\x55\x44\x33\x22\x11" .. meta.smallest .. meta.largest
  return field(7, body)
end

describe("disk.manifest_edit", function()
  it("reads back what it wrote", function()
    assert.same(EVERYTHING, manifest.decode(manifest.encode(EVERYTHING)))
    assert.same({}, manifest.decode(manifest.encode {}))
  end)

  it("writes the bytes of the format's example", function()
    local fields = {
      next_file = 200,
      last_seq = 400,
      logs_removed = { 7 },
      tables_added = { manifest.table_meta() },
      buckets_added = { { id = 2, merge = 1, ttl_ms = 60000, name = "hits" } },
    }

    assert.equal(example "edit", manifest.encode(fields))
    assert.equal(table_bytes(), manifest.encode { tables_added = { manifest.table_meta() } })
  end)

  it("copies what the setters are given", function()
    local edit
    do
      local name = ("n"):rep(60)
      edit = manifest.edit { buckets_added = { { id = 2, name = name .. "aaaa" } } }
    end
    collectgarbage()
    collectgarbage()

    assert.equal(("n"):rep(60) .. "aaaa", manifest.plain(edit).buckets_added[1].name)
  end)

  it("accepts the largest values", function()
    local key = ("\255"):rep(65540)
    local fields = {
      next_file = 1000000000000,
      last_seq = 9007199254740991,
      next_bucket = 4294967295,
      logs_added = { 999999999999 },
      tables_added = {
        manifest.table_meta { number = 999999999999, smallest = key, largest = key,
          seq_min = 9007199254740991, seq_max = 9007199254740991 },
      },
      buckets_added = { { id = 4294967295, merge = 4, ttl_ms = 2 ^ 53, name = ("x"):rep(64) } },
      content_types_added = { { id = 1000, name = ("y"):rep(127) } },
    }

    assert.same(fields, manifest.decode(manifest.encode(fields)))
  end)

  it("skips unknown optional fields and keeps the others", function()
    local bytes = field(64, "whatever") .. field(2, v(5)) .. field(1000000, "")

    assert.same({ last_seq = 5 }, manifest.decode(bytes))
  end)

  -- Error paths of manifest_edit_decode.c.

  it("refuses each edit that ends within a field (B03)", function()
    local fields = { tables_added = { manifest.table_meta() } }
    local bytes = manifest.encode(fields)
    for size = 1, #bytes - 1 do
      assert.equal("CORRUPT", (select(2, manifest.decode(bytes:sub(1, size)))))
    end
  end)

  it("refuses unknown fields that are not optional (B10)", function()
    for _, tag in ipairs { 0, 11, 63 } do
      local _, code, text = manifest.decode(field(tag, "x"))
      assert.equal("UNSUPPORTED", code)
      assert.equal("manifest field " .. tag .. " is unknown to this build", text)
    end
  end)

  it("refuses an unknown merge operator (B10)", function()
    local _, code, text = manifest.decode(field(9, v(2) .. v(5) .. v(0) .. "name"))

    assert.equal("UNSUPPORTED", code)
    assert.equal("bucket 2 has merge operator 5, this build knows 0 to 4", text)
  end)

  local refused = {
    ["a field longer than the record"] = v(1) .. v(2) .. "\1",
    ["a field of 2^64-1 bytes (B07)"] = "\1\255\255\255\255\255\255\255\255\255\1x",
    ["a tag of 11 bytes (B07)"] = "\129\128\128\128\128\128\128\128\128\128\1\0",
    ["a number without bytes"] = field(1, ""),
    ["a number with bytes behind it"] = field(1, v(5) .. "\0"),
    ["next file 0"] = field(1, v(0)),
    ["a next file above the limit (K13)"] = field(1, v(1000000000001)),
    ["a last sequence number above the limit (K13)"] = field(2, v(2 ^ 53)),
    ["next bucket 0"] = field(3, v(0)),
    ["a next bucket above 32 bits"] = field(3, v(2 ^ 32)),
    ["two next files"] = field(1, v(5)) .. field(1, v(6)),
    ["two last sequence numbers"] = field(2, v(5)) .. field(2, v(5)),
    ["two next buckets"] = field(3, v(5)) .. field(3, v(6)),
    ["log 0"] = field(5, v(0)),
    ["a log above the limit"] = field(5, v(1000000000000)),
    ["a log added twice"] = field(5, v(7)) .. field(5, v(8)) .. field(5, v(7)),
    ["a log removed twice"] = field(4, v(7)) .. field(4, v(7)),
    ["table 0 removed"] = field(6, v(0)),
    ["a table removed twice"] = field(6, v(7)) .. field(6, v(7)),
    ["a table added twice"] = table_bytes() .. table_bytes { run = 3 },
    ["bucket 0 dropped"] = field(8, v(0)),
    ["a bucket above 32 bits dropped"] = field(8, v(2 ^ 32)),
    ["a bucket dropped twice"] = field(8, v(2)) .. field(8, v(2)),
    ["bucket 0"] = field(9, v(0) .. v(0) .. v(0) .. "name"),
    ["a bucket above 32 bits"] = field(9, v(2 ^ 32) .. v(0) .. v(0) .. "name"),
    ["a bucket added twice"] = field(9, v(2) .. v(0) .. v(0) .. "a")
      .. field(9, v(2) .. v(0) .. v(0) .. "b"),
    ["a bucket without name"] = field(9, v(2) .. v(0) .. v(0)),
    ["a bucket with a name of 65 bytes"] = field(9, v(2) .. v(0) .. v(0) .. ("x"):rep(65)),
    ["a bucket with a slash in its name"] = field(9, v(2) .. v(0) .. v(0) .. "a/b"),
    ["a bucket with NUL in its name"] = field(9, v(2) .. v(0) .. v(0) .. "a\0b"),
    ["a bucket with a byte above ASCII in its name"] = field(9, v(2) .. v(0) .. v(0) .. "\228"),
    ["a bucket that ends early"] = field(9, v(2) .. v(0)),
    ["content type 0"] = field(10, v(0) .. "text/plain"),
    ["a content type above the limit"] = field(10, v(1001) .. "text/plain"),
    ["a content type without name"] = field(10, v(1)),
    ["a content type with CR LF"] = field(10, v(1) .. "text/plain\r\nx: y"),
    ["a content type of 128 bytes"] = field(10, v(1) .. ("x"):rep(128)),
    ["a content type added twice"] = field(10, v(1) .. "a") .. field(10, v(1) .. "b"),
  }
  local tables = {
    ["table 0"] = { number = 0 },
    ["a table above the limit"] = { number = 1000000000000 },
    ["run 0"] = { run = 0 },
    ["a table of 0 bytes"] = { size = 0 },
    ["a table of 2^63 bytes (B07)"] = { size = 2 ^ 63 },
    ["a table without rows"] = { row_count = 0, delete_count = 0, expiry_count = 0 },
    ["more deletes than rows"] = { delete_count = 101 },
    ["more expiries than rows"] = { expiry_count = 101 },
    ["sequence number 0 in a table"] = { seq_min = 0 },
    ["a reversed range of sequence numbers"] = { seq_min = 401 },
    ["a sequence number above the limit in a table (K13)"] = { seq_max = 2 ^ 53 },
    ["a table's log above the limit"] = { log_number = 1000000000000 },
    ["a key without bucket id"] = { smallest = "\0\0\0" },
    ["a last key without bucket id"] = { largest = "" },
    ["a reversed range of keys"] = { smallest = "\0\0\0\1z", largest = "\0\0\0\1a" },
    ["a range of keys that ends in its prefix"] = { smallest = "\0\0\0\1a", largest = "\0\0\0\1" },
    ["a key above the limit (B07)"] = { largest = ("\1"):rep(65541) },
  }
  for name, fields in pairs(tables) do
    refused[name] = table_bytes(fields)
  end
  for name, bytes in pairs(refused) do
    it("refuses " .. name, function()
      local fields, code, text = manifest.decode(bytes)

      assert.is_nil(fields)
      assert.equal("CORRUPT", code)
      assert.truthy(text:find("^manifest field "))
    end)
  end

  it("gives back what it can encode, whatever the bytes #fuzz", function()
    local random = seed.new(6)
    local bytes = manifest.encode(EVERYTHING)
    for _ = 1, 1000 do
      local damaged = bytes
      for _ = 1, random:int(1, 3) do
        local at = random:int(1, #damaged)
        damaged = damaged:sub(1, at - 1) .. random:bytes(random:int(0, 2))
          .. damaged:sub(at + random:int(0, 2))
      end
      local fields, code = manifest.decode(damaged)
      if fields then
        assert.same(fields, manifest.decode(manifest.encode(fields)))
      else
        assert.truthy(code == "CORRUPT" or code == "UNSUPPORTED")
      end
    end
  end)
end)
