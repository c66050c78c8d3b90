#!/usr/bin/env luajit
-- Writes lua/loam/cdef.lua from the headers that the host's Lua calls beyond core/loam.h.
--
--     scripts/gen_host_cdef.lua           write the file
--     scripts/gen_host_cdef.lua --check   write nothing, fail when the file is out of date
--
-- The output is checked in. spec/lua/cdef_spec.lua runs the check.
local root = (arg and arg[0] or ""):match("^(.*)/scripts/[^/]*$") or "."
package.path = root .. "/?.lua;" .. package.path
local cdef = require "scripts.lib.cdef"

-- In include order. The second word is a type of the header: when the process knows it, the header
-- was declared before (busted forgets modules, the FFI forgets nothing).
local HEADERS = {
  { "http/limits.h", "struct http_limits" },
  { "http/tls.h", "struct http_tls_options" },
  { "http/request.h", "struct http_request" },
  { "http/tls_client.h", "struct http_tls_trust" },
  { "http/http.h", "struct http_event" },
  { "host/host.h", "struct host_task" },
  { "host/glue.h", "struct host_sending" },
  { "host/json_text.h", "enum host_rows_flag" },
  { "host/conditions.h", "struct host_conditions" },
  { "host/secure.h", "struct host_token" },
}

local HEAD = [==[
-- The C declarations of the HTTP room and the host for LuaJIT. Made by scripts/gen_host_cdef.lua
-- from headers of core/http and core/host: do not edit; change the header and run
-- scripts/gen_host_cdef.lua. Types are declared once per process.
local ffi = require "ffi"
require "kv.cdef"

-- An unknown struct has no size; asking does no harm.
local function is_known(name)
  local is_ok, size = pcall(ffi.sizeof, name)
  return is_ok and size ~= nil
end
]==]

local function generate()
  local parts = { HEAD }
  for _, header in ipairs(HEADERS) do
    local name, known_type = header[1], header[2]
    local declarations = cdef.extract(cdef.read_file(root .. "/core/" .. name), name)
    parts[#parts + 1] = ("\nif not is_known(%q) then\n  ffi.cdef [[\n"):format(known_type)
    parts[#parts + 1] = declarations .. "]]\nend\n"
  end
  parts[#parts + 1] = "\nreturn true\n"
  return table.concat(parts)
end

local path = root .. "/lua/loam/cdef.lua"
local wanted = generate()
if arg[1] == "--check" then
  local file = io.open(path, "rb")
  local found = file and file:read("*a")
  if file then
    file:close()
  end
  if found ~= wanted then
    io.stderr:write(path, " is out of date: run scripts/gen_host_cdef.lua\n")
    os.exit(1)
  end
  os.exit(0)
end
local file = assert(io.open(path, "wb"))
assert(file:write(wanted))
assert(file:close())
