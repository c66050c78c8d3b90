-- Manifest edits and manifests for specs, as Lua tables.
--
--     local bytes = manifest.encode { next_file = 9, logs_added = { 7 }, tables_added = { {...} } }
--     local edit = manifest.decode(bytes)           -- the same table, or nil, code, text
--     manifest.write(dir, 3, { edit, edit })        -- a whole file
--     local edits = manifest.read(dir, 3)           -- or nil, code, text, edits so far
local cdef = require "spec.support.cdef"
local env = require "spec.support.env"
local ffi = require "ffi"
local lib = require "spec.support.lib"
local wal = require "spec.support.wal"

cdef.load("disk/manifest_log.h")

local manifest = {}
local answer = env.answer
local NUMBERS = {
  "number", "run", "size", "hash", "row_count", "delete_count", "expiry_count", "raw_size",
  "seq_min", "seq_max", "log_number",
}

--- A table's meta with every field set; `fields` overrides.
function manifest.table_meta(fields)
  local meta = {
    number = 9, run = 8, size = 4096, hash = 0x1122334455667788ULL, row_count = 100,
    delete_count = 3, expiry_count = 2, raw_size = 9000, seq_min = 11, seq_max = 400,
    log_number = 7, smallest = "\0\0\0\1a", largest = "\0\0\0\1z",
  }
  for name, value in pairs(fields or {}) do
    meta[name] = value
  end
  return meta
end

local function set_slice(slice, text)
  slice.data, slice.size = text, #text
end

local function raw_table(meta)
  local raw = ffi.new("struct table_meta")
  for _, name in ipairs(NUMBERS) do
    raw[name] = meta[name]
  end
  set_slice(raw.smallest, meta.smallest)
  set_slice(raw.largest, meta.largest)
  return raw
end
manifest.raw_table = raw_table

local function raw_bucket(bucket)
  local raw = ffi.new("struct bucket_meta")
  raw.id, raw.merge, raw.ttl_ms = bucket.id, bucket.merge or 0, bucket.ttl_ms or 0
  set_slice(raw.name, bucket.name)
  return raw
end

local ADDERS = {
  logs_removed = function(edit, number, err)
    return lib.manifest_edit_remove_log(edit, number, err)
  end,
  logs_added = function(edit, number, err)
    return lib.manifest_edit_add_log(edit, number, err)
  end,
  tables_removed = function(edit, number, err)
    return lib.manifest_edit_remove_table(edit, number, err)
  end,
  tables_added = function(edit, meta, err)
    return lib.manifest_edit_add_table(edit, raw_table(meta), err)
  end,
  buckets_dropped = function(edit, id, err)
    return lib.manifest_edit_drop_bucket(edit, id, err)
  end,
  buckets_added = function(edit, bucket, err)
    return lib.manifest_edit_add_bucket(edit, raw_bucket(bucket), err)
  end,
  content_types_added = function(edit, type, err)
    local name = ffi.new("struct slice")
    set_slice(name, type.name)
    return lib.manifest_edit_add_content_type(edit, type.id, name, err)
  end,
}

--- Makes a struct manifest_edit of a table; released by the collector.
function manifest.edit(fields)
  local edit, err = lib.manifest_edit_new(), ffi.new("struct loam_error")
  assert(edit ~= nil, "out of memory")
  ffi.gc(edit, lib.manifest_edit_free)
  for name, add in pairs(ADDERS) do
    for _, value in ipairs(fields[name] or {}) do
      assert(answer(add(edit, value, err), err))
    end
  end
  if fields.next_file then
    lib.manifest_edit_set_next_file(edit, fields.next_file)
  end
  if fields.last_seq then
    lib.manifest_edit_set_last_seq(edit, fields.last_seq)
  end
  if fields.next_bucket then
    lib.manifest_edit_set_next_bucket(edit, fields.next_bucket)
  end
  return edit
end

local function text_of(slice)
  return ffi.string(slice.data, slice.size)
end

local function plain_table(raw)
  local meta = { smallest = text_of(raw.smallest), largest = text_of(raw.largest) }
  for _, name in ipairs(NUMBERS) do
    meta[name] = name == "hash" and raw.hash or tonumber(raw[name])
  end
  return meta
end

local function plain_bucket(raw)
  return { id = raw.id, merge = raw.merge, ttl_ms = tonumber(raw.ttl_ms), name = text_of(raw.name) }
end

local function plain_type(raw)
  return { id = raw.id, name = text_of(raw.name) }
end

local LISTS = {
  logs_removed = tonumber, logs_added = tonumber, tables_removed = tonumber,
  tables_added = plain_table, buckets_dropped = tonumber, buckets_added = plain_bucket,
  content_types_added = plain_type,
}

--- A struct manifest_edit as a table, without what is empty.
function manifest.plain(edit)
  local view, fields = lib.manifest_edit_get(edit), {}
  for name, convert in pairs(LISTS) do
    local list = {}
    for index = 0, tonumber(view[name .. "_count"]) - 1 do
      list[#list + 1] = convert(view[name][index])
    end
    fields[name] = #list > 0 and list or nil
  end
  for _, name in ipairs { "next_file", "last_seq", "next_bucket" } do
    local value = tonumber(view[name])
    fields[name] = value ~= 0 and value or nil
  end
  return fields
end

--- The bytes of an edit.
function manifest.encode(fields)
  local edit = manifest.edit(fields)
  return env.out_buffer(function(buffer, err)
    return lib.manifest_edit_encode(edit, buffer, err)
  end)
end

--- The edit of bytes, or nil, code, text.
function manifest.decode(bytes)
  local edit, err = manifest.edit {}, ffi.new("struct loam_error")
  local memory = ffi.new("char[?]", math.max(#bytes, 1))
  ffi.copy(memory, bytes, #bytes)
  local ok, code, text = answer(lib.manifest_edit_decode(edit, memory, #bytes, err), err)
  local fields = manifest.plain(edit)
  if not ok then
    assert(next(fields) == nil, "a failed decode leaves something behind")
    return nil, code, text
  end
  return fields
end

--- Name of a manifest.
function manifest.name(number)
  return wal.name(number, lib.FILE_MANIFEST)
end

-- ---- Writer ----

local methods = {}
local metatable = { __name = "spec.manifest", __index = methods }

--- Opens a new manifest.
function manifest.create(dir, number, id)
  local err, out = ffi.new("struct loam_error"), ffi.new("struct manifest_writer *[1]")
  local rc = lib.manifest_writer_open(dir._p, number, id or wal.id(), out, err)
  local ok, code, text = answer(rc, err)
  if not ok then
    return nil, code, text
  end
  return setmetatable({ _p = out[0] }, metatable)
end

function methods:append(fields)
  local err = ffi.new("struct loam_error")
  return answer(lib.manifest_writer_append(self._p, manifest.edit(fields), err), err)
end

function methods:size()
  return tonumber(lib.manifest_writer_size(self._p))
end

function methods:close()
  local err, pointer = ffi.new("struct loam_error"), self._p
  self._p = nil
  return answer(lib.manifest_writer_close(pointer, err), err)
end

--- Writes a whole manifest.
function manifest.write(dir, number, edits)
  local writer = assert(manifest.create(dir, number))
  for _, fields in ipairs(edits) do
    assert(writer:append(fields))
  end
  assert(writer:close())
end

--- Reads a whole manifest: its edits and its id's uuid; or nil, code, text, edits so far.
function manifest.read(dir, number)
  local err, out = ffi.new("struct loam_error"), ffi.new("struct manifest_reader *[1]")
  local id = ffi.new("struct store_id")
  local ok, code, text = answer(lib.manifest_reader_open(dir._p, number, id, out, err), err)
  if not ok then
    return nil, code, text
  end
  local edit, edits = manifest.edit {}, {}
  local rc = lib.manifest_reader_next(out[0], edit, err)
  while rc == 0 do
    edits[#edits + 1] = manifest.plain(edit)
    rc = lib.manifest_reader_next(out[0], edit, err)
  end
  lib.manifest_reader_close(out[0])
  if rc ~= lib.LOAM_NOT_FOUND then
    return nil, ffi.string(lib.loam_code_name(rc)), ffi.string(err.text), edits
  end
  return edits, ffi.string(id.uuid, 16)
end

--- Points CURRENT at a manifest.
function manifest.set_current(dir, number)
  local err = ffi.new("struct loam_error")
  return answer(lib.current_write(dir._p, number, err), err)
end

--- The manifest that CURRENT names, or nil, code, text.
function manifest.current(dir)
  local err, number = ffi.new("struct loam_error"), ffi.new("uint64_t[1]")
  local ok, code, text = answer(lib.current_read(dir._p, number, err), err)
  if not ok then
    return nil, code, text
  end
  return tonumber(number[0])
end

return manifest
