-- The served database as the routes use it: plain tables in, plain tables out, nothing blocks a
-- worker.
--
-- Sits on core/loam.h directly, beside `kv`, because a route needs what `kv` hides: content types,
-- the outcome of a commit as numbers, commits and slow calls that finish later. How those wait is
-- up to the `waiter` that the worker gives (commit, task); without one, as in specs, they block.
-- Reads return a value or nil, failure. A failure is {code = "CORRUPT", text}. Thread: the
-- worker's.
local batches = require "loam.batches"
local ffi = require "ffi"
local C = require "loam.native"
local scan = require "loam.scan"

local store = {}
local methods = {}
local metatable = { __name = "store", __index = methods }

local KINDS = { put = 1, delete = 2, merge = 3, incr = 4, touch = 5, append = 6 }
local CONDITIONS = { absent = 1, present = 2, seq = 3 }
local DURABILITIES = { default = 0, sync = 1, interval = 2, os = 3 }
local BUCKETS_MAX = 65536
local DELETE_ROWS, DELETE_BYTES = 1000, 1024 * 1024 -- Of a batch of deletes, about.
local OUT_OF_FILES = { [23] = true, [24] = true } -- ENFILE, EMFILE: passes by itself.

local err = ffi.new("loam_error")
local meta = ffi.new("loam_meta")
local op = ffi.new("loam_op")
local commit = ffi.new("loam_commit")
local outcome = ffi.new("loam_outcome")
local info = ffi.new("loam_bucket_info")
local value = ffi.gc(ffi.new("loam_buffer"), C.loam_buffer_free)

--- A failure from a code and the error that the call filled.
function store.failure(code, filled)
  local text, status = "", nil
  if filled ~= nil then
    text = ffi.string(filled.text)
    status = code == C.LOAM_IO and OUT_OF_FILES[filled.os_errno] and 503 or nil
    filled.text[0] = 0
  end
  return { code = ffi.string(C.loam_code_name(code)), text = text, status = status }
end

--- What is known about a write that failed with a code: "unknown" or "not_committed".
local function known_of(code)
  return code == C.LOAM_UNKNOWN_OUTCOME and "unknown" or "not_committed"
end

--- The failure of a write, which tells whether anything of it may be there: `outcome`.
function store.write_failure(code, filled, stall_ms)
  local failure = store.failure(code, filled)
  failure.outcome, failure.stall_ms = known_of(code), stall_ms
  return failure
end

--- How long a commit may take before whoever waits hears that the disk hangs: the engine answers
--- STALLED in time as long as nothing was done, so this one is at the disk.
function store.patience_ms(deadline_ms)
  return 2 * deadline_ms + 1000
end

--- Fills an error for that and returns its code.
function store.hung(filled)
  filled.code = C.LOAM_UNKNOWN_OUTCOME
  ffi.copy(filled.text, "outcome unknown: the disk has not answered yet")
  return C.LOAM_UNKNOWN_OUTCOME
end

--- What a commit led to, out of a loam_outcome: a table with code "OK" or a failure's.
function store.outcome_of(code, filled, result)
  local what = code >= 0 and { code = "OK" } or store.write_failure(code, filled)
  what.seq = tonumber(result.seq)
  what.current_seq = tonumber(result.current_seq)
  what.failed_index = result.failed_index
  what.existed = result.existed
  what.number = result.number
  what.stall_ms = result.stall_ms
  what.previous = ffi.string(result.previous.data, result.previous.size)
  C.loam_buffer_free(result.previous)
  return what
end

local function blocking_commit(self, batch, how)
  local code = C.loam_write(self.db, batch, how, outcome, err)
  return store.outcome_of(code, err, outcome)
end

local function blocking_task(self, task)
  C.host_task_run(self.db, task)
  return task
end

--- Wraps a loam_db. options: waiter = {commit, task}, shared = what host_shared() gives, host. The
--- fields on_bucket(name, id) and on_type(name, id), when set, are told what names led to.
function store.new(db, options)
  local waiter = options.waiter or { commit = blocking_commit, task = blocking_task }
  return setmetatable({
    db = db,
    _waiter = waiter,
    _shared = options.shared,
    _host = options.host,
    _epoch = 0,
    _ids = {},
    _types = {},
    _batches = batches.new(),
  }, metatable)
end

-- ---- Buckets ----

-- Dropped ids never come back, but a cached name may have got a new id: forget all when one
-- changed.
local function refresh(self)
  local epoch = self._shared and self._shared.bucket_epoch or 0
  if epoch ~= self._epoch then
    self._epoch = epoch
    self._ids = {}
  end
end

--- Returns the id of a bucket, nil when there is none; or nil, failure.
function methods:bucket_id(name)
  refresh(self)
  local id = self._ids[name]
  if id then
    return id
  end
  local code = C.loam_bucket_open(self.db, name, nil, info, err)
  if code == C.LOAM_NOT_FOUND then
    return nil
  elseif code ~= 0 then
    return nil, store.failure(code, err)
  end
  self._ids[name] = info.id
  if self.on_bucket and name:sub(1, 1) ~= "_" then
    self.on_bucket(name, info.id)
  end
  return info.id
end

local function bucket_of(filled)
  return { id = filled.id, name = ffi.string(filled.name), ttl_ms = tonumber(filled.ttl_ms),
    merge = filled.merge }
end

--- Returns {id, name, ttl_ms, merge}; nil when absent; or nil, failure.
function methods:bucket(name)
  local code = C.loam_bucket_open(self.db, name, nil, info, err)
  if code == C.LOAM_NOT_FOUND then
    return nil
  elseif code ~= 0 then
    return nil, store.failure(code, err)
  end
  return bucket_of(info)
end

--- All buckets by name.
function methods:buckets()
  local count = tonumber(C.loam_bucket_list(self.db, nil, 0))
  local list = {}
  -- A bucket may be made between the two calls: room for some more.
  local capacity = math.min(count + 16, BUCKETS_MAX)
  local room = ffi.new("loam_bucket_info[?]", capacity)
  count = math.min(tonumber(C.loam_bucket_list(self.db, room, capacity)), capacity)
  for at = 0, count - 1 do
    list[#list + 1] = bucket_of(room[at])
  end
  return list
end

-- Slow calls that change the store.
local WRITES = { HOST_TASK_BUCKET_OPEN = true, HOST_TASK_BUCKET_DROP = true,
  HOST_TASK_CONTENT_TYPE = true }

local function run_task(self, kind, name, prepare)
  local task = ffi.new("struct host_task")
  task.kind = C[kind]
  task.name_size = #name
  ffi.copy(task.name, name)
  if prepare then
    prepare(task)
  end
  task = self._waiter.task(self, task)
  if task.code ~= 0 then
    local fail = WRITES[kind] and store.write_failure or store.failure
    return nil, fail(task.code, task.error)
  end
  return task
end

local function buckets_changed(self)
  if self._host then
    C.host_buckets_changed(self._host)
  end
  self._ids = {}
end

--- Makes a bucket and returns it, or nil, failure.
function methods:make_bucket(name, ttl_ms, merge)
  local task, failure = run_task(self, "HOST_TASK_BUCKET_OPEN", name, function(task)
    task.bucket_options.create = true
    task.bucket_options.ttl_ms = ttl_ms
    task.bucket_options.merge = merge
  end)
  if not task then
    return nil, failure
  end
  buckets_changed(self)
  return bucket_of(task.bucket)
end

--- Drops a bucket: true, or nil, failure.
function methods:drop_bucket(name)
  local task, failure = run_task(self, "HOST_TASK_BUCKET_DROP", name)
  buckets_changed(self)
  return task and true, failure
end

-- ---- Reads ----

--- Returns value, {seq, expire_at_ms, size, content_type}; nil when absent; or nil, failure.
function methods:get(bucket, key, options)
  local snapshot = options and options.snapshot
  local into = not (options and options.is_meta_only) and value or nil
  local code = C.loam_get_entry(self.db, bucket, key, #key, snapshot, into, meta, err)
  if code == C.LOAM_NOT_FOUND then
    return nil
  elseif code ~= 0 then
    return nil, store.failure(code, err)
  end
  local bytes = into and ffi.string(value.data, value.size) or ""
  if value.capacity > 1048576 then
    C.loam_buffer_free(value)
  end
  return bytes, { seq = tonumber(meta.seq), expire_at_ms = tonumber(meta.expire_at_ms),
    size = tonumber(meta.value_size), content_type = self:content_type_name(meta.content_type) }
end

--- Opens a scan; see loam.scan. Returns it, or nil, failure.
function methods:scan(bucket, range)
  return scan.open(self.db, bucket, range, store.failure)
end

--- Calls fn(snapshot) with a fixed state of the store and closes it.
function methods:with_snapshot(fn)
  local out = ffi.new("loam_snapshot *[1]")
  local code = C.loam_snapshot_open(self.db, out, err)
  if code ~= 0 then
    return nil, store.failure(code, err)
  end
  local snapshot = ffi.gc(out[0], C.loam_snapshot_close)
  local is_ok, first, second = pcall(fn, snapshot)
  C.loam_snapshot_close(ffi.gc(snapshot, nil))
  if not is_ok then
    error(first, 0)
  end
  return first, second
end

-- ---- Content types ----

--- The name behind an id; nil for none.
function methods:content_type_name(id)
  if id == 0 then
    return nil
  end
  local name = C.loam_content_type_name(self.db, id)
  return name ~= nil and ffi.string(name) or nil
end

local function tell_type(self, name, id)
  if self.on_type then
    self.on_type(name, id)
  end
end

--- Returns the id of a content type, which is stored when new; or nil, failure.
function methods:content_type_id(name)
  if not name or name == "" then
    return 0
  elseif self._types[name] then
    tell_type(self, name, self._types[name])
    return self._types[name]
  elseif #name > 127 then
    local text = ("content type has %d bytes, the most is 127"):format(#name)
    return nil, { code = "TOO_LARGE", text = text }
  end
  local task, failure = run_task(self, "HOST_TASK_CONTENT_TYPE", name)
  if not task then
    return nil, failure
  end
  self._types[name] = task.content_type
  tell_type(self, name, task.content_type)
  return task.content_type
end

-- ---- Writes ----

local function fill(one)
  ffi.fill(op, ffi.sizeof("loam_op"))
  op.kind = KINDS[one.op]
  op.bucket = one.bucket
  op.key = one.key
  op.key_size = #one.key
  if one.value then
    op.value = one.value
    op.value_size = one.value_size or #one.value
  end
  op.ttl_ms = one.ttl_ms or 0
  op.expire_at_ms = one.expire_at_ms or 0
  op.no_expiry = one.no_expiry or false
  op.content_type = one.content_type or 0
  op.condition = CONDITIONS[one.condition] or 0
  op.if_seq = one.if_seq or 0
  op.report_previous = one.report_previous or false
  op.want_previous = one.want_previous == true
  op.by = one.by or 0
  op.has_init = one.init ~= nil
  op.init = one.init or 0
end

local function submit(self, batch, how)
  commit.durability = DURABILITIES[how and how.durability or "default"]
  commit.deadline_ms = how and how.deadline_ms or 0
  local result, is_lent = self._waiter.commit(self, batch, commit)
  if not is_lent then
    self._batches:give(batch)
  end
  return result
end

--- Commits operations as one batch. Each is {op, bucket, key, value, value_size, ttl_ms,
--- expire_at_ms, no_expiry, content_type, condition = "absent" | "present" | "seq", if_seq,
--- report_previous, want_previous, by, init}; how is {durability, deadline_ms, taken}: taken() is
--- called when values have been copied. Returns the outcome; its code is "OK" or says what failed.
function methods:write(ops, how)
  local batch = self._batches:take()
  for at = 1, #ops do
    fill(ops[at])
    local code = C.loam_batch_add(batch, op, err)
    if code ~= 0 then
      self._batches:give(batch)
      local failed = store.write_failure(code, err)
      failed.failed_index = at - 1
      return failed
    end
  end
  if how and how.taken then
    how.taken()
  end
  return submit(self, batch, how)
end

-- Adds the keys of a scan's next blocks to a batch. Returns how many, or nil, failure.
local function add_deletes(batch, bucket, rows)
  local count = 0
  while count < DELETE_ROWS and C.loam_batch_bytes(batch) < DELETE_BYTES do
    local size, failure = rows:next()
    if not size then
      return nil, failure
    elseif size == 0 then
      break
    end
    for at = 0, size - 1 do
      local row = rows.block.rows[at]
      local code = C.loam_batch_delete(batch, bucket, row.key, row.key_size, err)
      if code ~= 0 then
        return nil, store.failure(code, err)
      end
    end
    count = count + size
  end
  return count
end

--- Removes the next rows of a scan, some 1000, as one batch. Returns its outcome, with `count`,
--- which is 0 behind the last row.
function methods:delete_rows(bucket, rows, how)
  local batch = self._batches:take()
  local count, failure = add_deletes(batch, bucket, rows)
  if not count or count == 0 then
    self._batches:give(batch)
    if failure then
      failure.outcome = "not_committed"
    end
    return failure or { code = "OK", count = 0 }
  end
  local result = submit(self, batch, how)
  result.count = count
  return result
end

--- Makes a slow call that has no arguments: the finished struct host_task, or nil, failure.
---@param kind string  "HOST_TASK_FLUSH", "HOST_TASK_COMPACT"
function methods:run(kind)
  return run_task(self, kind, "")
end

return store
