-- The way of every write into the store: libloam at once, or the waiter of a host (wait.lua). What
-- became of it stands in memory.outcome until the next write.
local errors = require "kv.errors"
local ffi = require "ffi"
local kv = require "kv.root"
local lib = require "kv.lib"
local memory = require "kv.memory"
local wait = require "kv.wait"

local commit = {}
local C = lib.C
local err = errors.scratch
local outcome = memory.outcome

-- One-operation batch for the waiter.
local single = ffi.gc(C.loam_batch_new(), C.loam_batch_free)

local function reset()
  outcome.seq, outcome.current_seq, outcome.failed_index, outcome.stall_ms = 0, 0, 0, 0
  outcome.existed = false
  outcome.previous.size = 0
end

local function through_waiter(db, batch, how)
  local rc, theirs, detail = kv.waiter.write(db, batch, how)
  if theirs ~= nil then
    C.loam_buffer_free(outcome.previous)
    ffi.copy(outcome, theirs, ffi.sizeof("loam_outcome"))
    -- The bytes have moved here: the waiter's copy must not be freed by it as well.
    ffi.fill(theirs.previous, ffi.sizeof("loam_buffer"))
  end
  return math.min(rc, 0), detail -- loam_submit says 1 for "committed at once".
end

--- Applies one operation. Returns the code; the outcome is in memory.outcome until the next write.
---@return number rc, ffi.cdata*? detail
function commit.apply(db, p, op, how, durability)
  reset()
  if not wait.is_write_due(db, durability) then
    return C.loam_apply(p, op, how, outcome, err)
  end
  C.loam_batch_clear(single)
  local rc = C.loam_batch_add(single, op, err)
  if rc ~= 0 then
    return rc
  end
  return through_waiter(db, single, how)
end

--- Commits a batch. As apply().
function commit.write(db, p, batch, how, durability)
  reset()
  if not wait.is_write_due(db, durability) then
    return C.loam_write(p, batch, how, outcome, err)
  end
  return through_waiter(db, batch, how)
end

--- Returns the value that a write reports as previous or current.
function commit.previous()
  return memory.take(outcome.previous)
end

--- Returns what a failed write returns: false and why for a condition, else nil, err, CODE.
---@param rc number
---@param detail? ffi.cdata*
---@param has_value? boolean  the condition was if_value: tell what is there now
function commit.refused(rc, detail, has_value)
  local current_seq = tonumber(outcome.current_seq)
  if rc == C.LOAM_EXISTS then
    return false, "exists", current_seq
  elseif rc == C.LOAM_NOT_FOUND then
    return false, "not found"
  elseif rc == C.LOAM_MISMATCH and has_value then
    return false, "mismatch", current_seq > 0 and commit.previous() or nil, current_seq
  elseif rc == C.LOAM_MISMATCH then
    return false, "mismatch", current_seq
  end
  local _, failure, code = errors.write_failure(rc, detail)
  if rc == C.LOAM_STALLED then
    failure.stall_ms = outcome.stall_ms
  end
  return nil, failure, code
end

return commit
