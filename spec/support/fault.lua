-- The fault driver of core/env for specs: memory files that fail on demand and forget what was not
-- synced. core/env/env_fault.h tells the model.
--
--     local env = require "spec.support.env"        -- env.close_all() in after_each
--     local fault = require "spec.support.fault"
--     local files = fault.new(seed)
--     files:fail { kind = "sync", name = ".wal", after = 2 }
--     files:crash_after(17)   files:reboot("random", 4711)   files:hits()
--
-- What spec.support.env has for an env works here too; `_p` is the `struct env *`.
local cdef = require "spec.support.cdef"
local env = require "spec.support.env"
local ffi = require "ffi"
local lib = require "spec.support.lib"

cdef.load("env/env_fault.h")

local fault = {}

local KINDS = {
  create = lib.ENV_FAULT_CREATE,
  write = lib.ENV_FAULT_WRITE,
  sync = lib.ENV_FAULT_SYNC,
  rename = lib.ENV_FAULT_RENAME,
  remove = lib.ENV_FAULT_REMOVE,
  dir_sync = lib.ENV_FAULT_DIR_SYNC,
  allocate = lib.ENV_FAULT_ALLOCATE,
  open_read = lib.ENV_FAULT_OPEN_READ,
  read = lib.ENV_FAULT_READ,
  close = lib.ENV_FAULT_CLOSE,
  list = lib.ENV_FAULT_LIST,
  lock = lib.ENV_FAULT_LOCK,
  link = lib.ENV_FAULT_LINK,
  open_dir = lib.ENV_FAULT_OPEN_DIR,
  trim = lib.ENV_FAULT_TRIM,
  any = lib.ENV_FAULT_ANY,
}
local MODES = {
  lose = lib.ENV_FAULT_LOSE,
  random = lib.ENV_FAULT_RANDOM,
  kill = lib.ENV_FAULT_KILL,
}
local FOREVER = 0xffffffffffffffffULL
local EIO = 5

local methods = setmetatable({}, { __index = env.env_methods })
local metatable = { __name = "spec.fault", __index = methods }

--- Lets operations fail. plan: kind (a name of KINDS), after = 0, times = 1 or "forever",
--- errno = EIO, name = part of the file name.
function methods:fail(plan)
  local kind = assert(KINDS[plan.kind], "no such kind of operation")
  local times = plan.times == "forever" and FOREVER or plan.times or 1
  lib.env_fault_fail_name(
    self._p, kind, plan.name, plan.after or 0, times, plan.errno or EIO)
end

function methods:tear(bytes)
  lib.env_fault_tear(self._p, bytes)
end

--- Room for `bytes` more; nil = no limit.
function methods:space(bytes)
  lib.env_fault_space(self._p, bytes or FOREVER)
end

--- Lets operations of a kind wait, as on a disk that hangs, until it is called with nil.
function methods:hold(kind)
  lib.env_fault_hold(self._p, kind and assert(KINDS[kind], "no such kind of operation") or 0)
end

--- Operations that wait so.
function methods:held()
  return tonumber(lib.env_fault_held(self._p))
end

--- Crashes at the operation that comes after `count` more.
function methods:crash_after(count)
  lib.env_fault_crash_at(self._p, self:op_count() + count + 1)
end

function methods:clear()
  lib.env_fault_clear(self._p)
end

function methods:op_count()
  return tonumber(lib.env_fault_op_count(self._p))
end

function methods:hits()
  return tonumber(lib.env_fault_hits(self._p))
end

function methods:first_hit()
  return ffi.string(lib.env_fault_first_hit(self._p))
end

function methods:handle_count()
  return tonumber(lib.env_fault_handle_count(self._p))
end

--- mode: "lose", "random" or "kill".
function methods:reboot(mode, seed)
  local err = ffi.new("struct loam_error")
  local number = assert(MODES[mode], "no such mode")
  return env.answer(lib.env_fault_reboot(self._p, number, seed or 0, err), err)
end

--- Lines "name size synced_size".
function methods:list(path)
  return env.out_buffer(function(buffer, err)
    return lib.env_fault_list(self._p, path, buffer, err)
  end)
end

function methods:read_file(path, name)
  return env.out_buffer(function(buffer, err)
    return lib.env_fault_read_file(self._p, path, name, buffer, err)
  end)
end

function methods:write_file(path, name, text)
  local err = ffi.new("struct loam_error")
  return env.answer(lib.env_fault_write_file(self._p, path, name, text, #text, err), err)
end

function methods:remove_file(path, name)
  local err = ffi.new("struct loam_error")
  return env.answer(lib.env_fault_remove_file(self._p, path, name, err), err)
end

--- Flips the bits of mask (default 1) in one byte.
function methods:flip(path, name, offset, mask)
  local err = ffi.new("struct loam_error")
  return env.answer(lib.env_fault_flip(self._p, path, name, offset, mask or 1, err), err)
end

function methods:truncate(path, name, size)
  local err = ffi.new("struct loam_error")
  return env.answer(lib.env_fault_truncate(self._p, path, name, size, err), err)
end

function methods:copy(path, name, to_path, to_name)
  local err = ffi.new("struct loam_error")
  return env.answer(lib.env_fault_copy(self._p, path, name, to_path, to_name, err), err)
end

function methods:copy_dir(path, to_path)
  local err = ffi.new("struct loam_error")
  return env.answer(lib.env_fault_copy_dir(self._p, path, to_path, err), err)
end

function methods:set_wall_ms(ms)
  lib.env_fault_set_wall_ms(self._p, ms)
end

function methods:shift_wall_ms(ms)
  lib.env_fault_shift_wall_ms(self._p, ms)
end

function methods:set_now_ns(ns)
  lib.env_fault_set_now_ns(self._p, ns)
end

function methods:advance_ns(ns)
  lib.env_fault_advance_ns(self._p, ns)
end

--- A fault driver; same seed, same random bytes.
function fault.new(seed)
  local pointer = lib.env_fault_new(seed or 1)
  return setmetatable(env.new(pointer, lib.env_fault_free), metatable)
end

return fault
