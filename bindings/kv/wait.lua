-- The one seam for a host that must not block its thread.
--
-- Plain scripts call libloam and wait. A host installs a table
--
--     kv.waiter = {
--       can_wait = function() return boolean end,   -- does a handler of the host run right now?
--       write = function(db, batch, commit) return rc, outcome, err end,
--       call = function(db, kind, ...) return rc, result, err end,       -- may be absent
--       sleep = function(seconds) end,                                   -- may be absent
--       turn = function() end,                                           -- may be absent
--     }
--
-- write: a write that is to be durable ("sync") goes here when can_wait() says true. db is the
-- database object (db:pointer() its loam_db *), batch a loam_batch *, commit a loam_commit * or
-- nil. It hands the batch to loam_submit BEFORE it yields (another handler reuses the batch),
-- yields until the completion is there, and returns its code, loam_outcome * and loam_error * (nil
-- where there is none). Both are read before anything else runs; outcome.previous becomes kv's.
-- call: what waits for the disk otherwise, by kind: "flush", "sync", "compact" (it flushes first;
-- result the number of the job), "bucket" (name, loam_bucket_options; result loam_bucket_info),
-- "drop_bucket" (name), "content_type" (name; result the id). Arguments are read before it yields.
-- Without `call` these block.
-- sleep: how job:wait() passes the time. Without it job:wait() blocks. turn: a long scan calls it
-- now and then, between two blocks; it may yield, or raise to end the handler.
local kv = require "kv.root"

local wait = {}

--- Whether a handler runs that may yield, and the waiter has this entry.
---@param name "write"|"call"|"sleep"|"turn"
function wait.has(name)
  local waiter = kv.waiter
  return waiter and waiter[name] and waiter.can_wait() or false
end

--- Whether a write of this database at this durability (nil = the database's) goes to the waiter.
function wait.is_write_due(db, durability)
  if not kv.waiter or (durability or db._durability) ~= "sync" then
    return false
  end
  return wait.has("write")
end

--- Makes a slow call: by the waiter when it can, else by `direct(p, ...)`.
---@param db kv.database
---@param kind string
---@param direct fun(...): number, any, any
function wait.call(db, kind, direct, ...)
  if wait.has("call") then
    return kv.waiter.call(db, kind, ...)
  end
  return direct(db._p, ...)
end

return wait
