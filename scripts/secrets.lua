#!/usr/bin/env luajit
-- Looks for keys and tokens that must not be committed.
--
--     scripts/secrets.lua [ROOT]
package.path = (arg[0]:match("^(.*)/scripts/[^/]*$") or ".") .. "/?.lua;" .. package.path
local tree = require "scripts.lib.tree"

-- Long enough runs only, so that prose about keys passes.
local RULES = {
  { name = "private key", pattern = "%-%-%-%-%-BEGIN [%u ]*PRIVATE KEY%-%-%-%-%-" },
  { name = "cloud access key", pattern = "%f[%w]AKIA" .. ("[%u%d]"):rep(16) .. "%f[%W]" },
  { name = "source host token", pattern = "%f[%w]gh[pousr]_" .. ("%w"):rep(36) },
  { name = "chat token", pattern = "%f[%w]xox[abprs]%-%w+%-%w+" },
  { name = "bearer token", pattern = "[Bb]earer +" .. ("[%w%-_]"):rep(40) },
  { name = "password in a URL", pattern = "%a+://[%w%-_.]+:[^/@%s\"'%%{$<]+@[%w%-]+%.%a+" },
}

local root = tree.root(arg)
local findings = {}
for _, path in ipairs(tree.files(root)) do
  for number, line in tree.lines(tree.read(root, path)) do
    for _, rule in ipairs(RULES) do
      if line:find(rule.pattern) then
        local text = "looks like a " .. rule.name
        findings[#findings + 1] = { path = path, line = number, text = text }
      end
    end
  end
end
tree.finish(findings)
