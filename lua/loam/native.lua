-- The C functions that the host calls: loam_*, http_* and host_*.
--
-- In the program they are symbols of the program itself; in specs they come from the testing
-- library. It is whatever `kv` uses, so that both sides see one engine. Returns the FFI namespace.
require "loam.cdef"

return require("kv.lib").C
