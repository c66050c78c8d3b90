-- Snapshots: the store as it was at one sequence number. They read like a database; while open
-- they keep old rows from being compacted away.
local errors = require "kv.errors"
local ffi = require "ffi"
local handles = require "kv.handles"
local lib = require "kv.lib"
local space = require "kv.space"

local snapshot = {}
local C = lib.C
local err = errors.scratch
local finalize = handles.finalizer(C.loam_snapshot_close)

---@class kv.snapshot
---@field seq number
local methods = space.with_reads({})
local metatable = { __name = "kv.snapshot", __index = methods }

-- A bucket seen at a snapshot: reads only, anchors the snapshot.
local part_methods = space.with_reads({})
local part_metatable = { __name = "kv.snapshot_bucket", __index = part_methods }

local function new_snapshot(owner, p)
  return {
    _p = owner._db._p,
    _id = owner._id,
    _db = owner._db,
    _handle = p,
    _snapshot = p,
    seq = tonumber(C.loam_snapshot_seq(p)),
  }
end

--- Takes a snapshot. Close it soon.
---@return kv.snapshot? snapshot, kv.error? err, string? code
function snapshot.open(self)
  local p = handles.pointer(self, "snapshot")
  local out = ffi.new("loam_snapshot *[1]")
  local rc = C.loam_snapshot_open(p, out, err)
  if rc ~= 0 then
    return errors.failure(rc)
  end
  local made = new_snapshot(self, ffi.gc(out[0], finalize))
  made._parts = setmetatable({}, { __mode = "k" })
  return handles.adopt(self._db, setmetatable(made, metatable))
end

--- Returns a bucket as it was at the snapshot.
---@param name string
---@return table? bucket, kv.error? err, string? code
function methods:bucket(name)
  handles.pointer(self, "bucket")
  local found, failure, code = self._db:bucket(name)
  if not found then
    return nil, failure, code
  end
  local part = new_snapshot(found, self._handle)
  part._anchor, part.name = self, found.name
  self._parts[part] = true
  return setmetatable(part, part_metatable)
end

--- Closes the snapshot. Calling again does nothing.
function methods:close()
  if type(self) ~= "table" then
    handles.unusable(self, "close")
  end
  if self._handle then
    self:_drop("snapshot is closed")
    handles.disown(self._db, self)
  end
end

local function mark_closed(handle, reason)
  handle._p, handle._handle, handle._reason = false, false, reason
end

function methods:_drop(reason)
  local p = self._handle
  if not p then
    return
  end
  mark_closed(self, reason)
  for part in pairs(self._parts) do
    mark_closed(part, reason)
  end
  C.loam_snapshot_close(ffi.gc(p, nil))
end

function metatable.__tostring(self)
  return ("kv.snapshot(%d)"):format(self.seq)
end

return snapshot
