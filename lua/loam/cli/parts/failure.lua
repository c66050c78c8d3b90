-- How a command ends when it cannot do its work: one line on standard error and an exit code.
--
-- Anything below a command raises a failure; command.lua catches it. What is raised without being a
-- failure is a bug of ours and is reported as such.
local failure = {}

-- The exit codes of every command.
failure.DONE = 0
failure.NOT_FOUND = 1 -- No such key or bucket; a check that found damage.
failure.USAGE = 2 -- Wrong arguments or configuration.
failure.RUNTIME = 3 -- The work itself failed.
failure.UNKNOWN = 4 -- A write failed, and nobody can tell whether it is there all the same.
failure.INTERRUPTED = 130 -- Ctrl-C ended a long call, which was undone. As shells have it.

failure.EXIT_CODES = "Exit codes: 0 done, 1 not found or damage found, 2 wrong usage or "
  .. "configuration, 3 failure, 4 a write whose outcome is unknown, 130 interrupted."

local metatable = { __name = "loam.failure" }

function metatable.__tostring(self)
  return self.text
end

--- Whether a raised value was made here.
function failure.is(value)
  return type(value) == "table" and getmetatable(value) == metatable
end

--- Raises a failure.
---@param exit_code number
---@param text string  a format
function failure.raise(exit_code, text, ...)
  local line = select("#", ...) > 0 and text:format(...) or text
  error(setmetatable({ exit_code = exit_code, text = (line:gsub("%s*\n%s*", "; ")) }, metatable), 0)
end

--- Raises exit code 2.
function failure.usage(text, ...)
  failure.raise(failure.USAGE, text, ...)
end

--- Raises exit code 3.
function failure.runtime(text, ...)
  failure.raise(failure.RUNTIME, text, ...)
end

--- Raises exit code 4 or 3: is_unknown says which.
function failure.write(is_unknown, text, ...)
  failure.raise(is_unknown and failure.UNKNOWN or failure.RUNTIME, text, ...)
end

--- The exit code that an error object of kv or of the client stands for.
---@param err table|string
---@return number
function failure.exit_code(err)
  local is_unknown = type(err) == "table"
    and (err.outcome == "unknown" or err.code == "UNKNOWN_OUTCOME")
  return is_unknown and failure.UNKNOWN or failure.RUNTIME
end

--- Ends the command at once and without a word: nobody reads its output any more.
function failure.quiet()
  error(setmetatable({ exit_code = failure.DONE, is_quiet = true, text = "" }, metatable), 0)
end

--- The one line of an error object of kv or of the client: what happened, then its code.
---@param err table|string
---@return string
function failure.line(err)
  if type(err) ~= "table" or not err.code then
    return tostring(err)
  elseif err.text == nil or err.text == "" then
    return err.code
  end
  return ("%s (%s)"):format(err.text, err.code)
end

--- Passes results through; `nil, err, CODE` becomes exit code 3, or 4 for an unknown outcome.
---@param what string  what was tried, for the front of the line
function failure.check(what, ...)
  local first, err, code = ...
  if first == nil and code ~= nil then
    failure.raise(failure.exit_code(err), "%s: %s", what, failure.line(err))
  end
  return ...
end

return failure
