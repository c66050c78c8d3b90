-- `loam serve` as a process that a rig kills and starts again on one directory, and its clients.
local paths = require "spec.support.paths"
local process = require "spec.torture.process"

local server = {}
local methods = {}
local metatable = { __index = methods }

local function read(path)
  local file = io.open(path, "r")
  local text = file and file:read "*a" or ""
  if file then
    file:close()
  end
  return text
end

--- A server on base/data; base/port always holds the port of the running one.
function server.new(base, options)
  return setmetatable({ base = base, options = options or {}, starts = 0, clients = {} }, metatable)
end

--- Starts it and waits until it listens.
function methods:start()
  self.starts = self.starts + 1
  local log = ("%s/log%d"):format(self.base, self.starts)
  local words = { self.program or paths.program, "serve", "--data", self.base .. "/data",
    "--listen", "127.0.0.1:0", "--workers", "2", "--memtable-bytes", "65536",
    "--memory-bytes", "8388608" }
  for _, word in ipairs(self.options) do
    words[#words + 1] = word
  end
  self.process = process.start(words, { out = log, err = log })
  self.port = process.await("the server to listen; see " .. log, 20000, function()
    if self.process:ended() then
      error("the server ended at its start: " .. read(log), 0)
    end
    return read(log):match "listening on http://127%.0%.0%.1:(%d+)"
  end)
  local file = assert(io.open(self.base .. "/port.new", "w"))
  file:write(self.port)
  file:close()
  assert(os.rename(self.base .. "/port.new", self.base .. "/port"))
end

--- Starts a server that is not waited for: it may be killed in recovery.
function methods:start_unwatched()
  self.starts = self.starts + 1
  local log = ("%s/log%d"):format(self.base, self.starts)
  self.process = process.start({ paths.program, "serve", "--data", self.base .. "/data", "--listen",
    "127.0.0.1:0", "--workers", "2" }, { out = log, err = log })
end

function methods:kill()
  self.process:kill(9)
  self.process:wait(10000)
end

--- Ends it with SIGTERM; raises unless it ends with status 0.
function methods:stop()
  self.process:kill(15)
  local status = self.process:wait(20000)
  if status ~= 0 then
    error("the server ended with wait status " .. status .. ": "
      .. read(("%s/log%d"):format(self.base, self.starts)):sub(-2000))
  end
end

local function start_client(self, script, id, seed, kind)
  self.clients[id] = process.start({ "luajit", paths.root .. "/spec/torture/" .. script,
    paths.root, self.base, tostring(id), tostring(seed), kind },
    { out = self.base .. "/client.out", err = self.base .. "/client.out" })
end

function methods:start_clients(count, seed, kind)
  for id = 1, count do
    start_client(self, "client.lua", id, seed, kind)
  end
end

--- One client of spec/torture/flooder.lua for each of `kinds`.
function methods:start_flooders(kinds, seed)
  for id, kind in ipairs(kinds) do
    start_client(self, "flooder.lua", id, seed, kind)
  end
end

function methods:stop_clients()
  assert(io.open(self.base .. "/stop", "w")):close()
  for _, client in ipairs(self.clients) do
    local status = client:wait(20000)
    if status ~= 0 then
      local output = read(self.base .. "/client.out")
      error("a client ended with wait status " .. status .. ": " .. output)
    end
  end
end

--- The lines that client `id` wrote.
function methods:lines(id)
  return read(self.base .. "/client." .. id):gmatch "[^\n]+"
end

return server
