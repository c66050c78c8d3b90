-- One operation of a write: what a caller may ask for, turned into a loam_op and a loam_commit.
--
-- Shared by the writes of one key (write.lua) and by batches (batch.lua). The two structs are
-- scratch: they are filled and used without anything else running between.
local content = require "kv.content"
local errors = require "kv.errors"
local ffi = require "ffi"
local lib = require "kv.lib"
local options = require "kv.options"
local value = require "kv.value"

local operation = {}
local C = lib.C
local misuse = errors.misuse

local op = ffi.new("loam_op")
local commit = ffi.new("loam_commit")
operation.scratch = op

local DURABILITY = { sync = C.LOAM_SYNC, interval = C.LOAM_INTERVAL, os = C.LOAM_OS }
operation.DURABILITY = DURABILITY

---@class kv.write_options
---@field ttl? number         seconds, 0 = never
---@field expire_at? number   seconds since the epoch
---@field durability? "sync"|"interval"|"os"
---@field deadline_ms? number longest wait for back-pressure
---@field if_absent? boolean
---@field if_present? boolean
---@field if_seq? number      0 = must be absent
---@field if_value? string
---@field content_type? string
---@field report? boolean     the write also returns whether the key was present before
local COMMIT = { durability = DURABILITY, deadline_ms = "whole" }
local CONDITIONS = {
  if_absent = "boolean", if_present = "boolean", if_seq = "whole", if_value = "any",
}
local ROW = { ttl = "number", expire_at = "number", content_type = "string", report = "boolean" }

local function union(...)
  local all = {}
  for _, part in ipairs({ ... }) do
    for name, kind in pairs(part) do
      all[name] = kind
    end
  end
  return all
end

-- What the calls take.
operation.COMMIT = COMMIT
operation.ROW_COMMIT = union(ROW, COMMIT)
operation.PUT = union(COMMIT, CONDITIONS, ROW)
operation.BATCH_PUT = union(CONDITIONS, ROW)
operation.BATCH_PUT.report = nil
operation.DELETE = union(COMMIT, { if_seq = "whole", if_value = "any" })
operation.BATCH_DELETE = { if_seq = "whole", if_value = "any" }

local function set_condition(call, given)
  local count = 0
  if given.if_absent then
    op.condition, count = C.LOAM_IF_ABSENT, count + 1
  end
  if given.if_present then
    op.condition, count = C.LOAM_IF_PRESENT, count + 1
  end
  if given.if_seq then
    op.condition, op.if_seq, count = C.LOAM_IF_SEQ, given.if_seq, count + 1
  end
  if given.if_value ~= nil then
    op.condition, count = C.LOAM_IF_VALUE, count + 1
    op.if_value, op.if_value_size = value.bytes(call .. ": if_value", given.if_value)
  end
  if count > 1 then
    misuse("%s: takes one condition of if_absent, if_present, if_seq, if_value", call)
  end
end

local function set_expiry(call, ttl, expire_at)
  if ttl and expire_at then
    misuse("%s: takes ttl or expire_at, not both", call)
  elseif ttl then
    op.ttl_ms = value.ttl_ms(call, ttl)
    op.no_expiry = ttl == 0
  elseif expire_at then
    op.expire_at_ms = value.expire_at_ms(call, expire_at)
  end
end

--- Starts the scratch op. The key is borrowed.
---@param call string
---@param kind number  LOAM_OP_*
function operation.start(call, kind, bucket, key)
  value.check_key(call, key)
  ffi.fill(op, ffi.sizeof(op))
  op.kind = kind
  op.bucket = bucket
  op.key = key
  op.key_size = #key
  return op
end

--- Sets the value of the scratch op, which is borrowed.
function operation.set_value(call, bytes)
  op.value, op.value_size = value.bytes(call, bytes)
end

--- Applies options, or a TTL in their place, to the scratch op. The content type may have to be
--- made durable first, so this can fail: returns true or nil, err, CODE.
---@param db kv.database
---@param given? kv.write_options|number
---@param known table  which options this call takes
function operation.set_options(call, db, given, known)
  if given == nil then
    return true
  elseif type(given) == "number" then
    set_expiry(call, given)
    return true
  end
  options.check(call, given, known)
  set_condition(call, given)
  set_expiry(call, given.ttl, given.expire_at)
  op.report_previous = given.report or false
  if given.content_type then
    local id, failure, code = content.id(db, given.content_type)
    if not id then
      return nil, failure, code
    end
    op.content_type = id
  end
  return true
end

--- Returns the loam_commit of checked options, nil for the defaults.
function operation.commit(given)
  if type(given) ~= "table" or not (given.durability or given.deadline_ms) then
    return nil
  end
  commit.durability = DURABILITY[given.durability] or C.LOAM_DURABILITY_DEFAULT
  commit.deadline_ms = math.min(given.deadline_ms or 0, 0xffffffff)
  return commit
end

return operation
