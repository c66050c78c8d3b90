-- What every command has in common: failures become one line and an exit code, output is flushed,
-- a bug shows its traceback only with LOAM_DEBUG=1.
--
-- A command's file returns command.new{summary, setup, run}; see loam.cli. run() gives an exit
-- code or nothing, and raises failures (failure.lua).
local failure = require "loam.cli.parts.failure"
local output = require "loam.cli.parts.output"

local command = {}

-- Error objects of kv and of the client.
local function is_error_object(problem)
  return type(problem) == "table" and problem.code ~= nil and problem.text ~= nil
end

--- The handler for xpcall: keeps what is expected, adds the traceback to a bug.
function command.trace(problem)
  if failure.is(problem) or is_error_object(problem)
    or type(problem) == "table" and problem.is_bug then
    return problem
  end
  return { is_bug = true, text = tostring(problem), traceback = debug.traceback("", 2) }
end

--- One line and the exit code of something raised.
---@return string text, number exit_code
function command.explain(problem)
  if failure.is(problem) then
    return problem.text, problem.exit_code
  elseif is_error_object(problem) then
    return failure.line(problem), failure.exit_code(problem)
  end
  local text = type(problem) == "table" and problem.text or tostring(problem)
  if os.getenv("LOAM_DEBUG") == "1" or os.getenv("LOAM_TRACEBACK") then
    return "internal error: " .. text .. (type(problem) == "table" and problem.traceback or ""),
      failure.RUNTIME
  end
  return "internal error: " .. text:gsub("\n.*", "") .. "; LOAM_DEBUG=1 shows where",
    failure.RUNTIME
end

local function report(problem)
  if failure.is(problem) and problem.is_quiet then
    return problem.exit_code
  end
  local text, exit_code = command.explain(problem)
  io.stderr:write("loam: ", text, "\n")
  return exit_code
end

--- Runs a function as a command does. Returns its exit code.
---@param fn fun(arguments: table): number?
---@param arguments table
---@return number
function command.run(fn, arguments)
  local is_ok, result = xpcall(function()
    output.start()
    local exit_code = fn(arguments)
    output.flush()
    return exit_code or failure.DONE
  end, command.trace)
  if is_ok then
    return result
  end
  pcall(io.stdout.flush, io.stdout) -- What came before a failure is shown.
  return report(result)
end

--- Makes the module of a command.
---@param given {summary: string, setup: function, run: function}
function command.new(given)
  return {
    summary = given.summary,
    setup = function(parser)
      parser:help_max_width(88)
      parser:help_description_margin(30)
      parser:help_usage_margin(2)
      parser:epilog(failure.EXIT_CODES)
      given.setup(parser)
    end,
    run = function(arguments)
      return command.run(given.run, arguments)
    end,
  }
end

return command
