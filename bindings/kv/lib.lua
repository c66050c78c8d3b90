-- Finds libloam and checks that it is the library the declarations in cdef.lua were made for.
--
-- Returns the FFI namespace of the library; the other files keep it as `C`. Where it comes from,
-- in order:
--   1. module "kv.native", when package.preload has it: {namespace = ffi.C} in the host program,
--      which exports the same symbols, or {library = path} in specs;
--   2. build/libloam.so beside the source tree this file lies in;
--   3. the system's library path.
local declarations = require "kv.cdef"
local ffi = require "ffi"

local ABI_VERSION = 1
local ABI_TYPES = { [0] = "loam_options", "loam_op", "loam_rows", "loam_stats" }

local function tree_library()
  local folder = debug.getinfo(1, "S").source:match("^@(.*)lib%.lua$")
  local path = folder and folder .. "../../build/libloam.so"
  local file = path and io.open(path, "rb")
  if not file then
    return nil
  end
  file:close()
  return path
end

local function load_namespace()
  local has_native, native = pcall(require, "kv.native")
  if has_native and native.namespace then
    return native.namespace
  end
  local path = has_native and native.library or tree_library() or "loam"
  local is_loaded, namespace = pcall(ffi.load, path)
  if not is_loaded then
    error("kv: cannot load libloam (" .. path .. "): " .. tostring(namespace), 0)
  end
  return namespace
end

local function check_abi(C)
  local advice = ": rebuild, then run scripts/gen_cdef.lua"
  local version = C.loam_abi_version()
  if version ~= ABI_VERSION then
    local text = "kv: libloam has ABI %d, this module needs %d%s"
    error(text:format(version, ABI_VERSION, advice), 0)
  end
  for which, name in pairs(ABI_TYPES) do
    local theirs, ours = tonumber(C.loam_abi_size(which)), ffi.sizeof(name)
    if theirs ~= ours then
      local text = "kv: %s has %d bytes in libloam and %d in kv/cdef.lua%s"
      error(text:format(name, theirs, ours, advice), 0)
    end
  end
end

-- A trace cannot be recorded through the first use of a symbol, so those of hot loops are used
-- here.
local HOT_SYMBOLS = {
  "loam_get", "loam_get_entry", "loam_get_view", "loam_view_release", "loam_mget", "loam_put",
  "loam_delete", "loam_apply", "loam_batch_put", "loam_batch_delete", "loam_batch_add",
  "loam_scan_open", "loam_scan_next", "loam_scan_close", "loam_buffer_free",
  "LOAM_NOT_FOUND", "LOAM_EXISTS", "LOAM_MISMATCH", "LOAM_DURABILITY_DEFAULT", "LOAM_SYNC",
  "LOAM_INTERVAL", "LOAM_OS", "LOAM_OP_PUT", "LOAM_OP_DELETE", "LOAM_OP_INCR", "LOAM_OP_APPEND",
  "LOAM_OP_MERGE", "LOAM_OP_TOUCH", "LOAM_IF_ABSENT", "LOAM_IF_PRESENT", "LOAM_IF_SEQ",
  "LOAM_IF_VALUE",
}

local C = load_namespace()
check_abi(C)
for _, name in ipairs(HOT_SYMBOLS) do
  assert(C[name] ~= nil)
end

return { C = C, codes = declarations.codes, check_abi = check_abi }
