-- LevelDB, RocksDB and LMDB as engines of spec/torture/operations.lua, through their C APIs; those
-- that are installed. They are oracles: only put, delete, batch, get, whole scans and snapshots.
--
--     for name, open in pairs(peers.installed()) do local engine = open(dir) ... engine:close() end
local ffi = require "ffi"

local peers = {}

ffi.cdef [[
  void free(void *pointer);
  typedef struct MDB_env MDB_env; typedef struct MDB_txn MDB_txn;
  typedef struct MDB_cursor MDB_cursor;
  typedef struct { size_t size; void *data; } MDB_val;
  int mdb_env_create(MDB_env **env);
  int mdb_env_set_mapsize(MDB_env *env, size_t size);
  int mdb_env_open(MDB_env *env, const char *path, unsigned flags, unsigned mode);
  void mdb_env_close(MDB_env *env);
  int mdb_txn_begin(MDB_env *env, MDB_txn *parent, unsigned flags, MDB_txn **txn);
  int mdb_txn_commit(MDB_txn *txn);
  void mdb_txn_abort(MDB_txn *txn);
  int mdb_dbi_open(MDB_txn *txn, const char *name, unsigned flags, unsigned *dbi);
  int mdb_get(MDB_txn *txn, unsigned dbi, MDB_val *key, MDB_val *data);
  int mdb_put(MDB_txn *txn, unsigned dbi, MDB_val *key, MDB_val *data, unsigned flags);
  int mdb_del(MDB_txn *txn, unsigned dbi, MDB_val *key, MDB_val *data);
  int mdb_cursor_open(MDB_txn *txn, unsigned dbi, MDB_cursor **cursor);
  void mdb_cursor_close(MDB_cursor *cursor);
  int mdb_cursor_get(MDB_cursor *cursor, MDB_val *key, MDB_val *data, int op);
]]

-- LevelDB and RocksDB differ in their prefix only.
local C_API = [[
  typedef struct X_t X_t; typedef struct X_options_t X_options_t;
  typedef struct X_readoptions_t X_readoptions_t; typedef struct X_writeoptions_t X_writeoptions_t;
  typedef struct X_writebatch_t X_writebatch_t; typedef struct X_iterator_t X_iterator_t;
  typedef struct X_snapshot_t X_snapshot_t;
  X_options_t *X_options_create(void);
  void X_options_set_create_if_missing(X_options_t *, unsigned char);
  void X_options_set_write_buffer_size(X_options_t *, size_t);
  X_t *X_open(const X_options_t *, const char *name, char **err);
  void X_close(X_t *);
  X_readoptions_t *X_readoptions_create(void);
  void X_readoptions_set_snapshot(X_readoptions_t *, const X_snapshot_t *);
  X_writeoptions_t *X_writeoptions_create(void);
  X_writebatch_t *X_writebatch_create(void);
  void X_writebatch_destroy(X_writebatch_t *);
  void X_writebatch_put(X_writebatch_t *, const char *, size_t, const char *, size_t);
  void X_writebatch_delete(X_writebatch_t *, const char *, size_t);
  void X_write(X_t *, const X_writeoptions_t *, X_writebatch_t *, char **err);
  char *X_get(X_t *, const X_readoptions_t *, const char *, size_t, size_t *size, char **err);
  const X_snapshot_t *X_create_snapshot(X_t *);
  void X_release_snapshot(X_t *, const X_snapshot_t *);
  X_iterator_t *X_create_iterator(X_t *, const X_readoptions_t *);
  void X_iter_destroy(X_iterator_t *);
  void X_iter_seek_to_first(X_iterator_t *);
  unsigned char X_iter_valid(const X_iterator_t *);
  void X_iter_next(X_iterator_t *);
  const char *X_iter_key(const X_iterator_t *, size_t *);
  const char *X_iter_value(const X_iterator_t *, size_t *);
]]

-- Cuts a sorted list of all rows to a range.
local function cut(rows, range)
  local out = {}
  for index = 1, #rows do
    local row = rows[range.reverse and #rows + 1 - index or index]
    local is_in = not (range.from and row[1] < range.from or range.to and row[1] >= range.to)
    if is_in and not (range.limit and #out >= range.limit) then
      out[#out + 1] = row
    end
  end
  return out
end

-- ---- LevelDB, RocksDB ----

local level_methods = {}
local level_metatable = { __index = level_methods }

function level_methods:call(name)
  return self.library[self.prefix .. name]
end

local function check(err)
  if err[0] ~= nil then
    error(ffi.string(err[0]))
  end
end

function level_methods:batch(ops)
  local batch, err = self:call "writebatch_create" (), ffi.new("char *[1]")
  for _, op in ipairs(ops) do
    if op.kind == "delete" then
      self:call "writebatch_delete" (batch, op.key, #op.key)
    else
      self:call "writebatch_put" (batch, op.key, #op.key, op.value, #op.value)
    end
  end
  self:call "write" (self.db, self.write_options, batch, err)
  self:call "writebatch_destroy" (batch)
  check(err)
  return true
end

function level_methods:aim(held)
  self:call "readoptions_set_snapshot" (self.read_options, held)
  return self.read_options
end

function level_methods:get(key, held)
  local size, err = ffi.new("size_t[1]"), ffi.new("char *[1]")
  local value = self:call "get" (self.db, self:aim(held), key, #key, size, err)
  check(err)
  if value == nil then
    return nil
  end
  local text = ffi.string(value, size[0])
  ffi.C.free(value)
  return text
end

function level_methods:rows(range, held)
  local iterator = self:call "create_iterator" (self.db, self:aim(held))
  local rows, size = {}, ffi.new("size_t[1]")
  self:call "iter_seek_to_first" (iterator)
  while self:call "iter_valid" (iterator) ~= 0 do
    local key = ffi.string(self:call "iter_key" (iterator, size), size[0])
    rows[#rows + 1] = { key, ffi.string(self:call "iter_value" (iterator, size), size[0]) }
    self:call "iter_next" (iterator)
  end
  self:call "iter_destroy" (iterator)
  return cut(rows, range)
end

function level_methods:hold()
  return self:call "create_snapshot" (self.db)
end

function level_methods:release(held)
  self:call "release_snapshot" (self.db, held)
end

function level_methods:close()
  self:call "close" (self.db)
end

local function open_level(library, prefix, dir)
  local engine = setmetatable({ library = library, prefix = prefix }, level_metatable)
  local options, err = engine:call "options_create" (), ffi.new("char *[1]")
  engine:call "options_set_create_if_missing" (options, 1)
  engine:call "options_set_write_buffer_size" (options, 65536)
  engine.read_options = engine:call "readoptions_create" ()
  engine.write_options = engine:call "writeoptions_create" ()
  engine.db = engine:call "open" (options, dir, err)
  check(err)
  return engine
end

-- ---- LMDB ----

local NOSYNC, RDONLY, NEXT, NOT_FOUND = 0x10000, 0x20000, 8, -30798

local lmdb_methods = {}
local lmdb_metatable = { __index = lmdb_methods }

local function value_of(text)
  return ffi.new("MDB_val", { #text, ffi.cast("void *", text) })
end

local function text_of(value)
  return ffi.string(value.data, value.size)
end

function lmdb_methods:begin(flags)
  local txn = ffi.new("MDB_txn *[1]")
  assert(self.library.mdb_txn_begin(self.env, nil, flags, txn) == 0)
  return txn[0]
end

function lmdb_methods:batch(ops)
  local txn = self:begin(0)
  for _, op in ipairs(ops) do
    if op.kind == "delete" then
      self.library.mdb_del(txn, self.dbi, value_of(op.key), nil)
    else
      assert(self.library.mdb_put(txn, self.dbi, value_of(op.key), value_of(op.value), 0) == 0)
    end
  end
  assert(self.library.mdb_txn_commit(txn) == 0)
  return true
end

function lmdb_methods:reading(held, read)
  local txn = held or self:begin(RDONLY)
  local result = read(txn)
  if not held then
    self.library.mdb_txn_abort(txn)
  end
  return result
end

function lmdb_methods:get(key, held)
  return self:reading(held, function(txn)
    local value = ffi.new("MDB_val")
    local rc = self.library.mdb_get(txn, self.dbi, value_of(key), value)
    assert(rc == 0 or rc == NOT_FOUND)
    return rc == 0 and text_of(value) or nil
  end)
end

function lmdb_methods:rows(range, held)
  return self:reading(held, function(txn)
    local cursor, rows = ffi.new("MDB_cursor *[1]"), {}
    local key, value = ffi.new("MDB_val"), ffi.new("MDB_val")
    assert(self.library.mdb_cursor_open(txn, self.dbi, cursor) == 0)
    while self.library.mdb_cursor_get(cursor[0], key, value, NEXT) == 0 do
      rows[#rows + 1] = { text_of(key), text_of(value) }
    end
    self.library.mdb_cursor_close(cursor[0])
    return cut(rows, range)
  end)
end

-- A read transaction is bound to its thread unless told otherwise.
local NOTLS = 0x200000

function lmdb_methods:hold()
  return self:begin(RDONLY)
end

function lmdb_methods:release(held)
  self.library.mdb_txn_abort(held)
end

function lmdb_methods:close()
  self.library.mdb_env_close(self.env)
end

local function open_lmdb(library, dir)
  local env, dbi = ffi.new("MDB_env *[1]"), ffi.new("unsigned[1]")
  assert(library.mdb_env_create(env) == 0)
  assert(library.mdb_env_set_mapsize(env[0], 256 * 2 ^ 20) == 0)
  assert(library.mdb_env_open(env[0], dir, NOSYNC + NOTLS, 420) == 0)
  local engine = setmetatable({ library = library, env = env[0] }, lmdb_metatable)
  local txn = engine:begin(0)
  assert(library.mdb_dbi_open(txn, nil, 0, dbi) == 0)
  assert(library.mdb_txn_commit(txn) == 0)
  engine.dbi = dbi[0]
  return engine
end

-- Returns a library under one of its names, or nil.
local function load_first(names)
  for _, name in ipairs(names) do
    local ok, library = pcall(ffi.load, name)
    if ok then
      return library
    end
  end
end

local is_declared = {}

local function add_level(found, title, prefix)
  local library = load_first { prefix }
  if library then
    if not is_declared[prefix] then
      ffi.cdef((C_API:gsub("X_", prefix .. "_")))
      is_declared[prefix] = true
    end
    found[title] = function(dir) return open_level(library, prefix .. "_", dir) end
  end
end

--- The engines that are installed: name → function(dir) that opens one in an empty directory.
function peers.installed()
  local found = {}
  add_level(found, "LevelDB", "leveldb")
  add_level(found, "RocksDB", "rocksdb")
  local library = load_first { "lmdb", "liblmdb.so.0" }
  if library then
    found.LMDB = function(dir) return open_lmdb(library, dir) end
  end
  return found
end

return peers
