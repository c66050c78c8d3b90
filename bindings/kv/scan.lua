-- The scan iterator. What reads a range at once is in kv.listing.
--
--     for key, value in db:scan{ prefix = "user:" } do ... end
--
-- libloam hands out blocks of up to 256 rows; a step is a look into the block, without a C call.
-- What a scan costs is the two strings of a row: see kv.row for a scan without them.
-- The iterator is the value that `for` calls. It ends itself after the last row; a loop that
-- breaks leaves it open (it pins files and memory) until close(), the database's close or the
-- collector. A scan that fails while it runs raises the error object: returning nil would look
-- like the end.
local clock = require "kv.clock"
local errors = require "kv.errors"
local ffi = require "ffi"
local handles = require "kv.handles"
local kv = require "kv.root"
local lib = require "kv.lib"
local range = require "kv.range"
local read = require "kv.read"
local row_view = require "kv.row"
local wait = require "kv.wait"

local scan = {}
local TURN_BLOCKS = 32 -- Some 8,000 rows.
local C = lib.C
local err = errors.scratch
local KEPT_SIZE = 64
-- Where a scan stands, in C memory: there pointers need no box, numbers no field of a table (each
-- is 24 bytes for the collector) and a short key no string.
local new_place = ffi.typeof([[struct {
  const loam_row *at, *first, *limit; // In the block, on [at]; NULL: on none.
  loam_rows block;
  double base;       // Rows handed out before this block.
  int32_t blocks;    // Fetched so far.
  int32_t kept_size; // Of the key of the last row before this block; -1: it is in _cursor.
  bool is_done;
  bool is_key_only;
  char kept[$];
}]], KEPT_SIZE)
local ROW_SIZE = ffi.sizeof("loam_row")
local scan_out = ffi.new("loam_scan *[1]")
-- Closes a loam_scan that was forgotten.
scan.finalize = handles.finalizer(C.loam_scan_close)
local finalize = scan.finalize

---@class kv.scan
---@field cursor? string  key of the row handed out last; `after` of the next scan
---@field count number    rows handed out so far
local methods = {}

--- Whether a range asks for nothing: with limit 0, which tells libloam "no limit".
function scan.is_void(spec)
  return spec.limit == 0
end

--- Returns when a call has to be through, on the clock kv.clock.monotonic(), or false.
function scan.deadline_of(spec)
  local deadline_ms = spec.deadline_ms or 0
  return deadline_ms > 0 and clock.monotonic() + deadline_ms
end

--- Opens a loam_scan, which the caller closes.
---@param limit? number    instead of the spec's
---@param reverse? boolean instead of the spec's
function scan.open(self, call, spec, limit, reverse)
  local p = handles.pointer(self, call)
  local snapshot = read.snapshot_of(self, call, spec.snapshot)
  local filled = range.fill(spec, limit, reverse)
  local rc = C.loam_scan_open(p, self._id, filled, snapshot, scan_out, err)
  if rc ~= 0 then
    return errors.failure(rc)
  end
  return scan_out[0]
end

local function last_key(self)
  local place = self._place
  local row = place.at
  if row ~= nil then
    return ffi.string(row.key, row.key_size)
  elseif place.kept_size >= 0 then
    return ffi.string(place.kept, place.kept_size)
  end
  return self._cursor or nil
end

local function address(row)
  return tonumber(ffi.cast("intptr_t", row))
end

-- Rows of the current block handed out so far. The compiler refuses the difference of pointers to
-- what is no power of two in size.
local function count_in_block(place)
  return place.at ~= nil and (address(place.at) - address(place.first)) / ROW_SIZE + 1 or 0
end

local function release(self)
  if self._p then
    C.loam_scan_close(ffi.gc(self._p, nil))
    self._p = false
    handles.disown(self._db, self)
  end
end

-- Ends the use of the current block, whose rows die with the next C call.
local function retire_block(self)
  local place = self._place
  local row = place.at
  if row == nil then
    return
  end
  local size = tonumber(row.key_size)
  if size <= KEPT_SIZE then
    ffi.copy(place.kept, row.key, size)
    place.kept_size = size
  else
    self._cursor = ffi.string(row.key, size)
    place.kept_size = -1
  end
  place.base = place.base + count_in_block(place)
  place.at, place.limit = nil, nil
end

-- Lets the host's other handlers have a turn. What it raises ends the scan.
local function take_turn(place)
  place.blocks = place.blocks + 1
  if place.blocks % TURN_BLOCKS == 0 and wait.has("turn") then
    kv.waiter.turn()
  end
end

-- Gets the next block and stands on its first row. Returns that, nil at the end.
local function refill(self)
  local place = self._place
  if place.is_done then
    return nil
  end
  take_turn(place)
  local p = self._p
  if not p then
    handles.unusable(self, "scan")
  end
  retire_block(self)
  if self._deadline and clock.monotonic() > self._deadline then
    release(self)
    place.is_done = true
    error(errors.new("TIMEOUT", "scan: deadline_ms has passed"), 0)
  end
  local block = place.block
  local rc = C.loam_scan_next(p, block, err)
  if rc ~= 0 then
    release(self)
    place.is_done = true
    local _, failure = errors.failure(rc)
    error(failure, 0)
  elseif block.count == 0 then
    place.is_done = true
    release(self)
    return nil
  end
  place.first, place.limit = block.rows, block.rows + block.count
  place.at = block.rows
  return place.at
end

-- Goes to the next row and returns it; nil at the end.
local function step(self)
  local place = self._place
  local at = place.at
  if at == nil then
    return refill(self)
  end
  at = at + 1
  if at == place.limit then
    return refill(self)
  end
  place.at = at
  return at
end

local function step_pair(self)
  local row = step(self)
  if not row then
    return nil
  end
  return ffi.string(row.key, row.key_size), ffi.string(row.value, row.value_size)
end

local function step_key(self)
  local row = step(self)
  if not row then
    return nil
  end
  return ffi.string(row.key, row.key_size)
end

--- Makes an entry of a loam_row.
function scan.entry_of(db, row, is_key_only)
  local value = not is_key_only and ffi.string(row.value, row.value_size) or nil
  return read.entry(db, ffi.string(row.key, row.key_size), value, row, row.value_size)
end

local function step_entry(self)
  local row = step(self)
  if not row then
    return nil
  end
  return scan.entry_of(self._db, row, self._place.is_key_only)
end

-- As step(), by way of the row object: so the compiler sees that the row of the next turn is that
-- of this one, and looks at it, its place and its methods once for a block. Each of the 256 turns
-- is then 14 instructions.
local function step_row(self)
  local row = self._row
  local place = row._place
  local at = place.at
  if at ~= nil then
    at = at + 1
    if at ~= place.limit then
      place.at = at
      row_view.recognise(row)
      return row
    end
  end
  return refill(self) and row
end

--- Closes the scan. Calling again does nothing.
function methods:close()
  if type(self) ~= "table" then
    handles.unusable(self, "close")
  end
  if self._p then
    self:_drop("scan is closed")
    handles.disown(self._db, self)
  end
end

function methods:_drop(reason)
  if self._p then
    retire_block(self)
    C.loam_scan_close(ffi.gc(self._p, nil))
    self._p, self._reason = false, reason
  end
end

local function index_of(self, name)
  if name == "cursor" then
    return last_key(self)
  elseif name == "count" then
    return self._place.base + count_in_block(self._place)
  end
  return methods[name]
end

local function class(next_row)
  return {
    __name = "kv.scan",
    __index = index_of,
    __call = next_row,
    __tostring = function(self)
      return ("kv.scan(%d rows handed out)"):format(self.count)
    end,
  }
end

local pair_class, key_class, entry_class = class(step_pair), class(step_key), class(step_entry)
local row_class = class(step_row)

local function class_of(spec)
  if spec.rows then
    return row_class
  elseif spec.entries then
    return entry_class
  end
  return spec.keys_only and key_class or pair_class
end

local function new_scan(self, p, spec)
  local place = new_place()
  place.kept_size = -1
  place.is_done = p == nil
  place.is_key_only = spec.keys_only or false
  local made = setmetatable({
    _p = p and ffi.gc(p, finalize),
    _reason = false,
    _db = self._db,
    _place = place,
    _cursor = false,
    _deadline = scan.deadline_of(spec),
    _anchor = spec.snapshot or self, -- A snapshot lives as long as its scans.
    _row = false,
  }, class_of(spec))
  made._row = spec.rows and row_view.new(made)
  return made
end

--- Opens a scan over a range; see kv.range. The result is called by `for`.
---@param first? kv.range|string
---@param to? string
---@param given? kv.range
---@return kv.scan? scan, kv.error? err, string? code
function scan.scan(self, first, to, given)
  local spec = range.spec("scan", first, to, given)
  if scan.is_void(spec) then
    handles.pointer(self, "scan")
    return new_scan(self, nil, spec)
  end
  local p, failure, code = scan.open(self, "scan", spec)
  if not p then
    return nil, failure, code
  end
  return handles.adopt(self._db, new_scan(self, p, spec))
end

return scan
