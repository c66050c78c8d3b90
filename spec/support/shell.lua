-- Runs a program and waits for it.
--
--     local shell = require "spec.support.shell"
--     local result = shell.run("scripts/tidy.lua", dir)      -- result.status, .out, .err
--
-- Words are passed as they are: nothing is expanded. Programs start in the root of the tree.
local paths = require "spec.support.paths"
local tmpdir = require "spec.support.tmp"

local shell = {}

--- Returns a word that the shell takes for itself.
function shell.quote(word)
  return "'" .. tostring(word):gsub("'", "'\\''") .. "'"
end

local function read(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read("*a")
  file:close()
  return text
end

--- Runs a command line of words. Returns {status = exit status, out = text, err = text}.
function shell.run(...)
  local words = {}
  for index = 1, select("#", ...) do
    words[index] = shell.quote((select(index, ...)))
  end
  return shell.script(table.concat(words, " "))
end

--- As run(), for a line of shell.
---@param line string
function shell.script(line)
  local dir = tmpdir()
  local command = ("cd %s && { %s\n} >%s/out 2>%s/err </dev/null"):format(
    shell.quote(paths.root), line, dir, dir)
  local status = os.execute(command)
  -- LuaJIT answers as wait() does: the exit status stands in the upper byte.
  local exit_status = status >= 256 and status / 256 or status
  return { status = exit_status, out = read(dir .. "/out"), err = read(dir .. "/err") }
end

return shell
