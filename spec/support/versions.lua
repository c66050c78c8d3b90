-- Version sets for specs, and tables that are nothing but a file of the right size.
--
--     local versions = require "spec.support.versions"
--     assert(versions.create(dir))                  -- dir of spec.support.env
--     local set = assert(versions.open(dir))
--     assert(set:roll())
--     local meta = versions.put_table(dir, set:next_file(), 1, "a", "f")
--     assert(set:apply { tables_added = { meta } })
--     set:text()                                    -- "run 1: 102\n"
local cdef = require "spec.support.cdef"
local env = require "spec.support.env"
local ffi = require "ffi"
local lib = require "spec.support.lib"
local manifest = require "spec.support.manifest"
local wal = require "spec.support.wal"

cdef.load("lsm/version_testing.h")

local versions = {}
local answer = env.answer
local LIST_MAX = 1024

--- Makes a store.
function versions.create(dir, id)
  local err = ffi.new("struct loam_error")
  return answer(lib.version_set_create(dir._p, id or wal.id(), err), err)
end

--- Bytes of a user's key in bucket 1.
function versions.key(text)
  return "\0\0\0\1" .. text
end

local function slice(text)
  local raw = ffi.new("struct slice")
  raw.data, raw.size = text, #text
  return raw
end

--- The meta of a table in a run, with keys of bucket 1.
function versions.table_meta(number, run, smallest, largest)
  return manifest.table_meta {
    number = number, run = run, size = 10 + number % 7, hash = ffi.new("uint64_t", number),
    smallest = versions.key(smallest), largest = versions.key(largest),
  }
end

--- Makes the table's file, synced, and returns its meta.
function versions.put_table(dir, number, run, smallest, largest)
  local meta = versions.table_meta(number, run, smallest, largest)
  dir:put(wal.name(number, lib.FILE_TABLE), ("x"):rep(meta.size), true)
  assert(dir:sync())
  return meta
end

local methods = {}
local metatable = { __name = "spec.versions", __index = methods }

--- Opens a store, without rolling.
function versions.open(dir)
  local context = lib.testing_context_new(dir._p)
  assert(context ~= nil, "out of memory")
  local err, out = ffi.new("struct loam_error"), ffi.new("struct version_set *[1]")
  local rc = lib.version_set_open(dir._p, lib.testing_context_get(context), out, err)
  local ok, code, text = answer(rc, err)
  if not ok then
    lib.testing_context_free(context)
    return nil, code, text
  end
  return setmetatable({ _p = out[0], _context = context }, metatable)
end

function methods:close()
  local err, pointer, context = ffi.new("struct loam_error"), self._p, self._context
  self._p, self._context = nil, nil
  local ok, code, text = answer(lib.version_set_close(pointer, err), err)
  lib.testing_context_free(context)
  return ok, code, text
end

function methods:roll()
  local err = ffi.new("struct loam_error")
  return answer(lib.version_set_roll(self._p, err), err)
end

function methods:apply(fields)
  local err = ffi.new("struct loam_error")
  return answer(lib.version_set_apply(self._p, manifest.edit(fields), err), err)
end

function methods:uuid()
  return ffi.string(lib.testing_context_id(self._context).uuid, 16)
end

--- The current version; give it back with versions.release().
function methods:current()
  return lib.version_set_current(self._p)
end

function versions.release(version)
  lib.version_unref(version)
end

function versions.text(version)
  return env.out_buffer(function(buffer, err)
    return lib.testing_version_text(version, buffer, err)
  end)
end

--- The current version as text: a line per run, newest first.
function methods:text()
  local version = self:current()
  local text = versions.text(version)
  versions.release(version)
  return text
end

--- Tables that became obsolete and unreferenced since the last call.
function methods:obsolete()
  local raw, list = ffi.new("uint64_t[?]", LIST_MAX), {}
  for index = 0, tonumber(lib.testing_context_obsolete(self._context, raw, LIST_MAX)) - 1 do
    list[#list + 1] = tonumber(raw[index])
  end
  return list
end

function methods:next_file()
  local number = ffi.new("uint64_t[1]")
  return lib.version_set_next_file(self._p, number, nil) == 0 and tonumber(number[0]) or 0
end

function methods:saw_file(number)
  lib.version_set_saw_file(self._p, number)
end

function methods:last_seq()
  return tonumber(lib.version_set_last_seq(self._p))
end

function methods:manifest_number()
  return tonumber(lib.version_set_manifest_number(self._p))
end

--- The cause of the poison, or nil.
function methods:failed()
  local err = ffi.new("struct loam_error")
  return lib.version_set_failed(self._p, err) and ffi.string(err.text) or nil
end

function methods:logs()
  local raw, list = ffi.new("uint64_t[?]", LIST_MAX), {}
  for index = 0, tonumber(lib.version_set_logs(self._p, raw, LIST_MAX)) - 1 do
    list[#list + 1] = tonumber(raw[index])
  end
  return list
end

function methods:is_live_file(kind, number)
  return lib.version_set_is_live_file(self._p, kind, number or 0)
end

-- ---- Buckets and content types ----

local function plain(raw)
  return {
    id = raw.id, merge = raw.merge, ttl_ms = tonumber(raw.ttl_ms),
    name = ffi.string(raw.name.data, raw.name.size),
  }
end

local function found(rc, raw)
  if rc == lib.LOAM_NOT_FOUND then
    return nil
  end
  assert(rc == 0)
  return plain(raw)
end

function methods:bucket(name)
  local raw = ffi.new("struct bucket_meta")
  return found(lib.version_set_bucket(self._p, slice(name), raw), raw)
end

function methods:bucket_by_id(id)
  local raw = ffi.new("struct bucket_meta")
  return found(lib.version_set_bucket_by_id(self._p, id, raw), raw)
end

function methods:is_live(id)
  return lib.version_set_bucket_is_live(self._p, id)
end

--- The names of all buckets, with a space between them.
function methods:buckets()
  local raw, list = ffi.new("struct bucket_meta[?]", LIST_MAX), {}
  for index = 0, tonumber(lib.version_set_buckets(self._p, raw, LIST_MAX)) - 1 do
    list[#list + 1] = plain(raw[index]).name
  end
  return table.concat(list, " ")
end

function methods:add_bucket(name, merge, ttl_ms)
  local err, raw = ffi.new("struct loam_error"), ffi.new("struct bucket_meta")
  local rc = lib.version_set_bucket_add(self._p, slice(name), merge or 0, ttl_ms or 0, raw, err)
  local ok, code, text = answer(rc, err)
  if not ok then
    return nil, code, text
  end
  return plain(raw)
end

function methods:drop_bucket(name)
  local err = ffi.new("struct loam_error")
  return answer(lib.version_set_bucket_drop(self._p, slice(name), err), err)
end

function methods:content_type(name)
  local err, id = ffi.new("struct loam_error"), ffi.new("uint32_t[1]")
  local ok, code, text =
    answer(lib.version_set_content_type(self._p, slice(name), id, err), err)
  if not ok then
    return nil, code, text
  end
  return id[0]
end

function methods:content_type_name(id)
  local name = lib.version_set_content_type_name(self._p, id)
  return name ~= nil and ffi.string(name) or nil
end

--- Everything that an edit can change, as text.
function methods:dump()
  return ("%slogs %s\nbuckets %s\nlast_seq %d\n"):format(self:text(),
    table.concat(self:logs(), " "), self:buckets(), self:last_seq())
end

return versions
