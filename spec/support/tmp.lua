-- Real directories for one test.
--
--     local tmpdir = require "spec.support.tmp"
--     local dir = tmpdir()
--
-- What is made inside a test, or in its before_each, is removed when that test ends; what is made
-- outside, when the run ends. LOAM_KEEP=1 keeps everything and prints where it is. spec/helper.lua
-- calls remove_all(): a test cannot forget to.
local ffi = require "ffi"

ffi.cdef "char *mkdtemp(char *template);"

local tmp = {}
local made = {}
local is_kept = os.getenv("LOAM_KEEP") == "1"
local base = os.getenv("TMPDIR") or "/tmp"

--- Makes an empty directory and returns its path.
---@return string
function tmp.dir()
  local template = base .. "/loam-spec-XXXXXX"
  local buffer = ffi.new("char[?]", #template + 1, template)
  if ffi.C.mkdtemp(buffer) == nil then
    error("cannot make a directory in " .. base .. ", errno " .. ffi.errno(), 2)
  end
  local path = ffi.string(buffer)
  made[#made + 1] = path
  return path
end

--- Removes what dir() has made since the last call.
function tmp.remove_all()
  for index, path in ipairs(made) do
    if is_kept then
      io.stderr:write("kept: ", path, "\n")
    else
      os.execute("rm -rf '" .. path .. "'")
    end
    made[index] = nil
  end
end

return setmetatable(tmp, { __call = tmp.dir })
