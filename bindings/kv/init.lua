-- kv: the ordered, durable key-value store libloam, from LuaJIT.
--
--     local kv = require "kv"
--     local db = assert(kv.open "data")
--     assert(db:put("a", "1"))
--     print(db:get("a"))
--     db:close()
--
-- Not found is nil alone. A run-time failure is nil, err, CODE. Misuse raises with the caller's
-- line. Each function of a database is also one of `kv`, for the database in use: a host sets it
-- with kv.use(), so may a script. See bindings/README.md.
local database = require "kv.database"
local errors = require "kv.errors"
local ffi = require "ffi"
local key = require "kv.key"
local kv = require "kv.root"
local lib = require "kv.lib"
local memory = require "kv.memory"
local tools = require "kv.tools"
local value = require "kv.value"
require "kv.raise"

local C = lib.C
local err = errors.scratch
local current -- The database in use.

kv.open = database.open
kv.attach = database.attach
kv.key = key
kv.null = value.null
kv.slice = value.slice
kv.is_error = errors.is_error
kv.version = ffi.string(C.loam_version())

for name, call in pairs(tools.functions) do
  kv[name] = call
end

local function check_path(call, path)
  if type(path) ~= "string" then
    errors.misuse("%s: the path is a string, got %s", call, errors.what_came(path))
  end
end

--- Removes every file of a closed store, and its directory when that is then empty.
---@param path string
---@return boolean? is_done, kv.error? err, string? code
function kv.destroy(path)
  check_path("destroy", path)
  local rc = C.loam_destroy(path, err)
  if rc ~= 0 then
    return errors.failure(rc)
  end
  return true
end

--- Returns a readable form of one log, table, manifest or CURRENT file.
---@param path string
---@return string? text, kv.error? err, string? code
function kv.inspect(path)
  check_path("inspect", path)
  local buffer = memory.buffer()
  local rc = C.loam_inspect(path, buffer, err)
  if rc ~= 0 then
    return errors.failure(rc)
  end
  return ffi.string(buffer.data, buffer.size)
end

--- Makes a database the one that kv.get(), kv.put() and so on act on; nil = none. Returns what it
--- was given, so that kv.use(kv.open(path)) tells why there is none.
---@param db? kv.database
---@param failure? kv.error
---@param code? string
---@return kv.database? db, kv.error? err, string? code
function kv.use(db, failure, code)
  if db ~= nil and getmetatable(db) ~= database.metatable then
    errors.misuse("use: takes an open database, got %s", errors.what_came(db))
  end
  current = db
  return db, failure, code
end

--- Returns the database in use, nil when there is none: for code that takes a database.
---@return kv.database?
function kv.current()
  return current
end

local function in_use(call)
  if not current then
    errors.misuse("kv.%s: no database is in use; call kv.use(kv.open(path)) first, or db:%s(...)",
      call, call)
  end
  return current
end

-- The hot ones, each its own function so that a trace holds nothing but the call.

function kv.get(name, given)
  return (current or in_use("get")):get(name, given)
end

function kv.put(name, bytes, given)
  return (current or in_use("put")):put(name, bytes, given)
end

function kv.exists(name, given)
  return (current or in_use("exists")):exists(name, given)
end

function kv.delete(name, given)
  return (current or in_use("delete")):delete(name, given)
end

function kv.incr(name, by, init, given)
  return (current or in_use("incr")):incr(name, by, init, given)
end

local NOT_SHARED = { close = true, pointer = true, is_closed = true }

for name in pairs(database.methods) do
  if kv[name] == nil and not NOT_SHARED[name] and name:sub(1, 1) ~= "_" then
    kv[name] = function(...)
      local db = in_use(name)
      return db[name](db, ...)
    end
  end
end

kv.set, kv.del = kv.put, kv.delete

return kv
