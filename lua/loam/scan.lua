-- A scan of the store in blocks of rows, for routes.
--
--     local rows = assert(store:scan(bucket, { prefix = "user:", limit = 10 }))
--     while rows:next() do ... rows.block.rows[i] ... end
--     rows:close()
--
-- The rows stay C memory; core/host/json_text.c writes them. A scan that nobody closes is closed by
-- the collector, also when the worker's state ends. Thread: the worker's.
local ffi = require "ffi"
local C = require "loam.native"

local scan = {}
local methods = {}
local metatable = { __name = "scan", __index = methods }

local err = ffi.new("loam_error")

local function make_range(given)
  local range = ffi.new("loam_range")
  for _, name in ipairs { "from", "to", "prefix", "after" } do
    if given[name] then
      range[name] = given[name]
      range[name .. "_size"] = #given[name]
    end
  end
  range.limit = given.limit or 0
  range.reverse = given.reverse or false
  range.keys_only = given.keys_only or false
  return range
end

--- Opens a scan of {from, to, prefix, after, limit, reverse, keys_only}; or nil, failure.
function scan.open(db, bucket, given, make_failure)
  local out = ffi.new("loam_scan *[1]")
  local code = C.loam_scan_open(db, bucket, make_range(given), given.snapshot, out, err)
  if code ~= 0 then
    return nil, make_failure(code, err)
  end
  return setmetatable({
    _p = ffi.gc(out[0], C.loam_scan_close),
    _make_failure = make_failure,
    block = ffi.new("loam_rows"),
    seq = tonumber(C.loam_scan_seq(out[0])),
  }, metatable)
end

--- Fetches the next block: how many rows it has, 0 at the end; or nil, failure.
function methods:next()
  local code = C.loam_scan_next(self._p, self.block, err)
  if code ~= 0 then
    return nil, self._make_failure(code, err)
  end
  return tonumber(self.block.count)
end

--- The key of row `at` (from 0) of the block.
function methods:key(at)
  local row = self.block.rows[at]
  return ffi.string(row.key, row.key_size)
end

--- Ends the scan; calling again is fine.
function methods:close()
  if self._p then
    C.loam_scan_close(ffi.gc(self._p, nil))
    self._p = nil
  end
end

return scan
