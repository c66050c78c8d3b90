-- A log file of whole lines, appended to by every worker.
--
--     local file = assert(line_file.open("access.log"))     -- "-" = standard error
--     file:add(line)   file:flush()   file:reopen()
--
-- What was added goes out with one write, at the end of the poll loop's turn, so lines of workers
-- do not mix. A file that cannot be written is told once to the log and tried again with every
-- flush; what did not go out is lost, requests are not held up. reopen() is for log rotation.
local ffi = require "ffi"
local log = require "loam.log"
local C = require "loam.native"

local line_file = {}
local methods = {}
local metatable = { __name = "line_file", __index = methods }
local LINES_MAX = 512
local STDERR = 2

local err = ffi.new("loam_error")

local function open_descriptor(path)
  if path == "-" then
    return STDERR
  end
  local fd = C.host_append_open(path, err)
  if fd < 0 then
    return nil, ffi.string(err.text)
  end
  return fd
end

--- Opens a file, which is made with mode 0600 when absent. Returns it, or nil and one line.
---@param path string
function line_file.open(path)
  local fd, message = open_descriptor(path)
  if not fd then
    return nil, message
  end
  return setmetatable({ path = path, _fd = fd, _lines = {}, _count = 0 }, metatable)
end

--- Keeps a line, without its line end, for the next flush.
function methods:add(line)
  self._count = self._count + 1
  self._lines[self._count] = line
  if self._count >= LINES_MAX then
    self:flush()
  end
end

--- Writes what was added.
function methods:flush()
  if self._count == 0 then
    return
  end
  local text = table.concat(self._lines, "\n", 1, self._count) .. "\n"
  self._count = 0
  if C.host_append(self._fd, text, #text, err) == 0 then
    self._is_failing = false
  elseif not self._is_failing then
    self._is_failing = true
    log.error(self.path .. ": " .. ffi.string(err.text))
  end
end

--- Opens the path again: another program has moved the file away.
function methods:reopen()
  self:flush()
  local fd, message = open_descriptor(self.path)
  if not fd then
    log.error("the old file stays open:", message)
  elseif self.path ~= "-" then
    C.host_file_close(self._fd)
    self._fd = fd
  end
end

--- Writes the rest and closes.
function methods:close()
  self:flush()
  if self.path ~= "-" then
    C.host_file_close(self._fd)
  end
end

return line_file
