-- A value in place: `ptr` and `size` point into memory of the store until release().
--
-- A child of its database, which releases it on close: ptr is then nil and tostring() raises.
local errors = require "kv.errors"
local ffi = require "ffi"
local handles = require "kv.handles"
local lib = require "kv.lib"

local view = {}
local C = lib.C
local err = errors.scratch

---@class kv.view
---@field ptr? ffi.cdata*   const char *, nil once released
---@field size number
local methods = {}
local metatable = { __name = "kv.view", __index = methods }

local finalize = handles.finalizer(C.loam_view_release)

--- Opens a view. Returns view, 0 or nil, code.
function view.open(db, p, id, key, snapshot)
  local pinned = ffi.new("loam_view")
  local rc = C.loam_get_view(p, id, key, #key, snapshot, pinned, err)
  if rc ~= 0 then
    return nil, rc
  end
  local self = setmetatable({
    _p = ffi.gc(pinned, finalize),
    _db = db,
    ptr = pinned.data,
    size = tonumber(pinned.size),
  }, metatable)
  return handles.adopt(db, self), 0
end

--- Copies the bytes to a string.
---@return string
function methods:tostring()
  local pinned = type(self) == "table" and self._p
  if not pinned then
    handles.unusable(self, "tostring")
  end
  return ffi.string(pinned.data, pinned.size)
end

--- Gives the memory back. Calling again does nothing.
function methods:release()
  if type(self) ~= "table" then
    handles.unusable(self, "release")
  end
  if self._p then
    handles.disown(self._db, self)
    self:_drop("view is released")
  end
end

function methods:_drop(reason)
  if self._p then
    C.loam_view_release(ffi.gc(self._p, nil))
    self._p, self._reason, self.ptr = false, reason, nil
  end
end

function metatable.__tostring(self)
  return self._p and ("kv.view(%d bytes)"):format(self.size) or "kv.view(released)"
end

return view
