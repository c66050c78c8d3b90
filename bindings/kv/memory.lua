-- The scratch memory that reads and writes share: made once, reused by each call, never held
-- across a call that may run other code of this module.
--
-- A buffer that one large value has grown is given back, so that a single 64 MiB read does not
-- stay.
local ffi = require "ffi"
local lib = require "kv.lib"

local memory = {}
local C = lib.C
local KEPT_SIZE_MAX = 1024 * 1024

local function free_buffer(buffer)
  C.loam_buffer_free(buffer)
end

--- Returns a zeroed loam_buffer whose memory is released with it.
function memory.buffer()
  return ffi.gc(ffi.new("loam_buffer"), free_buffer)
end

--- Gives large memory back, when the bytes of a buffer were used.
function memory.give_back(buffer)
  if buffer.size > KEPT_SIZE_MAX then
    C.loam_buffer_free(buffer)
  end
end

--- Copies the bytes of a buffer to a string; gives large memory back.
function memory.take(buffer)
  local bytes = ffi.string(buffer.data, buffer.size)
  memory.give_back(buffer)
  return bytes
end

memory.value = memory.buffer()
memory.meta = ffi.new("loam_meta")
memory.seq = ffi.new("uint64_t[1]")
memory.outcome = ffi.gc(ffi.new("loam_outcome"), function(outcome)
  C.loam_buffer_free(outcome.previous)
end)

return memory
