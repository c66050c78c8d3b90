-- The life of handles: one place for "closed", for children and for finalizers.
--
-- A handle is a table with `_p`: the C pointer while open, false once closed. A database keeps its
-- children (scans, snapshots, batches, views, buckets) in a weak table and closes them first; a
-- child keeps its database in `_db`, so a database is not collected under a living child.
-- Finalizers run in any order. When a database's comes before those of its scans, loam_close
-- answers BUSY and the pointer waits in `orphans` until the last child of it is gone.
local errors = require "kv.errors"
local ffi = require "ffi"
local lib = require "kv.lib"

local handles = {}
local C = lib.C
local BUSY = C.LOAM_BUSY
local orphans = {}

--- Closes databases whose children are gone by now. Called by the finalizers of children.
function handles.reap()
  for index = #orphans, 1, -1 do
    if C.loam_close(orphans[index], nil) ~= BUSY then
      table.remove(orphans, index)
    end
  end
end

--- How many databases wait for finalizers of their children. For specs.
function handles.orphan_count()
  return #orphans
end

local function finalize_database(dead)
  if C.loam_close(dead, nil) == BUSY then
    orphans[#orphans + 1] = dead
  end
end

--- Anchors the close of a database as safety net and returns the pointer.
function handles.own_database(p)
  return ffi.gc(p, finalize_database)
end

--- Makes the finalizer of a class of children from the C function that closes one. Made once per
--- class: creating a closure per handle would end every trace.
function handles.finalizer(close)
  return function(dead)
    close(dead)
    if orphans[1] then
      handles.reap()
    end
  end
end

--- Registers a child, an object with a method _drop(reason), at its database.
function handles.adopt(db, child)
  db._children[child] = true
  return child
end

--- Forgets a child that was closed.
function handles.disown(db, child)
  db._children[child] = nil
end

--- Closes all children of a database.
function handles.drop_children(db, reason)
  for child in pairs(db._children) do
    child:_drop(reason)
  end
  db._children = setmetatable({}, { __mode = "k" })
end

--- Raises for a handle that cannot be used: not a handle at all, or closed.
---@param self any
---@param call string  method name
function handles.unusable(self, call)
  if type(self) ~= "table" or self._p == nil then
    errors.misuse("%s is a method: call it with a colon, object:%s(...)", call, call)
  end
  errors.misuse("%s: %s", call, self._reason or "database is closed")
end

--- Returns the pointer of an open handle or raises.
function handles.pointer(self, call)
  local p = type(self) == "table" and self._p
  if not p then
    handles.unusable(self, call)
  end
  return p
end

return handles
