-- Reads of one key: what a database, a bucket and a snapshot share.
--
-- A handle that reads has `_p` (loam_db *), `_id` (bucket id), `_snapshot` (loam_snapshot * or
-- nil) and `_db` (the database object). get() and exists() are hot: a loop around them compiles to
-- one trace, with type() checks, one C call and ffi.string, and nothing allocated but the result.
local clock = require "kv.clock"
local content = require "kv.content"
local errors = require "kv.errors"
local handles = require "kv.handles"
local lib = require "kv.lib"
local memory = require "kv.memory"
local options = require "kv.options"
local value = require "kv.value"
local view = require "kv.view"

local read = {}
local C = lib.C
local NOT_FOUND = C.LOAM_NOT_FOUND
local err = errors.scratch
local bytes, meta = memory.value, memory.meta

local GET_OPTIONS = { snapshot = "table" }

-- The slow half of a read: raises what is wrong with the call, or returns pointer and snapshot.
local function prepare(self, call, key, given)
  local p = handles.pointer(self, call)
  value.check_key(call, key)
  if given == nil then
    return p, self._snapshot
  end
  options.check(call, given, GET_OPTIONS)
  return p, read.snapshot_of(self, call, given.snapshot)
end

--- Returns the C snapshot that a call reads at, or nil for the newest state.
function read.snapshot_of(self, call, snapshot)
  if snapshot == nil then
    return self._snapshot
  end
  local p = snapshot._handle
  if p == nil then
    errors.misuse("%s: option 'snapshot' is what db:snapshot() returns", call)
  elseif not p then
    errors.misuse("%s: %s", call, snapshot._reason)
  elseif snapshot._db ~= self._db then
    errors.misuse("%s: the snapshot belongs to another database", call)
  end
  return p
end

local function copy(p, id, key, snapshot)
  local rc = C.loam_get(p, id, key, #key, snapshot, bytes, err)
  if rc == 0 then
    return memory.take(bytes)
  elseif rc == NOT_FOUND then
    return nil
  end
  return errors.failure(rc)
end

--- Returns the value of a key, nil when there is none.
---@param key string
---@param given? {snapshot: kv.snapshot}
---@return string? value, kv.error? err, string? code
function read.get(self, key, given)
  local p = type(self) == "table" and self._p
  if p and type(key) == "string" and given == nil then
    return copy(p, self._id, key, self._snapshot)
  end
  local snapshot
  p, snapshot = prepare(self, "get", key, given)
  return copy(p, self._id, key, snapshot)
end

local function is_present(p, id, key, snapshot)
  local rc = C.loam_get_entry(p, id, key, #key, snapshot, nil, meta, err)
  if rc == 0 then
    return true
  elseif rc == NOT_FOUND then
    return false
  end
  return errors.failure(rc)
end

--- Says whether a key is present.
---@param key string
---@param given? {snapshot: kv.snapshot}
---@return boolean? is_present, kv.error? err, string? code
function read.exists(self, key, given)
  local p = type(self) == "table" and self._p
  if p and type(key) == "string" and given == nil then
    return is_present(p, self._id, key, self._snapshot)
  end
  local snapshot
  p, snapshot = prepare(self, "exists", key, given)
  return is_present(p, self._id, key, snapshot)
end

---@class kv.entry
---@field key string
---@field value? string
---@field seq number
---@field expires_at? number  seconds since the epoch; nil = never
---@field size number         of the value
---@field content_type? string

--- Makes an entry of what C tells of a row (loam_meta and loam_row have these fields alike).
function read.entry(db, key, row_value, row, size)
  local expire_at_ms = tonumber(row.expire_at_ms)
  return {
    key = key,
    value = row_value,
    seq = tonumber(row.seq),
    expires_at = expire_at_ms > 0 and expire_at_ms / 1000 or nil,
    size = tonumber(size),
    content_type = content.name(db, row.content_type),
  }
end

--- Returns a row with everything that is known of it, nil when there is none.
---@param key string
---@param given? {snapshot: kv.snapshot}
---@return kv.entry? entry, kv.error? err, string? code
function read.get_entry(self, key, given)
  local p, snapshot = prepare(self, "get_entry", key, given)
  local rc = C.loam_get_entry(p, self._id, key, #key, snapshot, bytes, meta, err)
  if rc == 0 then
    return read.entry(self._db, key, memory.take(bytes), meta, meta.value_size)
  elseif rc == NOT_FOUND then
    return nil
  end
  return errors.failure(rc)
end

--- Returns the seconds a key has left, 0 when it never expires, nil when it is absent.
---@param key string
---@return number? seconds, kv.error? err, string? code
function read.ttl(self, key)
  local p, snapshot = prepare(self, "ttl", key)
  local rc = C.loam_get_entry(p, self._id, key, #key, snapshot, nil, meta, err)
  if rc == NOT_FOUND then
    return nil
  elseif rc ~= 0 then
    return errors.failure(rc)
  end
  local expire_at_ms = tonumber(meta.expire_at_ms)
  if expire_at_ms == 0 then
    return 0
  end
  -- A row that a snapshot still shows may have run out: never 0, which would say "never".
  return math.max(1, expire_at_ms - clock.wall()) / 1000
end

--- Returns the value in place, without a copy; nil when the key is absent. Release it soon: it
--- holds memory of the block cache.
---@param key string
---@param given? {snapshot: kv.snapshot}
---@return kv.view? view, kv.error? err, string? code
function read.get_view(self, key, given)
  local p, snapshot = prepare(self, "get_view", key, given)
  local found, rc = view.open(self._db, p, self._id, key, snapshot)
  if rc == NOT_FOUND then
    return nil
  elseif rc ~= 0 then
    return errors.failure(rc)
  end
  return found
end

--- Appends the value to a string.buffer and returns the value's size, nil when the key is absent.
---@param key string
---@param buffer userdata  string.buffer
---@return number? size, kv.error? err, string? code
function read.get_into(self, key, buffer)
  local p, snapshot = prepare(self, "get_into", key)
  if not value.is_buffer(buffer) then
    errors.misuse("get_into: the second argument is a string.buffer, got %s",
      errors.what_came(buffer))
  end
  local rc = C.loam_get(p, self._id, key, #key, snapshot, bytes, err)
  if rc == NOT_FOUND then
    return nil
  elseif rc ~= 0 then
    return errors.failure(rc)
  end
  local size = tonumber(bytes.size)
  buffer:putcdata(bytes.data, size)
  memory.give_back(bytes)
  return size
end

return read
