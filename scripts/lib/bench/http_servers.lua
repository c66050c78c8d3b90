-- The servers of scripts/bench --http: Loam, nginx with a constant reply, Redis that syncs each
-- write. Each runs on a free port of loopback with a configuration of its own below the directory
-- of the run, and is ended by its process id.
local driver = require "scripts.lib.bench.driver"
local ffi = require "ffi"
local socket = require "socket"

local SIGTERM, SIGKILL = 15, 9
local START_SECONDS, STOP_SECONDS = 10, 15
local TICKS_PER_SECOND = 100 -- USER_HZ, which Linux fixes for every program.
local CONNECTIONS_MAX = 2048

local servers = {}
local methods = {}
local metatable = { __name = "bench.http_server", __index = methods }

local function read_file(path)
  local file = io.open(path, "rb")
  local text = file and file:read("*a")
  if file then
    file:close()
  end
  return text
end

local function write_file(path, text)
  local file = assert(io.open(path, "wb"))
  file:write(text)
  file:close()
end

local function first_line(command)
  local pipe = io.popen(command .. " 2>&1")
  local line = pipe:read("*l")
  pipe:close()
  return line
end

local function free_port()
  local listener = assert(socket.bind("127.0.0.1", 0))
  local _, port = listener:getsockname()
  listener:close()
  return tonumber(port)
end

local function accepts(port)
  local client = socket.connect("127.0.0.1", port)
  if client then
    client:close()
  end
  return client ~= nil
end

-- Fields of /proc/PID/stat behind the name, which may hold blanks: the state is the first.
local function stat_of(pid)
  local text = read_file(("/proc/%d/stat"):format(pid))
  local rest = text and text:match("^.*%) (.*)$")
  if not rest then
    return nil
  end
  local fields = {}
  for field in rest:gmatch("%S+") do
    fields[#fields + 1] = field
  end
  return fields
end

local function is_running(pid)
  local fields = stat_of(pid)
  return fields ~= nil and fields[1] ~= "Z"
end

local function wait_for(seconds, is_true)
  local limit = socket.gettime() + seconds
  while socket.gettime() < limit do
    if is_true() then
      return true
    end
    socket.sleep(0.02)
  end
  return is_true()
end

-- The shell replaces itself, so its process id is the server's.
local function launch(name, words, dir, cpu)
  local quoted = {}
  for index, word in ipairs(words) do
    quoted[index] = driver.quote(word)
  end
  local log = ("%s/%s.log"):format(dir, name)
  local line = ("exec %s%s >%s 2>&1 </dev/null & echo $!"):format(cpu and "taskset -c 0 " or "",
    table.concat(quoted, " "), driver.quote(log))
  return tonumber(first_line(line)), log
end

local function start(name, words, dir, options)
  local pid, log = launch(name, words, dir, options.pins)
  local self = setmetatable({ name = name, pid = pid, port = options.port, _log = log }, metatable)
  local is_up = wait_for(START_SECONDS, function()
    local text = not self.port and options.port_pattern and read_file(log)
    self.port = self.port or text and tonumber(text:match(options.port_pattern))
    return not is_running(pid) or self.port and accepts(self.port)
  end)
  if not is_up or not is_running(pid) then
    local said = read_file(log) or ""
    self:stop()
    error(("%s did not start: %s"):format(name, said:match("[^\n]*") or ""), 0)
  end
  return self
end

--- Seconds of processor time that the server has used, all its threads together. nginx works in
--- the process that was started: it has no master.
function methods:cpu_seconds()
  local fields = assert(stat_of(self.pid), self.name .. " has ended")
  return (tonumber(fields[12]) + tonumber(fields[13])) / TICKS_PER_SECOND
end

function methods:url()
  return ("http://127.0.0.1:%d"):format(self.port)
end

--- Ends the server, by force when it does not go.
function methods:stop()
  if self.pid and is_running(self.pid) then
    ffi.C.kill(self.pid, SIGTERM)
    if not wait_for(STOP_SECONDS, function() return not is_running(self.pid) end) then
      ffi.C.kill(self.pid, SIGKILL)
    end
  end
  self.pid = nil
end

-- One worker is on the first processor; two are where the system puts them.
local function start_loam(name, workers, program, dir, pins)
  local words = { program, "serve", "--data", dir .. "/" .. name, "--listen", "127.0.0.1:0",
    "--workers", tostring(workers), "--connections-max", tostring(CONNECTIONS_MAX),
    "--connections-per-ip-max", tostring(CONNECTIONS_MAX), "--durability", "os",
    "--requests-per-connection-max", "1000000000" }
  return start(name, words, dir, { port_pattern = "listening on http://[^\n]-:(%d+)",
    pins = pins and workers == 1 })
end

local NGINX = [[
worker_processes 1;
daemon off;
master_process off;
pid DIR/nginx.pid;
error_log DIR/nginx.error crit;
events { worker_connections 4096; }
http {
  access_log off;
  keepalive_requests 1000000000;
  client_body_temp_path DIR/body;
  proxy_temp_path DIR/proxy;
  fastcgi_temp_path DIR/fastcgi;
  uwsgi_temp_path DIR/uwsgi;
  scgi_temp_path DIR/scgi;
  server {
    listen 127.0.0.1:PORT backlog=1024;
    location / { default_type application/octet-stream; return 200 "VALUE"; }
  }
}
]]

local function start_nginx(program, dir, pins)
  local port = free_port()
  local values = { DIR = dir, PORT = tostring(port), VALUE = ("v"):rep(100) }
  write_file(dir .. "/nginx.conf", (NGINX:gsub("%u%u%u%u?%u?", values)))
  return start("nginx", { program, "-e", dir .. "/nginx.error", "-p", dir, "-c",
    dir .. "/nginx.conf" }, dir, { port = port, pins = pins })
end

local function start_redis(program, dir, pins)
  local port = free_port()
  local data = dir .. "/redis"
  assert(driver.shell("mkdir -p " .. driver.quote(data)))
  return start("redis", { program, "--port", tostring(port), "--bind", "127.0.0.1", "--dir", data,
    "--save", "", "--appendonly", "yes", "--appendfsync", "always", "--daemonize", "no" }, dir,
    { port = port, pins = pins })
end

servers.LIST = {
  { name = "loam", is_own = true, start = function(...) return start_loam("loam", 1, ...) end },
  { name = "loam2", is_own = true, start = function(...) return start_loam("loam2", 2, ...) end },
  { name = "nginx", start = start_nginx, package = "nginx-light", version = "-v",
    programs = { "nginx" } },
  { name = "redis", start = start_redis, package = "redis-server", version = "--version",
    programs = { "redis-server", "redis-benchmark" } },
}

--- Returns the path of an installed program, or nil.
function servers.find(name)
  return first_line("PATH=\"$PATH:/usr/sbin:/sbin\" command -v " .. name)
end

--- Returns what a program says about its version.
function servers.version(program, flag)
  local line = first_line(driver.quote(program) .. " " .. flag) or "unknown"
  return line:match("nginx/%S+") or line:match("v=(%S+)") or line
end

return servers
