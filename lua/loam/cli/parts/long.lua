-- How a command makes a long call: with a progress line, and undone by Ctrl-C.
local failure = require "loam.cli.parts.failure"
local interrupt = require "loam.cli.parts.interrupt"
local progress = require "loam.cli.parts.progress"

local long = {}

--- The option of every command that makes long calls.
function long.option(parser)
  parser:flag("--progress", "Show progress, also when this is no terminal.")
end

-- The exit code of a failed call.
local function exit_code(code)
  if code == "CORRUPT" or code == "NOT_FOUND" then
    return failure.NOT_FOUND
  elseif code == "CANCELLED" then
    return failure.INTERRUPTED
  end
  return failure.RUNTIME
end

--- Raises the failure of a long call.
---@param what string  what was tried, "backup of 'data'"
---@param err table
---@param is_undone? boolean  what was done so far is gone again
function long.raise(what, err, is_undone)
  if err.code == "CANCELLED" then
    failure.raise(failure.INTERRUPTED, "%s: interrupted%s", what,
      is_undone and "; nothing of it is left" or "")
  end
  local line = failure.line(err)
  local is_told = line:sub(1, #what) == what -- The engine says what it was about, too.
  failure.raise(exit_code(err.code), "%s%s", is_told and "" or what .. ": ", line)
end

--- Calls fn(on_progress) and returns its results, whose failures are nil, err, CODE.
---@param title string
---@param is_shown? boolean  progress; on a terminal by default
---@param fn fun(on_progress: fun(info: table): boolean?): any
function long.call(title, is_shown, fn)
  local line = progress.new(title, { is_shown = progress.is_wanted(is_shown), unit = "bytes" })
  local function on_progress(info)
    local total = info.bytes_total
    line:update(info.bytes_done, nil, total and total > 0 and info.bytes_done / total)
    return not interrupt.take()
  end
  local first, second, third = interrupt.hold(function()
    local result, err, code = fn(on_progress)
    interrupt.take() -- Too late: the result counts.
    return result, err, code
  end)
  line:clear()
  return first, second, third
end

return long
