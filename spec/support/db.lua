-- A store over any driver of core/env, through the C API as it is: what the specs of core/db use.
--
--     local store = require "spec.support.db"
--     local db = assert(store.open(files._p, "/db", { memtable_bytes = 65536 }))
--     assert(db:put("a", "1"))   db:get "a"   db:rows { reverse = true }   assert(db:close())
--
-- options.log_ahead: logs are made ahead and sealed behind, at fixed steps, on any driver.
-- Calls that fail answer nil, the name of the code, the text. store.close_all() belongs in
-- after_each: it closes what a failed test left open.
local cdef = require "spec.support.cdef"
local env = require "spec.support.env"
local ffi = require "ffi"
local lib = require "spec.support.lib"

cdef.load("env/env.h")
cdef.load("db/open.h")
cdef.load("db/log_ahead.h")

local store = {}
local open_stores = {}
local answer = env.answer

store.DURABILITY = { sync = 1, interval = 2, os = 3 }

local methods = {}
local metatable = { __name = "spec.store", __index = methods }

--- Opens a store. options: members of loam_options.
function store.open(driver, path, options)
  local given, err = ffi.new("loam_options"), ffi.new("loam_error")
  lib.loam_options_init(given)
  for name, value in pairs(options or {}) do
    if name ~= "log_ahead" then
      given[name] = value
    end
  end
  local out = ffi.new("loam_db *[1]")
  local ok, code, text = answer(lib.db_open(driver, path, given, out, err), err)
  if not ok then
    return nil, code, text
  end
  if options and options.log_ahead then
    lib.log_ahead_set_manual(out[0])
  end
  local db = setmetatable({ _p = out[0], _err = err, _bucket = 1 }, metatable)
  open_stores[db] = true
  return db
end

function store.close_all()
  for db in pairs(open_stores) do
    db:close()
  end
  open_stores = {}
end

function methods:close()
  if not self._p then
    return true
  end
  for scan in pairs(self._scans or {}) do
    lib.loam_scan_close(scan)
  end
  local ok, code, text = answer(lib.loam_close(self._p, self._err), self._err)
  if code ~= "BUSY" then
    self._p = nil
    open_stores[self] = nil
  end
  return ok, code, text
end

local function commit_of(options)
  local durability = options and options.durability
  return ffi.new("loam_commit", {
    durability = durability and store.DURABILITY[durability] or 0,
    deadline_ms = options and options.deadline_ms or 0,
  })
end

local CONDITIONS = { absent = 1, present = 2, seq = 3, value = 4 }
local KINDS = { put = 1, delete = 2, merge = 3, incr = 4, touch = 5, append = 6 }

--- One operation: op = {kind, key, value, ttl_ms, condition, if_seq, if_value, by, init, ...}.
--- Returns the outcome as a table, or nil, code, text, outcome.
function methods:apply(op, options)
  local c_op, outcome = self:op(op), ffi.new("loam_outcome")
  local rc = lib.loam_apply(self._p, c_op, commit_of(options), outcome, self._err)
  local result = {
    seq = tonumber(outcome.seq),
    current_seq = tonumber(outcome.current_seq),
    failed_index = outcome.failed_index,
    existed = outcome.existed,
    number = outcome.number,
    stall_ms = outcome.stall_ms,
    previous = outcome.previous.data ~= nil
      and ffi.string(outcome.previous.data, outcome.previous.size) or nil,
  }
  lib.loam_buffer_free(outcome.previous)
  local ok, code, text = answer(rc, self._err)
  if not ok then
    return nil, code, text, result
  end
  return result
end

--- A loam_op of a table; the table must stay alive as long as the op is used.
function methods:op(op)
  local c_op = ffi.new("loam_op")
  c_op.kind = KINDS[op.kind or "put"]
  c_op.bucket = op.bucket or self._bucket
  c_op.key, c_op.key_size = op.key, #op.key
  if op.value then
    c_op.value, c_op.value_size = op.value, #op.value
  end
  if op.if_value then
    c_op.if_value, c_op.if_value_size = op.if_value, #op.if_value
  end
  c_op.condition = op.condition and CONDITIONS[op.condition] or 0
  for _, name in ipairs { "ttl_ms", "expire_at_ms", "no_expiry", "has_init", "report_previous",
    "want_previous", "content_type", "if_seq", "by", "init" } do
    if op[name] ~= nil then
      c_op[name] = op[name]
    end
  end
  return c_op
end

function methods:put(key, value, options)
  local result, code, text = self:apply({ key = key, value = value }, options)
  return result and result.seq, code, text
end

function methods:delete(key, options)
  local result, code, text = self:apply({ kind = "delete", key = key }, options)
  return result and result.seq, code, text
end

--- Writes a list of operations as one batch; returns the last sequence.
function methods:batch(ops, options)
  local batch, outcome = lib.loam_batch_new(), ffi.new("loam_outcome")
  if batch == nil then
    return nil, "NO_MEMORY", "no batch"
  end
  local ok, code, text = true, nil, nil
  for _, op in ipairs(ops) do
    ok, code, text = answer(lib.loam_batch_add(batch, self:op(op), self._err), self._err)
    if not ok then
      break
    end
  end
  if ok then
    local rc = lib.loam_write(self._p, batch, commit_of(options), outcome, self._err)
    ok, code, text = answer(rc, self._err)
  end
  lib.loam_batch_free(batch)
  lib.loam_buffer_free(outcome.previous)
  if not ok then
    return nil, code, text, tonumber(outcome.failed_index)
  end
  return tonumber(outcome.seq), outcome
end

--- Returns the value, or nil (absent), or nil, code, text.
function methods:get(key, snapshot)
  local buffer = ffi.new("loam_buffer")
  local rc = lib.loam_get(self._p, self._bucket, key, #key, snapshot, buffer, self._err)
  local value = rc == 0 and ffi.string(buffer.data, buffer.size) or nil
  lib.loam_buffer_free(buffer)
  if rc == lib.LOAM_NOT_FOUND then
    return nil
  end
  if rc ~= 0 then
    return nil, ffi.string(lib.loam_code_name(rc)), ffi.string(self._err.text)
  end
  return value
end

function methods:meta(key)
  local meta = ffi.new("loam_meta")
  local rc = lib.loam_get_entry(self._p, self._bucket, key, #key, nil, nil, meta, self._err)
  if rc ~= 0 then
    return nil, ffi.string(lib.loam_code_name(rc))
  end
  return {
    seq = tonumber(meta.seq),
    expire_at_ms = tonumber(meta.expire_at_ms),
    value_size = tonumber(meta.value_size),
    content_type = meta.content_type,
  }
end

local function range_of(range)
  local c_range = ffi.new("loam_range")
  for _, name in ipairs { "from", "to", "prefix", "after" } do
    if range[name] then
      c_range[name], c_range[name .. "_size"] = range[name], #range[name]
    end
  end
  c_range.limit = range.limit or 0
  c_range.max_bytes = range.max_bytes or 0
  c_range.reverse = range.reverse or false
  c_range.keys_only = range.keys_only or false
  return c_range
end

--- Every row of a range as a list of {key, value}.
function methods:rows(range, snapshot)
  range = range or {}
  local out, list = ffi.new("loam_scan *[1]"), {}
  local rc = lib.loam_scan_open(self._p, self._bucket, range_of(range), snapshot, out, self._err)
  local block = ffi.new("loam_rows")
  while rc == 0 do
    rc = lib.loam_scan_next(out[0], block, self._err)
    if rc ~= 0 or block.count == 0 then
      break
    end
    for index = 0, tonumber(block.count) - 1 do
      local row = block.rows[index]
      list[#list + 1] = {
        ffi.string(row.key, row.key_size),
        row.value ~= nil and ffi.string(row.value, row.value_size) or nil,
      }
    end
  end
  lib.loam_scan_close(out[0])
  local ok, code, text = answer(rc, self._err)
  if not ok then
    return nil, code, text, list
  end
  return list
end

function methods:count(range)
  local count = ffi.new("uint64_t[1]")
  local rc = lib.loam_count(self._p, self._bucket, range_of(range or {}), nil, count, self._err)
  local ok, code, text = answer(rc, self._err)
  return ok and tonumber(count[0]), code, text
end

function methods:snapshot()
  local out = ffi.new("loam_snapshot *[1]")
  assert(answer(lib.loam_snapshot_open(self._p, out, self._err), self._err))
  return out[0]
end

function methods:flush()
  return answer(lib.loam_flush(self._p, self._err), self._err)
end

function methods:sync()
  return answer(lib.loam_sync(self._p, self._err), self._err)
end

--- Compacts everything and waits.
function methods:compact()
  local job, info = ffi.new("uint64_t[1]"), ffi.new("loam_job_info")
  local ok, code, text = answer(lib.loam_compact(self._p, job, self._err), self._err)
  if not ok then
    return nil, code, text
  end
  ok, code, text = answer(lib.loam_job_wait(self._p, job[0], 60000, info, self._err), self._err)
  if ok and info.state ~= lib.LOAM_JOB_DONE then
    return nil, ffi.string(lib.loam_code_name(info.code)), ffi.string(info.text)
  end
  return ok, code, text
end

--- Returns the report, or nil, code, text, report.
function methods:check()
  local buffer = ffi.new("loam_buffer")
  local ok, code, text = answer(lib.loam_check(self._p, buffer, self._err), self._err)
  local report = ffi.string(buffer.data, buffer.size)
  lib.loam_buffer_free(buffer)
  if not ok then
    return nil, code, text, report
  end
  return report
end

function methods:bucket(name, options)
  local given = ffi.new("loam_bucket_options", options or {})
  local info = ffi.new("loam_bucket_info")
  local rc = lib.loam_bucket_open(self._p, name, given, info, self._err)
  local ok, code, text = answer(rc, self._err)
  return ok and info.id, code, text
end

function methods:drop_bucket(name)
  return answer(lib.loam_bucket_drop(self._p, name, self._err), self._err)
end

function methods:seq()
  return tonumber(lib.loam_seq(self._p))
end

function methods:durable_seq()
  return tonumber(lib.loam_durable_seq(self._p))
end

function methods:stats()
  local stats = ffi.new("loam_stats")
  lib.loam_stats_get(self._p, stats)
  return stats
end

return store
