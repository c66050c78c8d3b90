-- An input file as lines, in blocks: memory stays flat however long the file is, and zero bytes
-- are bytes like any other (io.lines would cut a line there).
local failure = require "loam.cli.parts.failure"
local system = require "loam.cli.parts.system"

local source = {}
local BLOCK_BYTES = 65536
local LINE_BYTES_MAX = 192 * 1024 * 1024 -- A value of 64 MiB in base64 with room to spare.

---@class loam.cli.source
---@field name string    for messages
---@field size? number   bytes in all, where that can be known
---@field done number    bytes handed out
---@field line_number number  of the line handed out last
local methods = {}
local metatable = { __name = "loam.cli.source", __index = methods }

--- Wraps anything with read(size) and close().
function source.new(file, name, size)
  return setmetatable({
    _file = file, _block = "", _at = 1, name = name, size = size, done = 0, line_number = 0,
  }, metatable)
end

--- Opens a file; nil and "-" are standard input.
---@param path? string
---@return loam.cli.source
function source.open(path)
  if path == nil or path == "-" then
    return source.new(io.stdin, "standard input", system.file_size(io.stdin))
  end
  local file, message = io.open(path, "rb")
  if not file then
    failure.runtime("cannot open %s", message)
  end
  return source.new(file, path, system.file_size(file))
end

local function refill(self)
  local block, message = self._file:read(BLOCK_BYTES)
  if message then
    failure.runtime("cannot read %s: %s", self.name, message)
  end
  self._block, self._at = block or "", 1
  return block ~= nil
end

local function too_long(self)
  failure.runtime("%s:%d: a line has at most %d bytes", self.name, self.line_number + 1,
    LINE_BYTES_MAX)
end

-- The rest of a line that does not end in this block.
local function long_line(self)
  local parts, size = { self._block:sub(self._at) }, #self._block - self._at + 1
  while refill(self) do
    local finish = self._block:find("\n", 1, true)
    parts[#parts + 1] = self._block:sub(1, finish and finish - 1)
    size = size + #parts[#parts]
    if size > LINE_BYTES_MAX then
      too_long(self)
    elseif finish then
      self._at = finish + 1
      return table.concat(parts), size + 1
    end
  end
  return size > 0 and table.concat(parts) or nil, size
end

--- Returns the next line without its line feed, nil at the end.
---@return string?
function methods:line()
  local finish = self._block:find("\n", self._at, true)
  local line, size
  if finish then
    line, size = self._block:sub(self._at, finish - 1), finish - self._at + 1
    self._at = finish + 1
  else
    line, size = long_line(self)
    if not line then
      return nil
    end
  end
  self.done = self.done + size
  self.line_number = self.line_number + 1
  return line
end

--- Raises a failure that names the file and a line, the last one unless given.
function methods:fail(text, line_number)
  failure.runtime("%s:%d: %s", self.name, line_number or self.line_number, text)
end

function methods:close()
  if self._file ~= io.stdin then
    self._file:close()
  end
end

return source
