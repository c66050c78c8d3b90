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

-- Text for the log; of a request also its id, which the client has been told.
local function shown(what)
  if type(what) == "string" then
    return what
  end
  return ("%s %s (request %s)"):format(what.method, log.escape(what.path), what.id)
end

local function finish(what, is_ok, first, ...)
  if is_ok then
    return true, first, ...
  end
  if first.is_answer then
    return false, first
  end
  log.error(shown(what) .. " failed: " .. first.trace)
  return false, nil
end

--- Calls fn(...). Returns true and its results; or false and the answer that was raised; or false,
--- nil after logging what went wrong.
---@param what string|table  for the log line: a text, or a request
---@param fn function
local function protected_call(what, fn, ...)
  return finish(what, xpcall(fn, on_error, ...))
end

return protected_call
