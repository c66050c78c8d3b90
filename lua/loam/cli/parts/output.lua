-- Standard output of a command. A reader who has gone ends the command quietly; any other failed
-- write is a failure, also the one that only the last flush finds.
local failure = require "loam.cli.parts.failure"
local system = require "loam.cli.parts.system"

local output = {}
local EPIPE = 32

local function check(is_done, message, number)
  if is_done then
    return
  elseif number == EPIPE then
    failure.quiet()
  end
  failure.runtime("cannot write standard output: %s", tostring(message))
end

--- Prepares the process: broken pipes become errors, files and pipes are buffered.
function output.start()
  system.ignore_broken_pipes()
  if not system.is_terminal(system.OUTPUT) then
    io.stdout:setvbuf("full", 65536)
  end
end

--- Writes strings as they are.
function output.write(...)
  check(io.stdout:write(...))
end

--- Writes a line.
function output.line(...)
  check(io.stdout:write(...))
  check(io.stdout:write("\n"))
end

--- Hands everything written to the kernel.
function output.flush()
  check(io.stdout:flush())
end

--- Whether standard output is a terminal.
function output.is_terminal()
  return system.is_terminal(system.OUTPUT)
end

return output
