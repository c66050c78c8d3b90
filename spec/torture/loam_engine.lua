-- A Loam store as an engine of spec/torture/operations.lua.
local lib = require "spec.support.lib"

local methods = {}
local metatable = { __index = methods }

function methods:batch(ops)
  return self.db:batch(ops, { durability = self.durability })
end

function methods:apply(op)
  local result, code, _, outcome = self.db:apply(op, { durability = self.durability })
  local seen = result or outcome
  return ("%s existed=%s previous=%q number=%s"):format(
    result and "ok" or tostring(code), tostring(seen.existed), tostring(seen.previous),
    tostring(seen.number))
end

function methods:get(key, held)
  return (self.db:get(key, held))
end

function methods:rows(range, held)
  return self.db:rows(range, held)
end

function methods:hold()
  return self.db:snapshot()
end

function methods:release(held)
  lib.loam_snapshot_close(held)
end

--- durability: of its writes, default "os".
return function(db, durability)
  return setmetatable({ db = db, durability = durability or "os" }, metatable)
end
