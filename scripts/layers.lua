#!/usr/bin/env luajit
-- Checks that the floors stay floors: who may include or require whom.
--
--     scripts/layers.lua [ROOT]
--
-- A C file of core/ includes only its own folder or a folder on a lower floor of the table below.
-- Lua: the binding knows nothing of the host. Also run as spec/layers_spec.lua.
package.path = (arg[0]:match("^(.*)/scripts/[^/]*$") or ".") .. "/?.lua;" .. package.path
local tree = require "scripts.lib.tree"

-- Floor of each folder of core/. Folders of one floor do not know each other.
local FLOORS = { base = 0, env = 1, disk = 2, lsm = 3, db = 4, http = 4, host = 5, bench = 5 }

-- Lower, but closed to them all the same: the HTTP room is a library of its own.
local CLOSED = { http = { env = true, disk = true, lsm = true } }

-- Lua: files below a folder never require modules whose name, with a dot behind it, matches.
local LUA_CLOSED = {
  { folder = "bindings/", pattern = "^loam%.", why = "the binding must work without the host" },
}

local findings = {}

local function complain(path, line, text)
  findings[#findings + 1] = { path = path, line = line, text = text }
end

local function check_include(path, line, from, included)
  local to = included:match("^([^/]+)/")
  if included == "loam.h" or to == from then
    return
  elseif not to then
    complain(path, line, ("include \"%s\" by its path below core/"):format(included))
  elseif not FLOORS[to] then
    complain(path, line, ("include of \"%s\": core/%s is on no floor"):format(included, to))
  elseif FLOORS[to] >= FLOORS[from] or (CLOSED[from] or {})[to] then
    complain(path, line, ("dependency from core/%s onto core/%s is not allowed"):format(from, to))
  end
end

local function check_c(path, text)
  local from = path:match("^core/([^/]+)/")
  if not from then
    return
  elseif not FLOORS[from] then
    complain(path, 1, ("core/%s is on no floor; give it one in scripts/layers.lua"):format(from))
    return
  end
  for number, line in tree.lines(text) do
    local included = line:match("^%s*#%s*include%s*\"([^\"]+)\"")
    if included then
      check_include(path, number, from, included)
    end
  end
end

local function check_lua(path, text)
  for _, rule in ipairs(LUA_CLOSED) do
    if path:sub(1, #rule.folder) == rule.folder then
      for number, line in tree.lines(text) do
        local module = line:match("require%s*%(?%s*[\"']([^\"']+)[\"']")
        if module and (module .. "."):find(rule.pattern) then
          complain(path, number, ("must not require \"%s\": %s"):format(module, rule.why))
        end
      end
    end
  end
end

local root = tree.root(arg)
for _, path in ipairs(tree.files(root)) do
  if path:find("^core/.*%.[ch]$") then
    check_c(path, tree.read(root, path))
  elseif path:find("%.lua$") then
    check_lua(path, tree.read(root, path))
  end
end
tree.finish(findings)
