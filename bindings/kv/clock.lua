-- The system's clocks in milliseconds: wall() for points in time, monotonic() for deadlines.
local ffi = require "ffi"

local clock = {}

-- Another name than the C function's, so that a program may declare clock_gettime as it likes.
if not pcall(function() return ffi.C.kv_clock_gettime end) then
  ffi.cdef [[int kv_clock_gettime(int clock, int64_t *time) __asm__("clock_gettime");]]
end

local REALTIME, MONOTONIC = 0, 1
local time = ffi.new("int64_t[2]")

local function read(which)
  ffi.C.kv_clock_gettime(which, time)
  return tonumber(time[0]) * 1000 + math.floor(tonumber(time[1]) / 1000000)
end

--- Milliseconds since the Unix epoch.
function clock.wall()
  return read(REALTIME)
end

--- Milliseconds since an arbitrary start; never goes back.
function clock.monotonic()
  return read(MONOTONIC)
end

return clock
