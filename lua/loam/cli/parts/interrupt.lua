-- Ctrl-C and SIGTERM as a question instead of an end, for commands that undo their work first.
--
-- The signals stay blocked for the length of a function; threads of libloam have them blocked
-- anyway, so they wait for take().
local command = require "loam.cli.parts.command"
local ffi = require "ffi"

local interrupt = {}
local SIG_BLOCK, SIG_SETMASK = 0, 2
local SIGINT, SIGTERM = 2, 15
local SET_BYTES = 128 -- sigset_t of glibc and musl.

if not pcall(function() return ffi.C.loam_cli_sigemptyset end) then
  ffi.cdef [[
    int loam_cli_sigemptyset(void *set) __asm__("sigemptyset");
    int loam_cli_sigaddset(void *set, int number) __asm__("sigaddset");
    int loam_cli_sigprocmask(int how, const void *set, void *old) __asm__("sigprocmask");
    int loam_cli_sigtimedwait(const void *set, void *info, const void *timeout)
      __asm__("sigtimedwait");
  ]]
end

local function new_set()
  local set = ffi.new("uint64_t[?]", SET_BYTES / 8)
  ffi.C.loam_cli_sigemptyset(set)
  return set
end

local asked = new_set()
ffi.C.loam_cli_sigaddset(asked, SIGINT)
ffi.C.loam_cli_sigaddset(asked, SIGTERM)
local NO_TIME = ffi.new("uint64_t[2]")

--- Whether somebody wants this command to end. Asked once, it is forgotten.
---@return boolean
function interrupt.take()
  return ffi.C.loam_cli_sigtimedwait(asked, nil, NO_TIME) > 0
end

--- Calls fn() with the signals blocked and returns its results.
---@param fn fun(): any
function interrupt.hold(fn)
  local before = new_set()
  ffi.C.loam_cli_sigprocmask(SIG_BLOCK, asked, before)
  local results = { xpcall(fn, command.trace) }
  ffi.C.loam_cli_sigprocmask(SIG_SETMASK, before, nil)
  if not results[1] then
    error(results[2], 0)
  end
  return unpack(results, 2, table.maxn(results))
end

return interrupt
