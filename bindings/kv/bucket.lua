-- Buckets: named key spaces of one database. A bucket has the reads and writes of a database; it
-- holds nothing open, so there is nothing to close.
local errors = require "kv.errors"
local ffi = require "ffi"
local handles = require "kv.handles"
local lib = require "kv.lib"
local look = require "kv.look"
local options = require "kv.options"
local snapshot = require "kv.snapshot"
local space = require "kv.space"
local value = require "kv.value"
local wait = require "kv.wait"

local bucket = {}
local C = lib.C
local err = errors.scratch

local MERGES = {
  add = C.LOAM_MERGE_ADD, max = C.LOAM_MERGE_MAX, min = C.LOAM_MERGE_MIN,
  append = C.LOAM_MERGE_APPEND,
}
local MERGE_NAMES = {}
for name, number in pairs(MERGES) do
  MERGE_NAMES[number] = name
end
local KNOWN = { create = "boolean", ttl = "number", merge = MERGES }

local info = ffi.new("loam_bucket_info")
local settings = ffi.new("loam_bucket_options")

---@class kv.bucket : kv.space
---@field name string
---@field default_ttl number  of new rows in seconds, 0 = none
---@field merge? string       "add", "max", "min" or "append"
local methods = space.with_writes({ snapshot = snapshot.open, explain = look.explain })
local metatable = { __name = "kv.bucket", __index = methods }

function metatable.__tostring(self)
  return ("kv.bucket(%q)"):format(self.name)
end

function methods:_drop(reason)
  self._p, self._reason = false, reason
end

local function check_name(call, name)
  if type(name) ~= "string" then
    errors.misuse("%s: the name of a bucket is a string, got %s", call, errors.what_came(name))
  end
end

local function describe(from)
  return {
    name = ffi.string(from.name),
    id = from.id,
    ttl = tonumber(from.ttl_ms) / 1000,
    merge = MERGE_NAMES[from.merge],
  }
end

local function open(p, name, wanted)
  local rc = C.loam_bucket_open(p, name, wanted, info, err)
  return rc, info, err
end

local function drop(p, name)
  return C.loam_bucket_drop(p, name, err), nil, err
end

--- Returns a bucket; makes it with {create = true}. ttl (seconds) and merge are fixed when it is
--- made. An absent one is `nil, err, "NOT_FOUND"`.
---@param self kv.database
---@param name string
---@param given? {create: boolean, ttl: number, merge: string}
---@return kv.bucket? bucket, kv.error? err, string? code
function bucket.open(self, name, given)
  local p = handles.pointer(self, "bucket")
  check_name("bucket", name)
  given = given or {}
  options.check("bucket", given, KNOWN)
  settings.create = given.create or false
  settings.ttl_ms = given.ttl and value.ttl_ms("bucket", given.ttl) or 0
  settings.merge = MERGES[given.merge] or C.LOAM_MERGE_NONE
  local rc, made, detail
  if settings.create then
    rc, made, detail = wait.call(self._db, "bucket", open, name, settings)
  else
    rc, made, detail = open(p, name, settings)
  end
  if rc == C.LOAM_NOT_FOUND then
    return errors.refuse("NOT_FOUND", "bucket '%s' does not exist; {create = true} makes it", name)
  elseif rc ~= 0 then
    return errors.failure(rc, detail)
  end
  local found = describe(made)
  local opened = setmetatable({
    _p = p,
    _id = found.id,
    _db = self._db,
    name = found.name,
    default_ttl = found.ttl,
    merge = found.merge,
  }, metatable)
  return handles.adopt(self._db, opened)
end

--- Returns all buckets in name order, as tables {name, id, ttl, merge}.
---@param self kv.database
---@return table[]
function bucket.list(self)
  local p = handles.pointer(self, "buckets")
  local capacity = 0
  local count = tonumber(C.loam_bucket_list(p, nil, 0))
  local infos
  while count > capacity do -- Others may make buckets between two calls.
    capacity = count
    infos = ffi.new("loam_bucket_info[?]", capacity)
    count = tonumber(C.loam_bucket_list(p, infos, capacity))
  end
  local list = {}
  for index = 1, count do
    list[index] = describe(infos[index - 1])
  end
  return list
end

--- Removes a bucket with all its rows.
---@param self kv.database
---@param name string
---@return boolean? is_dropped, kv.error? err, string? code
function bucket.drop(self, name)
  handles.pointer(self, "drop_bucket")
  check_name("drop_bucket", name)
  local rc, _, detail = wait.call(self._db, "drop_bucket", drop, name)
  if rc == C.LOAM_NOT_FOUND then
    return errors.refuse("NOT_FOUND", "bucket '%s' does not exist", name)
  elseif rc ~= 0 then
    return errors.failure(rc, detail)
  end
  return true
end

return bucket
