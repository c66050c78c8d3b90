-- The testing library: every symbol of the core, plus the fault driver.
--
--     local lib = require "spec.support.lib"
--     lib.memory_fail_at(3, 1)
--
-- Returns the library's FFI namespace. The public declarations are there already; internal ones
-- come with spec.support.cdef.
local cdef = require "spec.support.cdef"
local ffi = require "ffi"
local paths = require "spec.support.paths"

cdef.load("loam.h")

local ok, library = pcall(ffi.load, paths.library)
if not ok then
  error(("cannot load %s: build first (scripts/build): %s"):format(paths.library, library), 0)
end
return library
