-- Walks a source tree for the checks: tidy, layers, secrets.
--
-- A check collects findings and hands them to finish(), which prints "path:line: text" and ends the
-- program. Build folders, .git and ./data are no part of the tree.
local tree = {}

--- Returns the root to check: the first argument, or the tree this script is in.
function tree.root(arguments)
  return arguments[1] or arguments[0]:match("^(.*)/scripts/[^/]*$") or "."
end

--- Returns the sorted paths of all files below root, relative to it.
---@param root string
---@return string[]
function tree.files(root)
  local quoted = "'" .. root:gsub("'", "'\\''") .. "'"
  local command = "cd " .. quoted .. " && find . \\( -name .git -o -name 'build' -o -name 'build-*'"
    .. " -o -path ./data \\) -prune -o -type f -print | sort"
  local pipe = assert(io.popen(command))
  local paths = {}
  for line in pipe:lines() do
    paths[#paths + 1] = line:sub(3)
  end
  pipe:close()
  assert(#paths > 0, "no files below " .. root)
  return paths
end

--- Returns a file's text.
function tree.read(root, path)
  local file = assert(io.open(root .. "/" .. path, "rb"))
  local text = file:read("*a")
  file:close()
  return text
end

--- Iterates over (number, line) of a text.
function tree.lines(text)
  local number = 0
  local next_line = (text:sub(-1) == "\n" and text or text .. "\n"):gmatch("([^\n]*)\n")
  return function()
    local line = next_line()
    if line then
      number = number + 1
      return number, line
    end
  end
end

--- Prints the findings and exits: 0 when there are none.
---@param findings {path: string, line: number, text: string}[]
function tree.finish(findings)
  for _, finding in ipairs(findings) do
    io.stderr:write(("%s:%d: %s\n"):format(finding.path, finding.line, finding.text))
  end
  os.exit(#findings == 0 and 0 or 1)
end

return tree
