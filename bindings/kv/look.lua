-- What an operator asks of an open database: where a key is, who holds what, which files there are,
-- what fills the disk.
local errors = require "kv.errors"
local ffi = require "ffi"
local handles = require "kv.handles"
local lib = require "kv.lib"

local look = {}
local C = lib.C
local err = errors.scratch
local count_out = ffi.new("size_t[1]")
local ROOM = 16 -- More may come between two calls.

local OUTCOMES = {
  [C.LOAM_STEP_ABSENT] = "absent", [C.LOAM_STEP_VALUE] = "value", [C.LOAM_STEP_DELETE] = "delete",
  [C.LOAM_STEP_EXPIRED] = "expired", [C.LOAM_STEP_FAILED] = "failed",
}

local function describe_step(step)
  local outcome = OUTCOMES[step.outcome]
  local found = { outcome = outcome, number = step.number ~= 0 and tonumber(step.number) or nil }
  if step.place == C.LOAM_PLACE_TABLE then
    found.place, found.run = "table", step.run
  else
    found.place = "memory"
  end
  if outcome == "failed" then
    found.code = lib.codes[step.code]
  elseif outcome ~= "absent" then
    found.seq = tonumber(step.seq)
    found.expires_at = step.expire_at_ms ~= 0 and tonumber(step.expire_at_ms) / 1000 or nil
    found.size = outcome == "value" and tonumber(step.value_size) or nil
  end
  return found
end

-- Calls a C function that fills an array until the array was large enough.
local function fill(type_name, call)
  local capacity, rows = -1, nil
  count_out[0] = 0
  while tonumber(count_out[0]) > capacity do
    capacity = tonumber(count_out[0]) + ROOM
    rows = ffi.new(type_name, capacity)
    local rc = call(rows, capacity)
    if rc ~= 0 then
      return errors.failure(rc)
    end
  end
  return rows, tonumber(count_out[0])
end

--- Returns the plan of a read: the places where a get of the key looks, newest first, each as
--- {place = "memory"|"table", run, number, outcome, seq, size, expires_at, code}. The first outcome
--- that is not "absent" is what the read answers; what follows is hidden by it.
---@param key string
---@return table[]? steps, kv.error? err, string? code
function look.explain(self, key)
  local p = handles.pointer(self, "explain")
  if type(key) ~= "string" then
    errors.misuse("explain: the key is a string, got %s", errors.what_came(key))
  end
  local slice = ffi.new("loam_slice", key, #key)
  local steps, count, code = fill("loam_explain_step[?]", function(rows, capacity)
    return C.loam_explain(p, self._id, slice, rows, capacity, count_out, err)
  end)
  if not steps then
    return nil, count, code
  end
  local list = {}
  for at = 1, count do
    list[at] = describe_step(steps[at - 1])
  end
  return list
end

--- Returns the open snapshots and scans, each {by = "snapshot"|"scan", seq, age_s, bytes}. bytes:
--- tables that are kept for it alone.
---@return table[]
function look.handles(self)
  local p = handles.pointer(self, "handles")
  local infos, count = fill("loam_handle_info[?]", function(rows, capacity)
    count_out[0] = C.loam_handles(p, rows, capacity)
    return 0
  end)
  local list = {}
  for at = 1, count do
    local info = infos[at - 1]
    list[at] = {
      by = info.kind == C.LOAM_HANDLE_SCAN and "scan" or "snapshot",
      seq = tonumber(info.seq),
      age_s = tonumber(info.age_ms) / 1000,
      bytes = tonumber(info.pinned_bytes),
    }
  end
  return list
end

--- Returns the files of the store's directory, each {name, kind, bytes, is_live}.
---@return table[]? files, kv.error? err, string? code
function look.files(self)
  local p = handles.pointer(self, "files")
  local infos, count, code = fill("loam_file_info[?]", function(rows, capacity)
    return C.loam_files(p, rows, capacity, count_out, err)
  end)
  if not infos then
    return nil, count, code
  end
  local list = {}
  for at = 1, count do
    local info = infos[at - 1]
    list[at] = { name = ffi.string(info.name), kind = ffi.string(info.kind),
      bytes = tonumber(info.size), is_live = info.is_live }
  end
  table.sort(list, function(left, right) return left.name < right.name end)
  return list
end

--- Returns what fills the disk, in bytes: total, tables = live + garbage (an estimate: deletes and
--- what they hide; overwritten rows count as live until they are compacted), wal, unused (replaced
--- tables that are still there), free, reserve; and pinned, the list of handles().
---@return table? space, kv.error? err, string? code
function look.space(self)
  local p = handles.pointer(self, "space")
  local info = ffi.new("loam_space_info")
  local rc = C.loam_space(p, info, err)
  if rc ~= 0 then
    return errors.failure(rc)
  end
  local tables, garbage = tonumber(info.table_bytes), tonumber(info.garbage_bytes)
  return {
    total = tonumber(info.total_bytes),
    tables = tables,
    live = tables - garbage,
    garbage = garbage,
    wal = tonumber(info.wal_bytes),
    unused = tonumber(info.unused_bytes),
    free = tonumber(info.free_bytes),
    reserve = tonumber(info.reserve_bytes),
    pinned = look.handles(self),
  }
end

return look
