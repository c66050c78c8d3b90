-- Files, directories and drivers of core/env for specs. The fault driver is spec.support.fault.
--
--     local env = require "spec.support.env"
--     local dir = assert(env.posix():open(path, true))
--     local file = assert(dir:create("a.wal"))
--     assert(file:write(0, "text"))
--
-- Calls that fail answer nil, the name of the code and the text of the error ("" for NOT_FOUND).
-- What a test forgets to close is closed by env.close_all(), which belongs in its after_each.
local cdef = require "spec.support.cdef"
local ffi = require "ffi"
local lib = require "spec.support.lib"

cdef.load("env/env.h")
cdef.load("env/env_mem.h")

local support = {}
local cleanups = {}

local function on_close_all(object)
  cleanups[#cleanups + 1] = object
  return object
end

--- Turns a code and its error into true, or nil, name of the code, text.
function support.answer(rc, err)
  if rc == 0 then
    return true
  end
  return nil, ffi.string(lib.loam_code_name(rc)), ffi.string(err.text)
end
local answer = support.answer

local function out_buffer(call)
  local buffer, err = ffi.new("struct loam_buffer"), ffi.new("struct loam_error")
  local ok, code, text = answer(call(buffer, err), err)
  local bytes = ok and ffi.string(buffer.data, buffer.size)
  lib.loam_buffer_free(buffer)
  if not ok then
    return nil, code, text
  end
  return bytes
end
support.out_buffer = out_buffer

-- ---- Files ----

local file_methods = {}
local file_metatable = { __name = "spec.env.file", __index = file_methods }

local function new_file(pointer)
  return on_close_all(setmetatable({ _p = pointer }, file_metatable))
end

function file_methods:write(offset, text)
  local err = ffi.new("struct loam_error")
  return answer(lib.env_write(self._p, offset, text, #text, err), err)
end

function file_methods:read(offset, size)
  local err, got = ffi.new("struct loam_error"), ffi.new("size_t[1]")
  local data = ffi.new("char[?]", size + 1)
  local ok, code, text = answer(lib.env_read(self._p, offset, data, size, got, err), err)
  if not ok then
    return nil, code, text
  end
  return ffi.string(data, got[0])
end

function file_methods:read_exact(offset, size)
  local err, data = ffi.new("struct loam_error"), ffi.new("char[?]", size + 1)
  local ok, code, text = answer(lib.env_read_exact(self._p, offset, data, size, err), err)
  if not ok then
    return nil, code, text
  end
  return ffi.string(data, size)
end

function file_methods:sync()
  local err = ffi.new("struct loam_error")
  return answer(lib.env_sync(self._p, err), err)
end

function file_methods:size()
  local err, size = ffi.new("struct loam_error"), ffi.new("uint64_t[1]")
  local ok, code, text = answer(lib.env_size(self._p, size, err), err)
  if not ok then
    return nil, code, text
  end
  return tonumber(size[0])
end

function file_methods:allocate(size)
  local err = ffi.new("struct loam_error")
  return answer(lib.env_allocate(self._p, size, err), err)
end

--- From then on writes below size go through memory.
function file_methods:map(size, first)
  local err = ffi.new("struct loam_error")
  return answer(lib.env_map(self._p, size, first or 1, err), err)
end

--- Ends a mapping and cuts the file.
function file_methods:trim(size)
  local err = ffi.new("struct loam_error")
  return answer(lib.env_trim(self._p, size, err), err)
end

function file_methods:write_behind(offset, size)
  lib.env_write_behind(self._p, offset, size)
end

function file_methods:close()
  local pointer, err = self._p, ffi.new("struct loam_error")
  self._p = nil
  return answer(lib.env_close(pointer, err), err)
end

-- ---- Directories ----

local dir_methods = {}
local dir_metatable = { __name = "spec.env.dir", __index = dir_methods }

local function open_file(call, dir, name)
  local err, out = ffi.new("struct loam_error"), ffi.new("struct env_file *[1]")
  local ok, code, text = answer(call(dir._p, name, out, err), err)
  if not ok then
    return nil, code, text
  end
  return new_file(out[0])
end

function dir_methods:create(name)
  return open_file(lib.env_create, self, name)
end

function dir_methods:open_read(name)
  return open_file(lib.env_open_read, self, name)
end

--- Creates a file with these bytes, synced when asked, and closes it.
function dir_methods:put(name, text, is_synced)
  local file = assert(self:create(name))
  assert(file:write(0, text))
  if is_synced then
    assert(file:sync())
  end
  assert(file:close())
end

--- The bytes of a file, of at most size_max (default 16 MiB).
function dir_methods:get(name, size_max)
  return out_buffer(function(buffer, err)
    return lib.env_read_file(self._p, name, size_max or 16 * 1024 * 1024, buffer, err)
  end)
end

function dir_methods:rename(from, to)
  local err = ffi.new("struct loam_error")
  return answer(lib.env_rename(self._p, from, to, err), err)
end

function dir_methods:remove(name)
  local err = ffi.new("struct loam_error")
  return answer(lib.env_remove(self._p, name, err), err)
end

function dir_methods:link(name, to, to_name)
  local err = ffi.new("struct loam_error")
  return answer(lib.env_link(self._p, name, to._p, to_name, err), err)
end

--- All names, sorted, with a space between them.
function dir_methods:names()
  local text, code, message = out_buffer(function(buffer, err)
    return lib.env_list_names(self._p, buffer, err)
  end)
  if not text then
    return nil, code, message
  end
  local names = {}
  for name in text:gmatch("([^\n]+)\n") do
    names[#names + 1] = name
  end
  table.sort(names)
  return table.concat(names, " ")
end

function dir_methods:sync()
  local err = ffi.new("struct loam_error")
  return answer(lib.env_dir_sync(self._p, err), err)
end

function dir_methods:lock(name)
  local err = ffi.new("struct loam_error")
  return answer(lib.env_lock(self._p, name or "LOCK", err), err)
end

function dir_methods:free_bytes()
  local err, bytes = ffi.new("struct loam_error"), ffi.new("uint64_t[1]")
  local ok, code, text = answer(lib.env_free_bytes(self._p, bytes, err), err)
  if not ok then
    return nil, code, text
  end
  return tonumber(bytes[0])
end

function dir_methods:close()
  local pointer = self._p
  self._p = nil
  lib.env_dir_close(pointer)
end

-- ---- Environments ----

local env_methods = {}
support.env_methods = env_methods
local env_metatable = { __name = "spec.env", __index = env_methods }

--- Opens a directory, made when absent and `is_created`.
function env_methods:open(path, is_created)
  local err, out = ffi.new("struct loam_error"), ffi.new("struct env_dir *[1]")
  local ok, code, text =
    answer(lib.env_open_dir(self._p, path, is_created or false, out, err), err)
  if not ok then
    return nil, code, text
  end
  return on_close_all(setmetatable({ _p = out[0] }, dir_metatable))
end

function env_methods:remove_dir(path)
  local err = ffi.new("struct loam_error")
  return answer(lib.env_remove_dir(self._p, path, err), err)
end

function env_methods:wall_ms()
  return tonumber(lib.env_wall_ms(self._p))
end

function env_methods:now_ns()
  return tonumber(lib.env_now_ns(self._p))
end

function env_methods:random(size)
  local err, data = ffi.new("struct loam_error"), ffi.new("char[?]", size + 1)
  local ok, code, text = answer(lib.env_random(self._p, data, size, err), err)
  if not ok then
    return nil, code, text
  end
  return ffi.string(data, size)
end

function env_methods:close()
  local release = self._release
  self._release = nil
  if release then
    release(self._p)
  end
  self._p = nil
end

--- Wraps a `struct env *`; `release` gets it at the end.
function support.new(pointer, release)
  assert(pointer ~= nil, "no env: out of memory")
  return on_close_all(setmetatable({ _p = pointer, _release = release }, env_metatable))
end

function support.posix()
  return support.new(lib.env_posix())
end

function support.mem()
  return support.new(lib.env_mem_new(), lib.env_mem_free)
end

--- Closes what is still open, the last opened first.
function support.close_all()
  for index = #cleanups, 1, -1 do
    if cleanups[index]._p ~= nil then
      cleanups[index]:close()
    end
    cleanups[index] = nil
  end
end

return support
