-- Where the shell's lines come from: a terminal with line editing and history, or any other input,
-- line by line and without a prompt.
--
-- Line editing is GNU readline through the Debian package lua-readline, when it is installed. It is
-- loaded at run time and nothing of it is part of Loam; without it a terminal works, only plainly.
local system = require "loam.cli.parts.system"

local shell_input = {}
local HISTORY_LINES = 1000

--- The file of the history: loam/history in $XDG_STATE_HOME or ~/.local/state; nil when there is no
--- home or it cannot be written.
---@return string?
function shell_input.history_path()
  local state = os.getenv("XDG_STATE_HOME")
  if not state or state:sub(1, 1) ~= "/" then
    local home = os.getenv("HOME")
    if not home or home == "" then
      return nil
    end
    state = home .. "/.local/state"
  end
  local folder = state .. "/loam"
  system.make_directories(folder)
  local path = folder .. "/history"
  local is_usable = system.is_writable(system.exists(path) and path or folder)
  return is_usable and path or nil
end

-- Lower and upper case, since both are understood.
local function completions(names)
  local list = {}
  for _, name in ipairs(names) do
    list[#list + 1] = name
    list[#list + 1] = name:upper()
  end
  return list
end

local function with_readline(readline, names)
  local history = shell_input.history_path()
  readline.set_options { histfile = history or "", keeplines = HISTORY_LINES, auto_add = true,
    ignoredups = true, completion = true }
  readline.set_readline_name("loam")
  readline.set_complete_list(completions(names))
  return {
    is_interactive = true,
    line = function(prompt) return readline.readline(prompt) end,
    close = function()
      if history then
        readline.save_history()
      end
    end,
  }
end

-- io.read and not blocks: a program at the other end may wait for each answer.
local function plain(is_interactive)
  return {
    is_interactive = is_interactive,
    line = function(prompt)
      if is_interactive then
        io.stdout:write(prompt)
        io.stdout:flush()
      end
      return io.stdin:read("*l")
    end,
    close = function() end,
  }
end

--- Opens the input. The result has line(prompt), close() and is_interactive.
---@param names string[]  words to complete
function shell_input.open(names)
  local is_terminal = system.is_terminal(system.INPUT)
  if is_terminal and system.is_terminal(system.OUTPUT) then
    local has_readline, readline = pcall(require, "readline")
    if has_readline then
      return with_readline(readline, names)
    end
  end
  return plain(is_terminal)
end

return shell_input
