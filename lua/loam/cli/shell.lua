-- `loam shell`: commands and Lua expressions, typed or from a pipe.
local arguments = require "loam.cli.parts.arguments"
local command = require "loam.cli.parts.command"
local failure = require "loam.cli.parts.failure"
local output = require "loam.cli.parts.output"
local shell_commands = require "loam.cli.parts.shell_commands"
local shell_input = require "loam.cli.parts.shell_input"
local show = require "loam.cli.parts.show"
local store = require "loam.cli.parts.store"
local words = require "loam.cli.parts.words"

local function setup(parser)
  parser:description("Commands typed or read from standard input: help lists them. From a pipe, a "
    .. "failed command does not end the shell; its exit code is the last one's that failed.")
  arguments.store(parser)
  parser:flag("--create", "Make the database when there is none.")
  arguments.option(parser, "-e", "--execute",
    "A line to run in place of the input; may be given again.")
    :argname("LINE"):count("*")
end

local function pack(...)
  return select("#", ...), { ... }
end

-- Runs Lua and prints its results. What is assigned stays for the next line.
local function evaluate(shell, text)
  local chunk, message = loadstring("return " .. text, "=expression")
  if not chunk then
    chunk = loadstring(text, "=expression")
  end
  if not chunk then
    failure.usage("%s", message)
  end
  local env = shell.environment
  env.db = shell.store.space or shell.store.client
  setfenv(chunk, env)
  local count, results = pack(pcall(chunk))
  if not results[1] then
    if failure.is(results[2]) then
      error(results[2], 0)
    end
    -- A call at the end of an expression blames the line that runs it: that is no news.
    failure.runtime("%s", (failure.line(results[2]):gsub("^%S*/cli/shell%.lua:%d+: ", "")))
  elseif count > 1 then
    output.line(show.values(count - 1, unpack(results, 2, count)))
  end
end

local function execute(shell, line)
  if line:find("^%s*$") or line:find("^%s*#") then
    return
  end
  local expression = line:match("^%s*=(.*)$")
  if expression then
    return evaluate(shell, expression)
  end
  local list, message = words.split(line)
  if not list then
    failure.usage("%s", message)
  end
  local found = shell_commands.find(table.remove(list, 1))
  if #list < found.least or #list > found.most then
    failure.usage("usage: %s %s", found.names[1], found.usage)
  end
  found.run(shell, list)
end

-- Runs a line; a failure is told and its exit code returned.
local function attempt(shell, line)
  local is_ok, problem = xpcall(function()
    execute(shell, line)
    output.flush()
  end, command.trace)
  if is_ok then
    return nil
  elseif failure.is(problem) and problem.is_quiet then
    error(problem, 0)
  end
  local text, exit_code = command.explain(problem)
  io.stdout:flush()
  io.stderr:write("loam: ", text, "\n")
  return exit_code
end

local function prompt_of(shell)
  return shell.bucket == "default" and "loam> " or "loam:" .. shell.bucket .. "> "
end

local function execute_given(shell, lines)
  local exit_code
  for _, line in ipairs(lines) do
    exit_code = attempt(shell, line) or exit_code
    if shell.is_done then
      break
    end
  end
  return exit_code
end

local function converse(shell)
  local input = shell_input.open(shell_commands.names)
  local exit_code
  repeat
    local line = input.line(prompt_of(shell))
    if not line then
      if input.is_interactive then
        output.line("")
      end
      break
    end
    exit_code = attempt(shell, line) or exit_code
  until shell.is_done
  input.close()
  return not input.is_interactive and exit_code or nil
end

local function run(given)
  local mode = given.create and store.WRITE or store.CHANGE
  return store.with(given, mode, function(opened)
    local kv = require "kv"
    local environment = setmetatable({ kv = kv, client = opened.client }, { __index = _G })
    local shell = { store = opened, bucket = given.bucket, environment = environment }
    if opened.db then
      kv.use(opened.db)
    end
    if #given.execute > 0 then
      return execute_given(shell, given.execute)
    end
    return converse(shell)
  end)
end

return command.new { summary = "Work with a database line by line.", setup = setup, run = run }
