-- Runs the program `loam` as people do: words, standard input, exit status, servers.
--
--     local program = require "spec.support.program"
--     local result = program.run { "get", "a", "--data", dir }      -- .status, .out, .err
--     local server = program.serve(dir)    server.url    server:stop()    server:kill()
--
-- Servers that a test leaves behind are killed by program.stop_all(); call it in after_each.
local paths = require "spec.support.paths"
local shell = require "spec.support.shell"
local socket = require "socket"
local tmpdir = require "spec.support.tmp"

local program = {}
local DEADLINE_S = 30
local servers = {}

local function read(path)
  local file = io.open(path, "rb")
  local text = file and file:read("*a") or ""
  if file then
    file:close()
  end
  return text
end

--- Writes a file and returns its path.
function program.write(path, text)
  local file = assert(io.open(path, "wb"))
  file:write(text)
  file:close()
  return path
end

program.read = read

--- The command line of `loam` with some words, quoted for the shell.
---@param words string[]
---@param path? string  of another `loam` than the one that was built
---@return string
function program.line(words, path)
  local quoted = { shell.quote(path or paths.program) }
  for at, word in ipairs(words) do
    quoted[at + 1] = shell.quote(word)
  end
  return table.concat(quoted, " ")
end

--- Runs `loam` with words; `input` is its standard input. What the environment says of places is
--- not seen.
---@param words string[]
---@param input? string
---@return {status: number, out: string, err: string}
function program.run(words, input)
  local line = "env -u LOAM_URL -u LOAM_DATA -u DATA_DIR " .. program.line(words)
  if input then
    line = line .. " <" .. shell.quote(program.write(tmpdir() .. "/in", input))
  end
  return shell.script(line)
end

--- Waits until a function gives something, and returns it.
---@param what string  for the message when it does not
---@param fn function
function program.wait_until(what, fn)
  local deadline = socket.gettime() + DEADLINE_S
  repeat
    local result = fn()
    if result then
      return result
    end
    socket.sleep(0.01)
  until socket.gettime() > deadline
  error("waited " .. DEADLINE_S .. " s in vain for " .. what, 2)
end

local Server = {}
Server.__index = Server

local function signal(server, name)
  os.execute(("kill -%s %d 2>/dev/null"):format(name, server.pid))
end

local function is_gone(server)
  return os.execute(("kill -0 %d 2>/dev/null"):format(server.pid)) ~= 0
end

local function leave(server, name)
  if server.pid then
    signal(server, name)
    program.wait_until("the server to end", function() return is_gone(server) end)
    server.pid = nil
  end
end

--- Ends the server as an operator does.
function Server:stop()
  leave(self, "TERM")
end

--- Ends the server at once: it can do nothing about it.
function Server:kill()
  leave(self, "KILL")
end

--- Starts `loam serve` on a free port and waits until it listens.
---@param data string
---@param words? string[]  more flags
---@param path? string  of another `loam` than the one that was built
---@return {url: string, pid: number}
function program.serve(data, words, path)
  local dir = tmpdir()
  local all = { "serve", "--data", data, "--listen", "127.0.0.1:0", "--workers", "1" }
  for _, word in ipairs(words or {}) do
    all[#all + 1] = word
  end
  local line = program.line(all, path)
  os.execute(("%s >%s/out 2>%s/err </dev/null & echo $! >%s/pid"):format(line, dir, dir, dir))
  local server = setmetatable({ pid = tonumber(read(dir .. "/pid")) }, Server)
  servers[#servers + 1] = server
  server.url = program.wait_until("the server to listen", function()
    if is_gone(server) then
      error("the server ended: " .. read(dir .. "/err"), 0)
    end
    return read(dir .. "/out"):match("listening on (%S+)")
  end)
  return server
end

--- Kills the servers that are still there.
function program.stop_all()
  for at, server in ipairs(servers) do
    server:kill()
    servers[at] = nil
  end
end

return program
