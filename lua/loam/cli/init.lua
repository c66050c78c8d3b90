-- The command line: `loam COMMAND ...`. Each command is a file of this directory.
--
-- A command's module is {summary, setup(parser), run(arguments) -> exit code}. To add one, write
-- the file and put its name into COMMANDS. Exit codes: 0 done, 1 not found or damage found, 2 wrong
-- usage or configuration, 3 failure, 4 a write whose outcome is unknown, 130 interrupted. Called by
-- core/host/main.c with the process's arguments.
local argparse = require "argparse"

local cli = {}
local EXIT_USAGE, EXIT_FAILURE = 2, 3

local COMMANDS = {
  "serve", "run", "shell", "get", "put", "delete", "scan", "load", "dump", "buckets", "stats",
  "compact", "check", "verify", "scrub", "checkpoint", "backup", "backups", "restore", "repair",
  "inspect", "config", "token", "bench", "version",
}

local function find(name)
  for _, known in ipairs(COMMANDS) do
    if known == name and package.searchpath("loam.cli." .. name, package.path) then
      return require("loam.cli." .. name)
    end
  end
end

local function usage()
  local lines = { "Usage: loam COMMAND [ARGUMENTS]", "", "Commands:" }
  for _, name in ipairs(COMMANDS) do
    local command = find(name)
    if command then
      lines[#lines + 1] = ("   %-11s %s"):format(name, command.summary)
    end
  end
  lines[#lines + 1] = ""
  lines[#lines + 1] = "`loam COMMAND --help` tells more."
  return table.concat(lines, "\n") .. "\n"
end

local function nearest(name)
  local known = {}
  for _, command in ipairs(COMMANDS) do
    known[command] = true
  end
  return require("kv.options").nearest(name, known)
end

--- Prints one line on standard error and returns an exit code.
---@param message string
---@param exit_code? number  3 by default
function cli.fail(message, exit_code)
  io.stderr:write("loam: ", message, "\n")
  return exit_code or EXIT_FAILURE
end

local function run(command, name, words)
  local parser = argparse("loam " .. name, command.summary)
  command.setup(parser)
  local is_ok, arguments = parser:pparse(words)
  if not is_ok then
    local message = tostring(arguments):gsub("%s*\n%s*", "; ")
    return cli.fail(("%s: %s; see `loam %s --help`"):format(name, message, name), EXIT_USAGE)
  end
  return command.run(arguments)
end

--- Runs the program. Returns the exit code.
---@param words string[]  arguments, without the program's name
function cli.main(words)
  local name = words[1]
  if name == nil then
    io.stderr:write(usage())
    return EXIT_USAGE
  elseif name == "--help" or name == "-h" or name == "help" then
    io.stdout:write(usage())
    return 0
  elseif name == "--version" then
    name = "version"
  end
  local command = find(name)
  if not command then
    local near = nearest(name)
    return cli.fail(("unknown command '%s'%s"):format(name,
      near and "; did you mean '" .. near .. "'?" or "; `loam --help` lists all"), EXIT_USAGE)
  end
  local rest = {}
  for at = 2, #words do
    rest[#rest + 1] = words[at]
  end
  return run(command, name, rest)
end

return cli
