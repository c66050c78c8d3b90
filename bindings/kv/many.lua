-- Reads and writes of many keys at once.
--
-- The writes fill one scratch batch, so each call is atomic. In a host the batch is submitted
-- before anything else can run, so one is enough for all handlers of a Lua state.
local commit = require "kv.commit"
local errors = require "kv.errors"
local ffi = require "ffi"
local handles = require "kv.handles"
local lib = require "kv.lib"
local memory = require "kv.memory"
local operation = require "kv.operation"
local options = require "kv.options"
local range = require "kv.range"
local read = require "kv.read"
local value = require "kv.value"

local many = {}
local C = lib.C
local err = errors.scratch
local outcome = memory.outcome
local batch = ffi.gc(C.loam_batch_new(), C.loam_batch_free)
local storage = memory.buffer()
local count_out = ffi.new("uint64_t[1]")

local slices_capacity = 64
local key_slices = ffi.new("loam_slice[?]", slices_capacity)
local result_slices = ffi.new("loam_slice[?]", slices_capacity)

local function reserve_slices(count)
  if count <= slices_capacity then
    return
  end
  while slices_capacity < count do
    slices_capacity = slices_capacity * 2
  end
  key_slices = ffi.new("loam_slice[?]", slices_capacity)
  result_slices = ffi.new("loam_slice[?]", slices_capacity)
end

local function check_keys(call, keys)
  if type(keys) ~= "table" then
    errors.misuse("%s: the keys are an array, got %s", call, errors.what_came(keys))
  elseif #keys == 0 and next(keys) ~= nil then
    errors.misuse("%s: the keys are an array, got a table with other indexes", call)
  end
  return #keys
end

--- Reads many keys at one sequence number. Returns an array with kv.null for an absent key, and
--- how many were found.
---@param keys string[]
---@param given? {snapshot: kv.snapshot}
---@return table? values, number|kv.error found_count
function many.mget(self, keys, given)
  local p = handles.pointer(self, "mget")
  local count = check_keys("mget", keys)
  local snapshot = self._snapshot
  if given ~= nil then
    options.check("mget", given, { snapshot = "table" })
    snapshot = read.snapshot_of(self, "mget", given.snapshot)
  end
  reserve_slices(count)
  for index = 1, count do
    local key = keys[index]
    value.check_key("mget", key)
    local slice = key_slices[index - 1]
    slice.data, slice.size = key, #key
  end
  local found =
    C.loam_mget(p, self._id, key_slices, count, snapshot, result_slices, storage, err)
  if found < 0 then
    return errors.failure(found)
  end
  local values = {}
  for index = 1, count do
    local slice = result_slices[index - 1]
    values[index] = slice.data ~= nil and ffi.string(slice.data, slice.size) or value.null
  end
  if storage.capacity > 1024 * 1024 then
    C.loam_buffer_free(storage)
  end
  return values, found
end

local function finish(self, p, given)
  local durability = type(given) == "table" and given.durability or nil
  local rc, detail = commit.write(self._db, p, batch, operation.commit(given), durability)
  if rc ~= 0 then
    return commit.refused(rc, detail)
  end
  return tonumber(outcome.seq)
end

-- Adds one put to the scratch batch. Returns true, or nil, err, CODE.
local function add_put(self, key, bytes, given)
  local op = operation.start("mput", C.LOAM_OP_PUT, self._id, key)
  operation.set_value("mput", bytes)
  local is_set, failure, code =
    operation.set_options("mput", self._db, given, operation.ROW_COMMIT)
  if not is_set then
    return nil, failure, code
  end
  local rc = C.loam_batch_add(batch, op, err)
  if rc ~= 0 then
    return errors.failure(rc)
  end
  return true
end

local function add_pairs(self, list, given)
  for index, pair in ipairs(list) do
    if type(pair) ~= "table" then
      errors.misuse("mput: pair %d is a table {key, value}, got %s", index,
        errors.what_came(pair))
    end
    local key, bytes = pair[1], pair[2]
    if key == nil then
      key, bytes = pair.key, pair.value
    end
    local is_added, failure, code = add_put(self, key, bytes, given)
    if not is_added then
      return nil, failure, code
    end
  end
  return true
end

local function add_map(self, map, given)
  for key, bytes in pairs(map) do
    local is_added, failure, code = add_put(self, key, bytes, given)
    if not is_added then
      return nil, failure, code
    end
  end
  return true
end

--- Writes a map {key = value} or a list of pairs {{key, value}, ...} in one atomic batch.
---@param rows table
---@param given? kv.write_options|number
---@return number? seq, kv.error? err, string? code
function many.mput(self, rows, given)
  local p = handles.pointer(self, "mput")
  if type(rows) ~= "table" then
    errors.misuse("mput: the rows are a map or a list of pairs, got %s", errors.what_came(rows))
  end
  C.loam_batch_clear(batch)
  local add = rows[1] ~= nil and add_pairs or add_map
  local is_added, failure, code = add(self, rows, given)
  if not is_added then
    return nil, failure, code
  end
  return finish(self, p, given)
end

--- Removes many keys in one atomic batch.
---@param keys string[]
---@param given? {durability: string, deadline_ms: number}
---@return number? seq, kv.error? err, string? code
function many.mdelete(self, keys, given)
  local p = handles.pointer(self, "mdelete")
  local count = check_keys("mdelete", keys)
  if given ~= nil then
    options.check("mdelete", given, operation.COMMIT)
  end
  C.loam_batch_clear(batch)
  for index = 1, count do
    local key = keys[index]
    value.check_key("mdelete", key)
    local rc = C.loam_batch_delete(batch, self._id, key, #key, err)
    if rc ~= 0 then
      return errors.failure(rc)
    end
  end
  return finish(self, p, given)
end

local function delete_rows(self, p, spec, given)
  count_out[0] = 0
  local rc =
    C.loam_delete_range(p, self._id, range.fill(spec), operation.commit(given), count_out, err)
  if rc == 0 then
    return tonumber(count_out[0])
  end
  local _, failure, code = errors.failure(rc)
  failure.count = tonumber(count_out[0])
  return nil, failure, code
end

--- Removes the rows of [from, to); nil is no bound, but not on both sides. Returns how many. It is
--- a scan plus batches, not one atomic write: err.count tells how many went before a failure.
---@param from? string
---@param to? string
---@param given? {durability: string, deadline_ms: number}
---@return number? count, kv.error? err, string? code
function many.delete_range(self, from, to, given)
  local p = handles.pointer(self, "delete_range")
  if from == nil and to == nil then
    errors.misuse("delete_range: needs a bound; to remove everything use delete_prefix(\"\")")
  end
  if given ~= nil then
    options.check("delete_range", given, operation.COMMIT)
  end
  return delete_rows(self, p, range.bounds("delete_range", from, to), given)
end

--- Removes the rows whose keys begin with a prefix; "" removes all. Returns how many.
---@param prefix string
---@param given? {durability: string, deadline_ms: number}
---@return number? count, kv.error? err, string? code
function many.delete_prefix(self, prefix, given)
  local p = handles.pointer(self, "delete_prefix")
  if type(prefix) ~= "string" then
    errors.misuse("delete_prefix: the prefix is a string, got %s", errors.what_came(prefix))
  end
  if given ~= nil then
    options.check("delete_prefix", given, operation.COMMIT)
  end
  return delete_rows(self, p, { prefix = prefix }, given)
end

return many
