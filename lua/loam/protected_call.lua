-- The one place where the host catches errors of handlers, timers and middleware.
--
-- The traceback goes to the log, once, at error level; the caller gets only the fact. Errors that a
-- handler raises as an answer (answer.raise) pass through untouched and unlogged.
local log = require "loam.log"

local function on_error(problem)
  if type(problem) == "table" and problem.is_answer then
    return problem
  end
  return { text = tostring(problem), trace = debug.traceback(tostring(problem), 2) }
end

local function finish(what, is_ok, first, ...)
  if is_ok then
    return true, first, ...
  end
  if first.is_answer then
    return false, first
  end
  log.error(what .. " failed: " .. first.trace)
  return false, nil
end

--- Calls fn(...). Returns true and its results; or false and the answer that was raised; or false,
--- nil after logging what went wrong.
---@param what string  for the log line, "handler GET /x" say
---@param fn function
local function protected_call(what, fn, ...)
  return finish(what, xpcall(fn, on_error, ...))
end

return protected_call
