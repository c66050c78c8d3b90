-- Databases: opening, attaching, closing.
local admin = require "kv.admin"
local bucket = require "kv.bucket"
local errors = require "kv.errors"
local ffi = require "ffi"
local handles = require "kv.handles"
local lib = require "kv.lib"
local look = require "kv.look"
local operation = require "kv.operation"
local options = require "kv.options"
local snapshot = require "kv.snapshot"
local space = require "kv.space"
local tools = require "kv.tools"

local database = {}
local C = lib.C
local err = errors.scratch
local DEFAULT_BUCKET = C.LOAM_BUCKET_DEFAULT

---@class kv.database : kv.space
---@field path string
local methods = space.with_writes({})
local metatable = { __name = "kv.database", __index = methods }

for name, method in pairs(admin) do
  methods[name] = method
end
for name, method in pairs(tools.methods) do
  methods[name] = method
end
for name, method in pairs(look) do
  methods[name] = method
end
methods.bucket = bucket.open
methods.buckets = bucket.list
methods.drop_bucket = bucket.drop
methods.snapshot = snapshot.open

local COMPRESSION = {
  none = C.LOAM_COMPRESS_NONE, lz4 = C.LOAM_COMPRESS_LZ4, zstd = C.LOAM_COMPRESS_ZSTD,
}
local WAL_RECOVERY = { strict = C.LOAM_WAL_STRICT, prefix = C.LOAM_WAL_PREFIX }

---@class kv.open_options
---@field create? boolean           default true
---@field error_if_exists? boolean
---@field read_only? boolean
---@field durability? "sync"|"interval"|"os"  of writes that do not say; default "sync"
---@field compression? "none"|"lz4"|"zstd"    default "lz4"
---@field wal_recovery? "strict"|"prefix"     default "strict"
---@field point_index? boolean      default true
---@field background_threads? number
---@field sync_interval_ms? number
---@field sync_batch_bytes? number
---@field memory_bytes? number
---@field memtable_bytes? number
---@field block_bytes? number
---@field table_bytes? number
---@field compaction_rate_bytes? number
---@field max_open_files? number
---@field key_bytes_max? number
---@field value_bytes_max? number
---@field batch_bytes_max? number
---@field reserve_bytes? number     free disk space below which writes answer NO_SPACE
---@field scrub_interval_ms? number all tables are compared so often in the background; 0 = never
---@field scrub_rate_bytes? number  read by that per second
---@field log? fun(level: string, text: string, at: number)  called inside administrative calls
local KNOWN = {
  create = "boolean", error_if_exists = "boolean", read_only = "boolean", point_index = "boolean",
  durability = operation.DURABILITY, compression = COMPRESSION, wal_recovery = WAL_RECOVERY,
  background_threads = "whole", sync_interval_ms = "whole", sync_batch_bytes = "whole",
  memory_bytes = "whole", memtable_bytes = "whole", block_bytes = "whole", table_bytes = "whole",
  compaction_rate_bytes = "whole", max_open_files = "whole", key_bytes_max = "whole",
  value_bytes_max = "whole", batch_bytes_max = "whole", reserve_bytes = "whole",
  scrub_interval_ms = "whole", scrub_rate_bytes = "whole",
  log = "function",
}
-- Where an option has fewer bits than a Lua number: larger values are misuse, not another value.
local WHOLE_MAX = {
  background_threads = 2 ^ 31 - 1, sync_interval_ms = 2 ^ 32 - 1, block_bytes = 2 ^ 32 - 1,
  max_open_files = 2 ^ 32 - 1, key_bytes_max = 2 ^ 32 - 1,
}

local function fill_options(given)
  local filled = ffi.new("loam_options")
  C.loam_options_init(filled)
  for name, option in pairs(given) do
    local kind = KNOWN[name]
    if WHOLE_MAX[name] and option > WHOLE_MAX[name] then
      errors.misuse("open: option '%s' is at most %.0f, got %.0f", name, WHOLE_MAX[name], option)
    elseif type(kind) == "table" then
      filled[name] = kind[option]
    elseif kind ~= "function" then
      filled[name] = option
    end
  end
  return filled
end

local function new_database(p, path, given, is_borrowed)
  local self = setmetatable({
    _p = p,
    _id = DEFAULT_BUCKET,
    _is_borrowed = is_borrowed,
    _durability = given.durability or "sync",
    _log = given.log,
    _children = setmetatable({}, { __mode = "k" }),
    _content_ids = {},
    _content_names = {},
    path = path,
  }, metatable)
  self._db = self
  return self
end

--- Opens the store in a directory, made when it is not there (see option create).
---@param path string
---@param given? kv.open_options
---@return kv.database? db, kv.error? err, string? code
function database.open(path, given)
  if type(path) ~= "string" then
    errors.misuse("open: the path is a string, got %s", errors.what_came(path))
  elseif path:find("\0", 1, true) then
    errors.misuse("open: the path has a zero byte")
  end
  given = given or {}
  options.check("open", given, KNOWN)
  local out = ffi.new("loam_db *[1]")
  local rc = C.loam_open(path, fill_options(given), out, err)
  if rc ~= 0 then
    return errors.failure(rc)
  end
  return new_database(handles.own_database(out[0]), path, given, false)
end

--- Wraps a loam_db that someone else opened and closes, as a host does for each of its Lua states.
--- close() closes the children only.
---@param pointer ffi.cdata*|userdata  loam_db *
---@param given? {durability: string, log: function}
---@return kv.database
function database.attach(pointer, given)
  local kind = type(pointer)
  if kind ~= "cdata" and kind ~= "userdata" then
    errors.misuse("attach: takes a loam_db *, got %s", errors.what_came(pointer))
  end
  given = given or {}
  options.check("attach", given, { durability = operation.DURABILITY, log = "function" })
  local p = ffi.cast("loam_db *", pointer)
  return new_database(p, ffi.string(C.loam_path(p)), given, true)
end

--- Returns the loam_db *, for a host's own calls. Valid until close().
---@return ffi.cdata*
function methods:pointer()
  return handles.pointer(self, "pointer")
end

--- Whether close() was called.
---@return boolean
function methods:is_closed()
  return not self._p
end

--- Closes the database after its scans, snapshots, views and batches. Calling again does nothing.
--- A failure (the last log or table could not be written) still closes.
---@return boolean? is_closed, kv.error? err, string? code
function methods:close()
  if type(self) ~= "table" or self._p == nil then
    handles.unusable(self, "close")
  end
  local p = self._p
  if not p then
    return true
  end
  handles.drop_children(self, "database is closed")
  self:_deliver_log()
  if self._is_borrowed then
    self._p = false
    return true
  end
  local rc = C.loam_close(p, err)
  if rc == C.LOAM_BUSY then
    return errors.failure(rc) -- A C program shares the pointer: still open.
  end
  ffi.gc(p, nil)
  self._p = false
  if rc ~= 0 then
    return errors.failure(rc)
  end
  return true
end

function metatable.__tostring(self)
  return ("kv.database(%q%s)"):format(self.path, self._p and "" or ", closed")
end

database.methods = methods
database.metatable = metatable

return database
