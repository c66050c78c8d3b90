-- `loam version`: of Loam and of the LuaJIT inside.
local ffi = require "ffi"
local C = require "loam.native"

local version = { summary = "Print the version." }

function version.setup() end

function version.run()
  io.stdout:write(("loam %s (%s, %s %s)\n"):format(ffi.string(C.loam_version()), jit.version,
    ffi.os,
    ffi.arch))
  return 0
end

return version
