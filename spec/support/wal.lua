-- Write-ahead logs for specs: small verbs over disk/wal_writer.h and disk/wal_reader.h, and the
-- framing of core/FORMAT.md once more in Lua, so that specs can make what the writer refuses to.
--
--     local log = wal.create(dir, 7)               -- dir of spec.support.env
--     log:add(1, 1, "payload") log:write() log:sync() log:seal() log:close()
--     local got = wal.read(dir, 7)                 -- {payloads, ended, position, ...}
local bit = require "bit"
local cdef = require "spec.support.cdef"
local env = require "spec.support.env"
local ffi = require "ffi"
local lib = require "spec.support.lib"

cdef.load("base/checksum.h")
cdef.load("disk/file_name.h")
cdef.load("disk/wal_reader.h")
cdef.load("disk/wal_writer.h")

local wal = {}
local answer = env.answer

wal.HEADER = lib.FILE_HEADER_SIZE
wal.RECORD = lib.RECORD_HEADER_SIZE
wal.UUID = "0123456789abcdef"

--- Name of a file.
function wal.name(number, kind)
  local out = ffi.new("char[?]", lib.FILE_NAME_SIZE)
  lib.file_name_make(kind or lib.FILE_WAL, number, out)
  return ffi.string(out)
end

--- A store_id; the same one unless told otherwise.
function wal.id(uuid, epoch)
  local id = ffi.new("struct store_id")
  ffi.copy(id.uuid, uuid or wal.UUID, 16)
  id.epoch = epoch or 1
  return id
end

local function plain_link(link)
  return {
    number = tonumber(link.number),
    size = tonumber(link.size),
    chain = tostring(link.chain),
  }
end

-- ---- Writer ----

local methods = {}
local metatable = { __name = "spec.wal", __index = methods }

--- Opens a new log. options: previous (another writer or a cdata wal_link), allocate, id.
function wal.create(dir, number, options)
  options = options or {}
  local err, out = ffi.new("struct loam_error"), ffi.new("struct wal_writer *[1]")
  local rc = lib.wal_writer_open(dir._p, number, options.id or wal.id(), options.previous,
    options.allocate or 0, options.allocate or 0, out, err)
  local ok, code, text = answer(rc, err)
  if not ok then
    return nil, code, text
  end
  return setmetatable({ _p = out[0] }, metatable)
end

--- Opens a log that is made ahead.
function wal.create_ahead(dir, number, expected)
  local err, out = ffi.new("struct loam_error"), ffi.new("struct wal_writer *[1]")
  local rc = lib.wal_writer_open_ahead(dir._p, number, wal.id(), expected or 4096, out, err)
  local ok, code, text = answer(rc, err)
  if not ok then
    return nil, code, text
  end
  return setmetatable({ _p = out[0] }, metatable)
end

--- Writes the record that names the log before (a cdata wal_link).
function methods:begin(previous)
  local err = ffi.new("struct loam_error")
  return answer(lib.wal_writer_begin(self._p, previous, err), err)
end

function methods:anchor()
  lib.wal_writer_anchor(self._p)
end

function methods:add(first_seq, count, payload)
  local err = ffi.new("struct loam_error")
  self._payload = payload -- A large one is borrowed until the write.
  return answer(lib.wal_writer_add(self._p, first_seq, count, payload, #payload, err), err)
end

function methods:forget()
  lib.wal_writer_forget(self._p)
end

for _, name in ipairs { "has_failed", "is_spent", "is_empty" } do
  methods[name] = function(self)
    return lib["wal_writer_" .. name](self._p)
  end
end

for _, name in ipairs { "write", "sync", "seal" } do
  methods[name] = function(self)
    local err = ffi.new("struct loam_error")
    return answer(lib["wal_writer_" .. name](self._p, err), err)
  end
end

--- Adds one record of one operation, writes and syncs it.
function methods:commit(seq, payload)
  assert(self:add(seq, 1, payload))
  assert(self:write())
  assert(self:sync())
end

function methods:size()
  return tonumber(lib.wal_writer_size(self._p))
end

function methods:durable()
  return tonumber(lib.wal_writer_durable(self._p))
end

--- The link as cdata, for `previous`.
function methods:raw_link()
  return lib.wal_writer_link(self._p)
end

function methods:link()
  return plain_link(self:raw_link())
end

function methods:close()
  local err = ffi.new("struct loam_error")
  local pointer = self._p
  self._p = nil
  return answer(lib.wal_writer_close(pointer, err), err)
end

-- ---- Reader ----

local ENDS = { [0] = "none", "sealed", "open", "torn", "damaged" }

local function replay(reader, err)
  local record = ffi.new("struct record")
  local got = { payloads = {}, records = {} }
  local rc = lib.wal_reader_next(reader, record, err)
  while rc == 0 do
    got.payloads[#got.payloads + 1] = ffi.string(record.payload, record.size)
    got.records[#got.records + 1] = {
      offset = tonumber(record.offset),
      first_seq = tonumber(record.first_seq),
      count = record.count,
      durable_upto = tonumber(record.durable_upto),
    }
    rc = lib.wal_reader_next(reader, record, err)
  end
  if rc ~= lib.LOAM_NOT_FOUND then
    got.code, got.text = ffi.string(lib.loam_code_name(rc)), ffi.string(err.text)
    assert(lib.wal_reader_next(reader, record, err) == rc, "the answer changes")
  end
  got.ended = ENDS[lib.wal_reader_end(reader)]
  got.position = tonumber(lib.wal_reader_position(reader))
  got.dropped = tonumber(lib.wal_reader_dropped(reader))
  got.link = plain_link(lib.wal_reader_link(reader))
  got.previous = plain_link(lib.wal_reader_previous(reader))
  return got
end

--- Replays a log: a table, or nil, code, text when it cannot be opened. options: prefix, id.
function wal.read(dir, number, options)
  options = options or {}
  local err, out = ffi.new("struct loam_error"), ffi.new("struct wal_reader *[1]")
  local rc = lib.wal_reader_open(dir._p, number, options.id or wal.id(), options.prefix or false,
    out, err)
  local ok, code, text = answer(rc, err)
  if not ok then
    return nil, code, text
  end
  local got = replay(out[0], err)
  lib.wal_reader_close(out[0])
  return got
end

--- Replaces the bytes of a file.
function wal.replace(dir, name, bytes)
  assert(dir:remove(name))
  dir:put(name, bytes)
end

-- ---- The format once more ----

local function u(size, value)
  local bytes, left = {}, ffi.new("uint64_t", value)
  for index = 1, size do
    bytes[index] = string.char(tonumber(bit.band(left, 0xff)))
    left = bit.rshift(left, 8)
  end
  return table.concat(bytes)
end

local function sum(bytes, seed)
  return lib.checksum_64(bytes, #bytes, seed)
end

-- As checksum_context() of base/checksum.h.
local function context(number, offset)
  local x = bit.bxor(ffi.new("uint64_t", number) * 0x9e3779b97f4a7c15ULL,
    ffi.new("uint64_t", offset) + 0x632be59bd9b4e019ULL)
  x = bit.bxor(x, bit.rshift(x, 29)) * 0xbf58476d1ce4e5b9ULL
  return bit.bxor(x, bit.rshift(x, 32))
end

local VERSIONS = { ["LOAM.WAL"] = 2, ["LOAM.MAN"] = 1 }

--- Bytes of a file header. fields: magic, version, required, optional, number, uuid, epoch, link.
function wal.header(fields)
  local link = fields.link or { number = 0, size = 0, chain = 0 }
  local magic = fields.magic or "LOAM.WAL"
  local bytes = magic .. u(2, fields.version or VERSIONS[magic]) .. u(2, 0)
    .. u(4, fields.required or 0) .. u(4, fields.optional or 0) .. u(4, 0)
    .. u(8, fields.number) .. (fields.uuid or wal.UUID) .. u(8, fields.epoch or 1)
    .. u(8, link.number) .. u(8, link.size) .. u(8, link.chain) .. u(8, 0)
  return bytes .. u(8, sum(bytes, 0))
end

--- Bytes of a record. fields: number, offset, type, size, count, first_seq, durable_upto, payload.
function wal.record(fields)
  local payload = fields.payload or ""
  local seed = bit.bxor(sum(fields.uuid or wal.UUID, 0), context(fields.number, fields.offset))
  local rest = u(4, fields.size or #payload) .. u(1, fields.type or 1) .. "\xb5\x4c\xd6"
    .. u(4, fields.count or 1) .. u(8, fields.first_seq or 1) .. u(8, fields.durable_upto or 0)
  local checked = u(4, bit.band(sum(rest, seed), 0xffffffffULL)) .. rest .. payload
  return u(8, sum(checked, seed)) .. checked
end

return wal
