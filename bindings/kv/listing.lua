-- Ranges read at once: list, keys, first, last, count.
local clock = require "kv.clock"
local errors = require "kv.errors"
local ffi = require "ffi"
local handles = require "kv.handles"
local lib = require "kv.lib"
local range = require "kv.range"
local read = require "kv.read"
local scan = require "kv.scan"

local listing = {}
local C = lib.C
local err = errors.scratch
local new_rows = ffi.typeof("loam_rows")
local count_out = ffi.new("uint64_t[1]")

-- Adds a block of rows to a page. The row after the last wanted one only tells that there is more.
local function add_rows(page, block, size)
  for index = 0, size - 1 do
    if page.count == page.limit then
      page.is_cut = true
      return
    end
    local row = block.rows[index]
    page.count = page.count + 1
    local value_size = page.is_key_only and 0 or tonumber(row.value_size)
    page.bytes = page.bytes + tonumber(row.key_size) + value_size
    page.items[page.count] = page.item_of(page.db, row, page.is_key_only)
  end
end

local function fill_page(page, p, deadline)
  local block = new_rows()
  while true do
    local rc = C.loam_scan_next(p, block, err)
    local size = rc == 0 and tonumber(block.count) or 0
    if size == 0 then
      return rc
    end
    add_rows(page, block, size)
    if deadline and clock.monotonic() > deadline then
      return C.LOAM_TIMEOUT
    end
  end
end

local function next_cursor(page, bytes_max)
  if not page.is_cut and (bytes_max == 0 or page.bytes < bytes_max) then
    return nil
  end
  local last = page.items[page.count]
  return type(last) == "table" and last.key or last
end

-- Returns the items of a range and the cursor to go on with, nil when the range has no more.
local function collect(self, call, spec, item_of)
  local limit = spec.limit
  if scan.is_void(spec) then
    handles.pointer(self, call)
    return {}
  end
  local p, failure, code = scan.open(self, call, spec, limit and limit + 1)
  if not p then
    return nil, failure, code
  end
  p = ffi.gc(p, scan.finalize)
  local page = {
    db = self._db, items = {}, count = 0, bytes = 0, limit = limit, item_of = item_of,
    is_key_only = spec.keys_only,
  }
  local rc = fill_page(page, p, scan.deadline_of(spec))
  C.loam_scan_close(ffi.gc(p, nil))
  if rc == C.LOAM_TIMEOUT then
    return errors.refuse("TIMEOUT", "%s: deadline_ms has passed", call)
  elseif rc ~= 0 then
    return errors.failure(rc)
  end
  return page.items, next_cursor(page, spec.max_bytes or 0)
end

local function key_of(_, row)
  return ffi.string(row.key, row.key_size)
end

--- Returns the rows of a range as an array of entries (of keys with keys_only) and, when a limit
--- cut it, the cursor to go on with.
---@param first? kv.range|string
---@return kv.entry[]? rows, string? next_cursor
function listing.list(self, first, to, given)
  local spec = range.spec("list", first, to, given)
  local item_of = spec.keys_only and not spec.entries and key_of or scan.entry_of
  return collect(self, "list", spec, item_of)
end

--- Returns the keys of a range as an array and, when a limit cut it, the cursor to go on with.
---@param first? kv.range|string
---@return string[]? keys, string? next_cursor
function listing.keys(self, first, to, given)
  local spec = range.spec("keys", first, to, given)
  if not spec.keys_only then
    local copy = { keys_only = true }
    for name, option in pairs(spec) do
      copy[name] = option
    end
    spec = copy
  end
  return collect(self, "keys", spec, key_of)
end

local function edge(self, call, reverse, first, to, given)
  local spec = range.spec(call, first, to, given)
  if spec.reverse then
    reverse = not reverse
  end
  local p, failure, code = scan.open(self, call, spec, 1, reverse)
  if not p then
    return nil, failure, code
  end
  local block = new_rows()
  local rc = C.loam_scan_next(p, block, err)
  local key, value
  if rc == 0 and block.count > 0 then
    local row = block.rows[0]
    key = ffi.string(row.key, row.key_size)
    value = not spec.keys_only and ffi.string(row.value, row.value_size) or nil
  end
  C.loam_scan_close(p)
  if rc ~= 0 then
    return errors.failure(rc)
  end
  return key, value
end

--- Returns key and value of the first row of a range, nil when it is empty.
---@param first? kv.range|string
---@return string? key, string? value
function listing.first(self, first, to, given)
  return edge(self, "first", false, first, to, given)
end

--- Returns key and value of the last row of a range, nil when it is empty.
---@param first? kv.range|string
---@return string? key, string? value
function listing.last(self, first, to, given)
  return edge(self, "last", true, first, to, given)
end

--- Returns how many rows a range has.
---@param first? kv.range|string
---@return number? count, kv.error? err, string? code
function listing.count(self, first, to, given)
  local spec = range.spec("count", first, to, given)
  local p = handles.pointer(self, "count")
  if scan.is_void(spec) then
    return 0
  end
  local snapshot = read.snapshot_of(self, "count", spec.snapshot)
  local rc = C.loam_count(p, self._id, range.fill(spec), snapshot, count_out, err)
  if rc ~= 0 then
    return errors.failure(rc)
  end
  return tonumber(count_out[0])
end

return listing
