-- Rows, blocks and table files for the specs of core/disk and core/lsm.
--
--     local tables = require "spec.support.table"
--     local store = tables.store()                       -- a temporary directory with an identity
--     local meta = store:build(12, tables.rows(100))     -- writes 000000000012.sst
--     local reader = store:open(meta)
--
-- A row is {key = stored key, value = "", seq = 1, kind = 1, expire = 0, type = 0}; rows are sorted
-- by tables.sort: key ascending, sequence descending. meta is a plain Lua table.
local cdef = require "spec.support.cdef"
local ffi = require "ffi"
local lib = require "spec.support.lib"
local tmpdir = require "spec.support.tmp"

cdef.load("env/env.h")
cdef.load("base/checksum.h")
cdef.load("base/memory.h")
cdef.load("disk/table_testing.h")

local tables = { PUT = 1, DELETE = 2, SEQ_MAX = 2 ^ 53 - 1 }
local err = ffi.new("loam_error")

--- Text of the last error of this module's calls.
function tables.text()
  return ffi.string(err.text)
end

tables.err = err

--- The stored key of a user's key in bucket `id`.
function tables.stored(key, id)
  id = id or 1
  return string.char(0, 0, bit.rshift(id, 8), bit.band(id, 255)) .. key
end

function tables.before(a, b)
  if a.key ~= b.key then
    return a.key < b.key
  end
  return a.seq > b.seq
end

function tables.sort(rows)
  table.sort(rows, tables.before)
  return rows
end

--- n dense rows of ten-digit keys.
function tables.rows(n, value)
  local rows = {}
  for index = 1, n do
    rows[index] = {
      key = tables.stored(("%010d"):format(index * 2)),
      value = value or ("value %d"):format(index),
      seq = index,
    }
  end
  return rows
end

--- Fills a struct entry; the row's strings must outlive it.
function tables.entry(row, out)
  out = out or ffi.new("struct entry")
  out.key.data, out.key.size = row.key, #row.key
  local value = row.value or ""
  out.value.data, out.value.size = value, #value
  out.seq, out.kind = row.seq, row.kind or tables.PUT
  out.expire_at_ms, out.content_type = row.expire or 0, row.type or 0
  return out
end

--- The row that a struct entry holds.
function tables.row(entry)
  return {
    key = ffi.string(entry.key.data, entry.key.size),
    value = ffi.string(entry.value.data, entry.value.size),
    seq = tonumber(entry.seq),
    kind = tonumber(entry.kind),
    expire = tonumber(entry.expire_at_ms),
    type = tonumber(entry.content_type),
  }
end

--- The same row with every field.
function tables.full(row)
  return {
    key = row.key,
    value = row.value or "",
    seq = row.seq,
    kind = row.kind or tables.PUT,
    expire = row.expire or 0,
    type = row.type or 0,
  }
end

local COUNTERS = {
  "number", "size", "row_count", "delete_count", "expiry_count", "raw_size", "seq_min", "seq_max",
}

local function meta_of(cmeta)
  local meta = { hash = cmeta.hash }
  for _, name in ipairs(COUNTERS) do
    meta[name] = tonumber(cmeta[name])
  end
  meta.smallest = ffi.string(cmeta.smallest.data, cmeta.smallest.size)
  meta.largest = ffi.string(cmeta.largest.data, cmeta.largest.size)
  return meta
end

--- The struct table_meta of a Lua meta, which must outlive it.
function tables.cmeta(meta)
  local cmeta = ffi.new("struct table_meta")
  for _, name in ipairs(COUNTERS) do
    cmeta[name] = meta[name]
  end
  cmeta.hash, cmeta.run = meta.hash, meta.run or 1
  cmeta.smallest.data, cmeta.smallest.size = meta.smallest, #meta.smallest
  cmeta.largest.data, cmeta.largest.size = meta.largest, #meta.largest
  return cmeta
end

local store = {}
local store_meta = { __name = "spec.store", __index = store }

--- A temporary directory opened through env, with a fixed uuid.
function tables.store(uuid)
  local self = setmetatable({ path = tmpdir() }, store_meta)
  self.id = ffi.new("struct store_id")
  self.id.epoch = 1
  ffi.copy(self.id.uuid, uuid or "0123456789abcdef", 16)
  local out = ffi.new("struct env_dir *[1]")
  assert(lib.env_open_dir(lib.env_posix(), self.path, false, out, err) == 0, "no directory")
  self.dir = ffi.gc(out[0], lib.env_dir_close)
  return self
end

function store:file(number)
  return ("%s/%012d.sst"):format(self.path, number)
end

--- Bytes of a table file.
function store:read(number)
  local file = assert(io.open(self:file(number), "rb"))
  local bytes = file:read("*a")
  file:close()
  return bytes
end

function store:write(number, bytes)
  local file = assert(io.open(self:file(number), "wb"))
  file:write(bytes)
  file:close()
end

--- A builder, and a function add(row) that returns the code.
function store:builder(number, options)
  options = options or {}
  local coptions = ffi.new("struct table_options")
  coptions.block_bytes = options.block_bytes or 4096
  coptions.compression = options.compression or 0
  coptions.point_index = options.point_index ~= false
  coptions.write_behind_bytes = options.write_behind_bytes or 0
  local out = ffi.new("struct table_builder *[1]")
  local code = lib.table_builder_open(self.dir, number, self.id, coptions, out, err)
  if code ~= 0 then
    return nil, code
  end
  local builder = ffi.gc(out[0], lib.table_builder_close)
  local entry = ffi.new("struct entry")
  return builder, function(row)
    return lib.table_builder_add(builder, tables.entry(row, entry), err)
  end
end

--- Writes a table of sorted rows and returns its meta.
function store:build(number, rows, options)
  local builder, add = self:builder(number, options)
  assert(builder, tables.text())
  for _, row in ipairs(rows) do
    if add(row) ~= 0 then
      error(tables.text(), 2)
    end
  end
  local cmeta = ffi.new("struct table_meta")
  if lib.table_builder_finish(builder, cmeta, err) ~= 0 then
    error(tables.text(), 2)
  end
  local meta = meta_of(cmeta)
  lib.table_builder_close(ffi.gc(builder, nil))
  return meta
end

--- A reader, or nil and the code.
function store:open(meta)
  local out = ffi.new("struct table_reader *[1]")
  local code = lib.table_reader_open(self.dir, meta.number, meta.size, self.id, out, err)
  if code ~= 0 then
    return nil, code
  end
  return ffi.gc(out[0], lib.table_reader_close)
end

--- Block `index` of a reader, or nil and the code.
function tables.block(reader, index)
  local out = ffi.new("struct block *[1]")
  local code = lib.testing_reader_block(reader, index, out, err)
  if code ~= 0 then
    return nil, code
  end
  return ffi.gc(out[0], lib.testing_block_free)
end

--- All rows of a block.
function tables.block_rows(block)
  local rows, key, entry = {}, ffi.new("loam_buffer"), ffi.new("struct entry")
  for index = 0, lib.testing_block_count(block) - 1 do
    assert(lib.testing_block_row(block, index, key, entry) == 0)
    rows[index + 1] = tables.row(entry)
  end
  lib.loam_buffer_free(key)
  return rows
end

--- All rows of a table, or nil and the code of the first block that cannot be read.
function tables.all_rows(reader)
  local rows = {}
  for index = 0, lib.table_reader_block_count(reader) - 1 do
    local block, code = tables.block(reader, index)
    if not block then
      return nil, code
    end
    for _, row in ipairs(tables.block_rows(block)) do
      rows[#rows + 1] = row
    end
  end
  return rows
end

--- Index (from 1) of the first row at or after (key, seq) in sorted rows; #rows + 1 when none.
function tables.lower_bound(rows, key, seq)
  local low, high = 1, #rows + 1
  while low < high do
    local middle = math.floor((low + high) / 2)
    if tables.before(rows[middle], { key = key, seq = seq }) then
      low = middle + 1
    else
      high = middle
    end
  end
  return low
end

local MODES = {
  digits = function(random, n)
    return ("%016d"):format(random:int(0, n * 3))
  end,
  binary = function(random)
    return random:bytes(random:int(1, 24))
  end,
  -- Few bytes, many shared prefixes, zeros at the end, the empty key.
  small = function(random)
    return random:bytes(random:int(0, 9), "\0\1a\255")
  end,
  long = function(random)
    return ("k"):rep(random:pick { 0, 1, 7, 8, 9, 700, 65000 }) .. random:bytes(random:int(0, 500))
  end,
  versions = function(random)
    return ("key%d"):format(random:int(1, 4))
  end,
}

tables.modes = { "digits", "binary", "small", "long", "versions" }

--- n random rows in a key mode, sorted, (key, seq) unique; sequences are a shuffle-like order.
function tables.random_rows(random, mode, n)
  local rows = {}
  for index = 1, n do
    local is_delete = random:int(1, 10) == 1
    rows[index] = {
      key = tables.stored(MODES[mode](random, n), random:pick { 1, 1, 1, 2, 300 }),
      value = is_delete and "" or random:bytes(random:int(0, 40)),
      seq = index * 3,
      kind = is_delete and tables.DELETE or tables.PUT,
      expire = random:int(1, 5) == 1 and random:int(1, 2 ^ 30) or 0,
      type = random:int(1, 5) == 1 and random:int(1, 1000) or 0,
    }
  end
  return tables.sort(rows)
end

return tables
