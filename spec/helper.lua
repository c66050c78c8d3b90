-- Runs once before the first spec file.
--
-- busted forgets between files what the files required, but keeps what is loaded here. The FFI
-- forgets nothing: a second ffi.cdef of a struct or a second ffi.metatype raises. So everything
-- that declares types is loaded here, once: spec.support.cdef, spec.support.tmp and the module kv.
local busted = require "busted"
local paths = require "spec.support.paths"
local seed = require "spec.support.seed"

-- kv.lib normally loads libloam.so; specs run against the testing library.
package.preload["kv.native"] = function()
  return { library = paths.library }
end
require "kv.native"

require "spec.support.lib"
local tmpdir = require "spec.support.tmp"
busted.subscribe({ "test", "end" }, function() tmpdir.remove_all() end)
busted.subscribe({ "suite", "end" }, function() tmpdir.remove_all() end)

-- The spec that runs, for scripts/test: a process that is killed or crashes cannot tell any more.
local running = os.getenv "LOAM_TEST_RUNNING"
if running then
  busted.subscribe({ "test", "start" }, function(element)
    local file = io.open(running, "w")
    if file then
      file:write(("%s @ %s: %s"):format(element.trace and element.trace.short_src or "?",
        element.trace and element.trace.currentline or "?", element.name or "?"))
      file:close()
    end
  end)
end

-- A broken binding fails its own specs, not those of the core.
if package.searchpath("kv", package.path) then
  local is_loaded, message = pcall(require, "kv")
  if not is_loaded then
    io.stderr:write("spec/helper.lua: kv does not load: ", tostring(message), "\n")
  end
end

math.randomseed(seed.value)
print("SEED=" .. seed.value)
