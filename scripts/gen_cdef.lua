#!/usr/bin/env luajit
-- Writes bindings/kv/cdef.lua from core/loam.h.
--
--     scripts/gen_cdef.lua           write the file
--     scripts/gen_cdef.lua --check   write nothing, fail when the file is out of date
--
-- The output is checked in, so that `kv` needs no tools to run. spec/scripts/gen_cdef_spec.lua and
-- scripts/lint run the check.
local root = (arg and arg[0] or ""):match("^(.*)/scripts/[^/]*$") or "."
package.path = root .. "/?.lua;" .. package.path
local cdef = require "scripts.lib.cdef"

local HEAD = [==[
-- The C declarations of libloam for LuaJIT. Made by scripts/gen_cdef.lua from core/loam.h: do not
-- edit; change the header and run scripts/gen_cdef.lua.
--
-- Returns {codes = {[number] = name}, stats = {{name, is_text}}}: the codes of core/loam.h without
-- their prefix, and the members of loam_stats. Types are
-- declared once per process, also when this module is loaded again.
local ffi = require "ffi"

if not pcall(ffi.typeof, "loam_db") then
  ffi.cdef [[
]==]

local function generate(header)
  local declarations = cdef.extract(header, "core/loam.h")
  local lines = { HEAD, declarations, "]]\nend\n\nreturn {\n  codes = {\n" }
  for _, code in ipairs(cdef.codes(declarations)) do
    lines[#lines + 1] = ("    [%d] = %q,\n"):format(code.value, code.name)
  end
  lines[#lines + 1] = "  },\n  stats = {\n"
  for _, member in ipairs(cdef.members(declarations, "loam_stats")) do
    local line = "    { name = %q, is_text = %s },\n"
    lines[#lines + 1] = line:format(member.name, tostring(member.is_text))
  end
  lines[#lines + 1] = "  },\n}\n"
  return table.concat(lines)
end

local function main(header_path, output_path, is_check)
  local wanted = generate(cdef.read_file(header_path))
  if is_check then
    local file = io.open(output_path, "rb")
    local found = file and file:read("*a")
    if file then
      file:close()
    end
    if found ~= wanted then
      io.stderr:write(output_path, " is out of date: run scripts/gen_cdef.lua\n")
      return 1
    end
    return 0
  end
  local file = assert(io.open(output_path, "wb"))
  assert(file:write(wanted))
  assert(file:close())
  return 0
end

local paths, is_check = {}, false
for _, word in ipairs(arg) do
  if word == "--check" then
    is_check = true
  else
    paths[#paths + 1] = word
  end
end
local header_path = paths[1] or root .. "/core/loam.h"
local output_path = paths[2] or root .. "/bindings/kv/cdef.lua"
os.exit(main(header_path, output_path, is_check))
