-- Writes of one key: what a database and a bucket share.
--
-- put(), delete() and incr() are hot: a loop around them compiles to one trace. A call with
-- options takes the slow half, which checks them and applies one loam_op.
local commit = require "kv.commit"
local errors = require "kv.errors"
local ffi = require "ffi"
local handles = require "kv.handles"
local kv = require "kv.root"
local lib = require "kv.lib"
local memory = require "kv.memory"
local operation = require "kv.operation"
local read = require "kv.read"
local check = require "kv.value"
local wait = require "kv.wait"

local write = {}
local C = lib.C
local err = errors.scratch
local seq, outcome = memory.seq, memory.outcome
local NOT_FOUND = C.LOAM_NOT_FOUND
local op = operation.scratch

-- incr has an op of its own: only a few fields ever change.
local incr_op = ffi.new("loam_op")
incr_op.kind = C.LOAM_OP_INCR

local function durability_of(given)
  return type(given) == "table" and given.durability or nil
end

-- Applies the scratch op under the commit options of `given`.
local function apply(self, p, given)
  return commit.apply(self._db, p, op, operation.commit(given), durability_of(given))
end

-- Starts the scratch op of a write with value and options. Returns p, or nil, err, CODE.
local function start_put(self, call, key, value, given, known)
  local p = handles.pointer(self, call)
  operation.start(call, C.LOAM_OP_PUT, self._id, key)
  operation.set_value(call, value)
  local is_set, failure, code = operation.set_options(call, self._db, given, known)
  if not is_set then
    return nil, failure, code
  end
  return p
end

local function put_slow(self, key, value, given)
  local p, failure, code = start_put(self, "put", key, value, given, operation.PUT)
  if not p then
    return nil, failure, code
  end
  local is_value = op.condition == C.LOAM_IF_VALUE
  local is_reported = op.report_previous
  local rc, detail = apply(self, p, given)
  if rc ~= 0 then
    return commit.refused(rc, detail, is_value)
  elseif is_reported then
    return tonumber(outcome.seq), outcome.existed
  end
  return tonumber(outcome.seq)
end

--- Writes a value and returns its sequence number; `false, reason, what is there` when a condition
--- fails. A number in place of the options is the TTL in seconds.
---@param key string
---@param value string|userdata|ffi.cdata*
---@param given? kv.write_options|number
---@return number|false|nil seq
function write.put(self, key, value, given)
  local p = type(self) == "table" and self._p
  if given ~= nil or not p or type(key) ~= "string" or type(value) ~= "string"
    or kv.waiter and wait.is_write_due(self._db) then
    return put_slow(self, key, value, given)
  end
  local rc = C.loam_put(p, self._id, key, #key, value, #value, seq, err)
  if rc ~= 0 then
    return errors.write_failure(rc)
  end
  return tonumber(seq[0])
end

write.set = write.put

--- Writes a value where there is none; `false, "exists", seq` otherwise.
---@param key string
---@param value string
---@param given? kv.write_options|number
---@return number|false|nil seq
function write.add(self, key, value, given)
  local p, failure, code = start_put(self, "add", key, value, given, operation.ROW_COMMIT)
  if not p then
    return nil, failure, code
  end
  op.condition = C.LOAM_IF_ABSENT
  local rc, detail = apply(self, p, given)
  if rc ~= 0 then
    return commit.refused(rc, detail)
  end
  return tonumber(outcome.seq)
end

--- Writes a value where there is one; `false, "not found"` otherwise.
---@param key string
---@param value string
---@param given? kv.write_options|number
---@return number|false|nil seq
function write.replace(self, key, value, given)
  local p, failure, code = start_put(self, "replace", key, value, given, operation.ROW_COMMIT)
  if not p then
    return nil, failure, code
  end
  op.condition = C.LOAM_IF_PRESENT
  local rc, detail = apply(self, p, given)
  if rc ~= 0 then
    return commit.refused(rc, detail)
  end
  return tonumber(outcome.seq)
end

--- Writes a value where the present one is `expected` (nil: where there is none); otherwise
--- `false, "mismatch", current_value, current_seq`, with nil, 0 for an absent key.
---@param key string
---@param expected? string
---@param value string
---@param given? kv.write_options|number
---@return number|false|nil seq
function write.cas(self, key, expected, value, given)
  local p, failure, code = start_put(self, "cas", key, value, given, operation.ROW_COMMIT)
  if not p then
    return nil, failure, code
  end
  if expected == nil then
    op.condition = C.LOAM_IF_ABSENT
  else
    op.condition = C.LOAM_IF_VALUE
    op.if_value, op.if_value_size = check.bytes("cas: the expected value", expected)
  end
  local rc, detail = apply(self, p, given)
  if rc == 0 then
    return tonumber(outcome.seq)
  elseif rc ~= C.LOAM_EXISTS then
    return commit.refused(rc, detail, true)
  end
  -- libloam tells the sequence number of what exists; the value is one read more.
  local entry
  entry, failure, code = read.get_entry(self, key)
  if entry then
    return false, "mismatch", entry.value, entry.seq
  elseif failure then
    return nil, failure, code
  end
  return write.cas(self, key, expected, value, given) -- Deleted in between: try again.
end

local function delete_slow(self, key, given)
  local p = handles.pointer(self, "delete")
  operation.start("delete", C.LOAM_OP_DELETE, self._id, key)
  if type(given) == "number" then
    errors.misuse("delete: options are a table, got a number")
  end
  operation.set_options("delete", self._db, given, operation.DELETE)
  local is_value = op.condition == C.LOAM_IF_VALUE
  local rc, detail = apply(self, p, given)
  if rc ~= 0 then
    return commit.refused(rc, detail, is_value)
  end
  return true
end

--- Removes a key, present or not. With if_seq or if_value only when they hold.
---@param key string
---@param given? {if_seq: number, if_value: string, durability: string, deadline_ms: number}
---@return boolean? is_done
function write.delete(self, key, given)
  local p = type(self) == "table" and self._p
  if given ~= nil or not p or type(key) ~= "string"
    or kv.waiter and wait.is_write_due(self._db) then
    return delete_slow(self, key, given)
  end
  local rc = C.loam_delete(p, self._id, key, #key, seq, err)
  if rc ~= 0 then
    return errors.write_failure(rc)
  end
  return true
end

write.del = write.delete

local function incr_slow(self, key, by, init, given)
  local p = handles.pointer(self, "incr")
  operation.start("incr", C.LOAM_OP_INCR, self._id, key)
  if type(by) ~= "number" or by ~= by or by - by ~= 0 then
    errors.misuse("incr: the second argument is a finite number, got %s",
      type(by) == "number" and tostring(by) or errors.what_came(by))
  elseif init ~= nil and type(init) ~= "number" then
    errors.misuse("incr: the initial value is a number, got %s", errors.what_came(init))
  end
  op.by, op.has_init, op.init = by, init ~= nil, init or 0
  local is_set, failure, code =
    operation.set_options("incr", self._db, given, operation.ROW_COMMIT)
  if not is_set then
    return nil, failure, code
  end
  local rc, detail = apply(self, p, given)
  if rc == NOT_FOUND then
    return nil
  elseif rc ~= 0 then
    return commit.refused(rc, detail)
  end
  return outcome.number
end

-- Finite, and init may be absent.
local function are_numbers(by, init)
  return type(by) == "number" and by - by == 0 and (init == nil or type(init) == "number")
end

--- Adds to a number and returns the sum. Absent: starts from `init`; nil without one.
---@param key string
---@param by number
---@param init? number
---@param given? kv.write_options|number  for a new key
---@return number? sum, kv.error? err, string? code
function write.incr(self, key, by, init, given)
  local p = type(self) == "table" and self._p
  if given ~= nil or not p or type(key) ~= "string" or not are_numbers(by, init)
    or kv.waiter and wait.is_write_due(self._db) then
    return incr_slow(self, key, by, init, given)
  end
  incr_op.bucket = self._id
  incr_op.key = key
  incr_op.key_size = #key
  incr_op.by = by
  incr_op.has_init = init ~= nil
  incr_op.init = init or 0
  local rc = C.loam_apply(p, incr_op, nil, outcome, err)
  if rc == 0 then
    return outcome.number
  elseif rc == NOT_FOUND then
    return nil
  end
  return errors.write_failure(rc)
end

-- An op on one key whose previous value is the result: present -> value, absent -> nil.
local function swap(self, p, given)
  op.report_previous, op.want_previous = true, true
  local rc, detail = apply(self, p, given)
  if rc ~= 0 then
    return commit.refused(rc, detail)
  elseif not outcome.existed then
    return nil
  end
  return commit.previous()
end

--- Writes a value and returns the one it replaces, nil when there was none.
---@return string? previous, kv.error? err, string? code
function write.getset(self, key, value, given)
  local p, failure, code = start_put(self, "getset", key, value, given, operation.ROW_COMMIT)
  if not p then
    return nil, failure, code
  end
  return swap(self, p, given)
end

--- Removes a key and returns its value, nil when there was none.
---@return string? previous, kv.error? err, string? code
function write.getdel(self, key, given)
  local p = handles.pointer(self, "getdel")
  operation.start("getdel", C.LOAM_OP_DELETE, self._id, key)
  operation.set_options("getdel", self._db, given, operation.COMMIT)
  return swap(self, p, given)
end

--- Appends to a value, an absent one being empty. Returns the sequence number.
---@return number? seq, kv.error? err, string? code
function write.append(self, key, value, given)
  local p = handles.pointer(self, "append")
  operation.start("append", C.LOAM_OP_APPEND, self._id, key)
  operation.set_value("append", value)
  local is_set, failure, code =
    operation.set_options("append", self._db, given, operation.ROW_COMMIT)
  if not is_set then
    return nil, failure, code
  end
  local rc, detail = apply(self, p, given)
  if rc ~= 0 then
    return commit.refused(rc, detail)
  end
  return tonumber(outcome.seq)
end

local function touch(self, call, key, ttl)
  local p = handles.pointer(self, call)
  operation.start(call, C.LOAM_OP_TOUCH, self._id, key)
  operation.set_options(call, self._db, ttl)
  local rc, detail = apply(self, p)
  if rc == NOT_FOUND then
    return nil
  elseif rc ~= 0 then
    return commit.refused(rc, detail)
  end
  return tonumber(outcome.seq)
end

--- Gives a key a new time to live, 0 = never expires. Returns the sequence number, nil when
--- absent.
---@param key string
---@param ttl number  seconds
---@return number? seq, kv.error? err, string? code
function write.touch(self, key, ttl)
  if type(ttl) ~= "number" then
    handles.pointer(self, "touch")
    errors.misuse("touch: the TTL is a number of seconds, got %s", errors.what_came(ttl))
  end
  return touch(self, "touch", key, ttl)
end

--- Lets a key never expire. Returns the sequence number, nil when absent.
---@return number? seq, kv.error? err, string? code
function write.persist(self, key)
  return touch(self, "persist", key, 0)
end

return write
