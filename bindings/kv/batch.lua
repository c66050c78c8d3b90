-- Batches: writes that are applied together or not at all.
--
--     local w = db:batch()   w:put("a", "1")   w:bucket("log"):put("x", "y")   w:write()
--
-- A batch is a cdata struct and not a table, because LuaJIT asks __len of a table never: #w is the
-- number of its operations. What Lua must keep (database, first error) stands in `states`, keyed
-- weakly by the struct. A failed w:put() is remembered and makes write() fail: a batch is never
-- written with a hole.
local commit = require "kv.commit"
local errors = require "kv.errors"
local ffi = require "ffi"
local handles = require "kv.handles"
local lib = require "kv.lib"
local memory = require "kv.memory"
local operation = require "kv.operation"
local options = require "kv.options"

local batch = {}
local C = lib.C
local err = errors.scratch
local outcome = memory.outcome
local states = setmetatable({}, { __mode = "k" })

---@class kv.batch
local methods = {}
local metatable = { __index = methods }
local batch_type -- The ctype, set below once its metatable is complete.

local finalize = handles.finalizer(function(self)
  C.loam_batch_free(self.batch)
end)

local function refuse(self, call)
  if not ffi.istype(batch_type, self) then
    errors.misuse("%s is a method: call it with a colon, batch:%s(...)", call, call)
  end
  errors.misuse("%s: %s", call, states[self].reason or "batch is closed")
end

-- Returns the loam_batch of an open batch or raises.
local function pointer(self, call)
  if not ffi.istype(batch_type, self) or self.batch == nil then
    refuse(self, call)
  end
  return self.batch
end

-- Remembers the first failure of a batch. Returns nil, err, CODE.
local function spoil(self, _, failure, code)
  local state = states[self]
  state.failure = state.failure or failure
  return nil, failure, code
end

local function add(self, call, given, known)
  local is_set, failure, code = operation.set_options(call, states[self].db, given, known)
  if not is_set then
    return spoil(self, nil, failure, code)
  end
  local rc = C.loam_batch_add(self.batch, operation.scratch, err)
  if rc ~= 0 then
    return spoil(self, errors.failure(rc))
  end
  return self
end

local function put(self, id, key, value, given)
  local p = pointer(self, "put")
  if given == nil and type(key) == "string" and type(value) == "string" then
    local rc = C.loam_batch_put(p, id, key, #key, value, #value, err)
    if rc ~= 0 then
      return spoil(self, errors.failure(rc))
    end
    return self
  end
  operation.start("put", C.LOAM_OP_PUT, id, key)
  operation.set_value("put", value)
  return add(self, "put", given, operation.BATCH_PUT)
end

local function delete(self, id, key, given)
  local p = pointer(self, "delete")
  if given == nil and type(key) == "string" then
    local rc = C.loam_batch_delete(p, id, key, #key, err)
    if rc ~= 0 then
      return spoil(self, errors.failure(rc))
    end
    return self
  end
  operation.start("delete", C.LOAM_OP_DELETE, id, key)
  return add(self, "delete", given, operation.BATCH_DELETE)
end

local function merge(self, id, key, operand)
  pointer(self, "merge")
  operation.start("merge", C.LOAM_OP_MERGE, id, key)
  if type(operand) == "number" then
    operand = ("%.17g"):format(operand)
  end
  operation.set_value("merge", operand)
  return add(self, "merge")
end

--- Adds a put; a number in place of the options is the TTL in seconds. Returns the batch.
---@param key string
---@param value string
---@param given? kv.write_options|number
---@return kv.batch? batch, kv.error? err, string? code
function methods:put(key, value, given)
  return put(self, ffi.istype(batch_type, self) and self.bucket_id or 0, key, value, given)
end

--- Adds a delete; options if_seq, if_value. Returns the batch.
---@param key string
---@param given? {if_seq: number, if_value: string}
---@return kv.batch? batch, kv.error? err, string? code
function methods:delete(key, given)
  return delete(self, ffi.istype(batch_type, self) and self.bucket_id or 0, key, given)
end

--- Adds an operand for the bucket's merge operator; numbers are taken too. Returns the batch.
---@param key string
---@param operand string|number
---@return kv.batch? batch, kv.error? err, string? code
function methods:merge(key, operand)
  return merge(self, ffi.istype(batch_type, self) and self.bucket_id or 0, key, operand)
end

-- The same writes into another bucket of the same batch.
---@class kv.batch_bucket
local part_methods = {}
local part_metatable = { __name = "kv.batch_bucket", __index = part_methods }

local function part_of(self, call)
  if type(self) ~= "table" or not self._batch then
    errors.misuse("%s is a method: call it with a colon, part:%s(...)", call, call)
  end
  return self._batch, self._id
end

function part_methods:put(key, value, given)
  local owner, id = part_of(self, "put")
  local is_added, failure, code = put(owner, id, key, value, given)
  return is_added and self, failure, code
end

function part_methods:delete(key, given)
  local owner, id = part_of(self, "delete")
  local is_added, failure, code = delete(owner, id, key, given)
  return is_added and self, failure, code
end

function part_methods:merge(key, operand)
  local owner, id = part_of(self, "merge")
  local is_added, failure, code = merge(owner, id, key, operand)
  return is_added and self, failure, code
end

--- Returns an object whose put, delete and merge go to another bucket of this batch.
---@param bucket string|kv.bucket
---@return kv.batch_bucket? part, kv.error? err, string? code
function methods:bucket(bucket)
  pointer(self, "bucket")
  if type(bucket) == "string" then
    local found, failure, code = states[self].db:bucket(bucket)
    if not found then
      return spoil(self, nil, failure, code)
    end
    bucket = found
  elseif type(bucket) ~= "table" or not bucket._id then
    errors.misuse("bucket: takes a name or a bucket, got %s", errors.what_came(bucket))
  end
  return setmetatable({ _batch = self, _id = bucket._id }, part_metatable)
end

--- Returns the size in bytes of what is collected.
---@return number
function methods:bytes()
  return tonumber(C.loam_batch_bytes(pointer(self, "bytes")))
end

--- Forgets all operations, and an earlier failure. Returns the batch.
---@return kv.batch
function methods:clear()
  C.loam_batch_clear(pointer(self, "clear"))
  states[self].failure = nil
  return self
end

--- Commits all operations atomically. The batch keeps them: clear() before using it again. A
--- failed condition gives `false, reason, current_seq, index`, the index of the operation from 1.
---@param given? {durability: string, deadline_ms: number}
---@return number|false|nil seq
function methods:write(given)
  local p = pointer(self, "write")
  local state = states[self]
  if given ~= nil then
    options.check("write", given, operation.COMMIT)
  end
  if state.failure then
    return nil, state.failure, state.failure.code
  end
  local db = state.db
  local rc, detail =
    commit.write(db, db._p, p, operation.commit(given), given and given.durability)
  if rc == 0 then
    return tonumber(outcome.seq)
  end
  local index = outcome.failed_index + 1
  local is_refused, reason, current = commit.refused(rc, detail)
  if is_refused == false then
    return false, reason, current, index
  end
  return is_refused, reason, current
end

--- Frees the batch. Calling again does nothing.
function methods:close()
  if not ffi.istype(batch_type, self) then
    refuse(self, "close")
  end
  if self.batch ~= nil then
    handles.disown(states[self].db, self)
    self:_drop("batch is closed")
  end
end

function methods:_drop(reason)
  if self.batch ~= nil then
    C.loam_batch_free(self.batch)
    self.batch = nil
    states[self].reason = reason
  end
end

function metatable.__len(self)
  return tonumber(C.loam_batch_count(pointer(self, "#")))
end

function metatable.__tostring(self)
  return self.batch ~= nil and ("kv.batch(%d operations)"):format(#self) or "kv.batch(closed)"
end

batch_type =
  ffi.metatype(ffi.typeof("struct { loam_batch *batch; uint32_t bucket_id; }"), metatable)

local function new_batch(space)
  local p = C.loam_batch_new()
  if p == nil then
    return errors.failure(C.LOAM_NO_MEMORY)
  end
  local self = ffi.gc(batch_type(p, space._id), finalize)
  states[self] = { db = space._db }
  return handles.adopt(space._db, self)
end

--- Makes a batch; its put, delete and merge go to the bucket it is made from. With a function:
--- calls it with the batch, writes and frees it; an error in the function leaves nothing behind.
---@param fn? fun(w: kv.batch)
---@param given? {durability: string, deadline_ms: number}
---@return kv.batch|number|false|nil batch_or_seq
function batch.batch(self, fn, given)
  handles.pointer(self, "batch")
  if fn == nil then
    return new_batch(self)
  elseif type(fn) ~= "function" then
    errors.misuse("batch: takes a function, got %s", errors.what_came(fn))
  end
  if given ~= nil then
    options.check("batch", given, operation.COMMIT)
  end
  local w, failure, code = new_batch(self)
  if not w then
    return nil, failure, code
  end
  fn(w)
  local seq, second, third, fourth = w:write(given)
  w:close()
  return seq, second, third, fourth
end

return batch
