-- The few things of the operating system that commands ask for.
local clock = require "kv.clock"
local ffi = require "ffi"

local system = {}
local SIGPIPE, IGNORE = 13, 1
local TIOCGWINSZ = 0x5413
local COLUMNS_DEFAULT = 80

-- Names of our own for the C functions, so that other modules may declare them as they like.
if not pcall(function() return ffi.C.loam_cli_isatty end) then
  ffi.cdef [[
    int loam_cli_isatty(int descriptor) __asm__("isatty");
    void *loam_cli_signal(int number, void *handler) __asm__("signal");
    int loam_cli_mkdir(const char *path, unsigned int mode) __asm__("mkdir");
    int loam_cli_access(const char *path, int mode) __asm__("access");
    int loam_cli_ioctl(int descriptor, unsigned long request, ...) __asm__("ioctl");
  ]]
end

system.INPUT, system.OUTPUT, system.ERRORS = 0, 1, 2
system.monotonic_ms = clock.monotonic
system.wall_ms = clock.wall

--- Whether a descriptor is a terminal.
function system.is_terminal(descriptor)
  return ffi.C.loam_cli_isatty(descriptor) == 1
end

--- Lets a write to a closed pipe fail instead of ending the process.
function system.ignore_broken_pipes()
  ffi.C.loam_cli_signal(SIGPIPE, ffi.cast("void *", IGNORE))
end

--- Width of the terminal behind a descriptor, 80 when there is none.
function system.columns(descriptor)
  local size = ffi.new("unsigned short[4]")
  if ffi.C.loam_cli_ioctl(descriptor, TIOCGWINSZ, size) == 0 and size[1] > 0 then
    return size[1]
  end
  return COLUMNS_DEFAULT
end

--- Whether a path names something that this process may write.
function system.is_writable(path)
  return ffi.C.loam_cli_access(path, 2) == 0
end

--- Whether there is something under a path.
function system.exists(path)
  return ffi.C.loam_cli_access(path, 0) == 0
end

--- Makes a directory and those above it. What exists already is fine; what cannot be made shows
--- when it is used.
function system.make_directories(path)
  for at in path:gmatch("()/") do
    if at > 1 then
      ffi.C.loam_cli_mkdir(path:sub(1, at - 1), 448)
    end
  end
  ffi.C.loam_cli_mkdir(path, 448)
end

--- Size of an open file, nil for what has none, such as a pipe.
function system.file_size(file)
  local here = file:seek("cur")
  local size = here and file:seek("end")
  if not size or not file:seek("set", here) then
    return nil
  end
  return size - here
end

return system
