#!/usr/bin/env luajit
-- Checks the house rules that no other tool knows: long lines, banned calls, words that may not
-- reach main, ceilings of files and functions, C files nobody builds, unexpected types, large
-- files.
--
--     scripts/tidy.lua [ROOT]
--
-- The rules are in scripts/lib/tidy_rules.lua. ROOT/scripts/tidy_known.lua lists files that break
-- one for a reason. Also run as spec/tidy_spec.lua.
package.path = (arg[0]:match("^(.*)/scripts/[^/]*$") or ".") .. "/?.lua;" .. package.path
local rules = require "scripts.lib.tidy_rules"
local tree = require "scripts.lib.tree"

local KNOWN = "scripts/tidy_known.lua"

local function known_sinners(root)
  local chunk = loadfile(root .. "/" .. KNOWN)
  local known = {}
  for _, entry in ipairs(chunk and chunk() or {}) do
    local path, rule, reason = entry[1], entry[2], entry[3]
    assert(type(reason) == "string" and #reason > 0, KNOWN .. ": " .. path .. " needs a reason")
    known[path .. ":" .. rule] = { path = path, rule = rule, has_sinned = false }
  end
  return known
end

local root = tree.root(arg)
local known = known_sinners(root)
local findings = {}

local function complain(path, line, rule, text)
  local entry = known[path .. ":" .. rule]
  if entry then
    entry.has_sinned = true
  else
    findings[#findings + 1] = { path = path, line = line, text = ("%s: %s"):format(rule, text) }
  end
end

local files = tree.files(root)
for _, path in ipairs(files) do
  local text = tree.read(root, path)
  for _, check in ipairs(rules.checks) do
    check(path, text, function(line, rule, what) complain(path, line, rule, what) end)
  end
end
rules.check_listed(files, function(path) return tree.read(root, path) end, complain)

for _, entry in pairs(known) do
  if not entry.has_sinned then
    local text = ("'%s' of %s is in order now: take it off the list"):format(entry.rule, entry.path)
    findings[#findings + 1] = { path = KNOWN, line = 1, text = text }
  end
end
tree.finish(findings)
