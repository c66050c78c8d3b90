-- Data-driven cases: text files of `command args` / input lines / `----` / expected lines, with
-- blank lines between cases. Lines that begin with # are comments.
--
--     data_file.run("spec/data/picker/tiers.txt", function(case) return "answer" end)
--
-- case = { name = "pick", args = "...", lines = {...} }. LOAM_REWRITE=1 writes what the function
-- answers back into the file; the difference is then for a human to review.
local paths = require "spec.support.paths"

local data_file = {}

local function read_lines(path)
  local lines = {}
  for line in io.lines(path) do
    lines[#lines + 1] = line
  end
  return lines
end

-- Cuts the lines into blocks { comments, head, lines, expected }.
local function parse(lines)
  local blocks, block = {}, nil
  for _, line in ipairs(lines) do
    if line == "" then
      block = nil
    else
      if not block then
        block = { comments = {}, lines = {}, expected = {} }
        blocks[#blocks + 1] = block
      end
      if line:sub(1, 1) == "#" then
        table.insert(block.comments, line)
      elseif not block.head then
        block.head = line
      elseif line == "----" then
        block.has_answer = true
      else
        table.insert(block.has_answer and block.expected or block.lines, line)
      end
    end
  end
  return blocks
end

local function write(path, blocks)
  local out = {}
  for _, block in ipairs(blocks) do
    local part = { table.concat(block.comments, "\n") }
    if #block.comments == 0 then
      part = {}
    end
    if block.head then
      part[#part + 1] = block.head
      for _, line in ipairs(block.lines) do
        part[#part + 1] = line
      end
      part[#part + 1] = "----"
      part[#part + 1] = block.answer
    end
    out[#out + 1] = table.concat(part, "\n")
  end
  local file = assert(io.open(path, "w"))
  file:write(table.concat(out, "\n\n"), "\n")
  file:close()
end

--- Runs each case of a file; calls check(name, expected, answer) for each.
---@param name string path below the source tree
---@param answer fun(case: table): string
---@param check fun(title: string, expected: string, answer: string)
function data_file.run(name, answer, check)
  local path = paths.root .. "/" .. name
  local blocks = parse(read_lines(path))
  for _, block in ipairs(blocks) do
    if block.head then
      local command, args = block.head:match("^(%S+)%s*(.*)$")
      block.answer = answer { name = command, args = args, lines = block.lines }
    end
  end
  if os.getenv("LOAM_REWRITE") == "1" then
    return write(path, blocks)
  end
  for _, block in ipairs(blocks) do
    if block.head then
      local title = name .. ": " .. (block.comments[1] or block.head)
      check(title, table.concat(block.expected, "\n"), block.answer)
    end
  end
end

return data_file
