-- Declares the marked parts of core headers to the FFI, each header once per process.
--
--     local cdef = require "spec.support.cdef"
--     cdef.load("base/memory.h")        -- path below core/
--
-- The headers that a header includes come first, so that its types are known. busted forgets
-- modules between spec files while the FFI never forgets a type: spec/helper.lua requires this
-- module before the first file, and busted keeps what was loaded by then, so `done` lives as long
-- as the process.
local ffi = require "ffi"
local paths = require "spec.support.paths"
local reader = require "scripts.lib.cdef"

local cdef = {}
local done = {}

local function declare(name)
  local text = reader.read_file(paths.root .. "/core/" .. name)
  for _, included in ipairs(reader.includes(text)) do
    cdef.load(included)
  end
  local declarations = reader.extract(text, name)
  local ok, message = pcall(ffi.cdef, declarations)
  if not ok then
    error("core/" .. name .. ": the FFI refuses its marked part: " .. message, 0)
  end
end

--- Declares core/<name> and what it includes. Calling again does nothing.
---@param name string
function cdef.load(name)
  if done[name] then
    return
  end
  done[name] = true
  if name == "loam.h" then
    -- The public header reaches Lua through the generated file only, in specs as in scripts.
    require "kv.cdef"
  else
    declare(name)
  end
end

return cdef
