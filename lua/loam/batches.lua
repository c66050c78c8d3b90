-- Batches of a worker's writes: one is kept at hand, others are made while it is on its way.
--
--     local batch = shelf:take()      -- empty; nobody else has it
--     shelf:give(batch)               -- nobody reads it any more
--
-- Whoever waits for a commit lets other handlers run, and the engine reads a large batch where it
-- is: so no two writes may ever share one. Thread: the worker's.
local ffi = require "ffi"
local C = require "loam.native"

local batches = {}
local methods = {}
local metatable = { __name = "batches", __index = methods }
local KEPT_BYTES_MAX = 64 * 1024

--- An empty shelf.
function batches.new()
  return setmetatable({ _idle = nil }, metatable)
end

--- Returns an empty batch, which is freed with its last reference at the latest.
---@return ffi.cdata*
function methods:take()
  local batch = self._idle
  self._idle = nil
  return batch or ffi.gc(C.loam_batch_new(), C.loam_batch_free)
end

--- Frees a batch at once; the collector would let the memory of a large one wait.
function batches.free(batch)
  C.loam_batch_free(ffi.gc(batch, nil))
end

--- Takes a batch back: one is kept, unless it is large.
function methods:give(batch)
  if self._idle or C.loam_batch_bytes(batch) > KEPT_BYTES_MAX then
    return batches.free(batch)
  end
  C.loam_batch_clear(batch)
  self._idle = batch
end

return batches
