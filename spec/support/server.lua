-- A real server process for one test: `loam serve` on a free port, with a directory of its own.
--
--     local server = require("spec.support.server").start { app = "app.lua text", flags = "--dev" }
--     local answer = server:request("GET", "/v1/kv/default/a")     -- luasocket
--     local answer = server:curl("-X PUT -d 1", "/v1/kv/default/a") -- curl
--     local exit_code = server:stop()
--
-- Waits are conditions with deadlines. Only the process started here is ever signalled, by its
-- number. after_each(server.stop_all): the directories live until then, not until the test's end,
-- which busted announces before after_each.
local ffi = require "ffi"
local paths = require "spec.support.paths"
local socket = require "socket"
local tmpdir = require "spec.support.tmp"

local server = {}
local methods = {}
local metatable = { __name = "spec.server", __index = methods }
local DEADLINE_SECONDS = 30
local running, directories = {}, {}

local function make_directory()
  local template = (os.getenv("TMPDIR") or "/tmp") .. "/loam-spec-XXXXXX"
  local buffer = ffi.new("char[?]", #template + 1, template)
  assert(ffi.C.mkdtemp(buffer) ~= nil, "cannot make a directory")
  directories[#directories + 1] = ffi.string(buffer)
  return directories[#directories]
end

--- Makes a directory for start { directory = ... }: one that lives until stop_all().
server.make_directory = make_directory

local function read_file(path)
  local file = io.open(path, "rb")
  if not file then
    return nil
  end
  local text = file:read("*a")
  file:close()
  return text
end

local function write_file(path, text)
  local file = assert(io.open(path, "wb"))
  file:write(text)
  file:close()
end

--- Calls condition() until it gives something true, and returns that. Raises after the deadline.
function server.wait_for(what, condition)
  local deadline = socket.gettime() + DEADLINE_SECONDS
  while socket.gettime() < deadline do
    local found = condition()
    if found then
      return found
    end
    socket.sleep(0.005)
  end
  error("deadline: " .. what, 2)
end

--- Runs `loam <words>` to its end. Returns exit code, standard output, standard error.
function server.run(words, environment)
  local directory = tmpdir()
  local status = os.execute(("%s '%s' %s >%s/out 2>%s/err </dev/null"):format(environment or "",
    paths.program, words, directory, directory))
  return math.floor(status / 256), read_file(directory .. "/out"), read_file(directory .. "/err")
end

--- Starts a server. given: app (text of app.lua), flags, environment, workers (1), directory (of
--- make_directory(); the store is `data` below it).
function server.start(given)
  given = given or {}
  local directory = given.directory or make_directory()
  local self = setmetatable({ directory = directory, app_path = directory .. "/app.lua" },
    metatable)
  if given.app then
    write_file(self.app_path, given.app)
  end
  for _, name in ipairs { "exit", "out", "err", "pid" } do
    os.remove(directory .. "/" .. name)
  end
  local command = ("(%s '%s' serve %s --data %s/data --listen 127.0.0.1:0 --workers %d %s "
    .. ">%s/out 2>%s/err </dev/null & echo $! >%s/pid; wait $!; echo $? >%s/exit.new; "
    .. "mv %s/exit.new %s/exit) >/dev/null 2>&1 &"):format(given.environment or "", paths.program,
    given.app and self.app_path or "", directory, given.workers or 1, given.flags or "", directory,
    directory, directory, directory, directory, directory)
  os.execute(command)
  self.port = server.wait_for("the line 'listening' of loam serve", function()
    local text = read_file(directory .. "/out")
    local port = text and text:match("^listening on https?://127%.0%.0%.1:(%d+)\n$")
    if not port and read_file(directory .. "/exit") then
      error("loam serve ended: " .. (read_file(directory .. "/err") or ""), 0)
    end
    return port
  end)
  self.url = "http://127.0.0.1:" .. self.port
  self.pid = server.wait_for("the number of loam serve", function()
    return tonumber((read_file(directory .. "/pid") or ""):match("^(%d+)\n$"))
  end)
  running[#running + 1] = self
  return self
end

--- Sends a signal to the server.
function methods:signal(name)
  os.execute(("kill -%s %d 2>/dev/null"):format(name, self.pid))
end

--- Stops the server and returns its exit code.
function methods:stop(signal)
  if not self.exit_code then
    self:signal(signal or "TERM")
    local text = server.wait_for("the end of loam serve", function()
      return read_file(self.directory .. "/exit")
    end)
    self.exit_code = tonumber(text)
  end
  return self.exit_code
end

--- Stops every server that is left and removes their directories. For after_each.
function server.stop_all()
  for at = #running, 1, -1 do
    local one = running[at]
    running[at] = nil
    one:stop()
  end
  for at = #directories, 1, -1 do
    if os.getenv("LOAM_KEEP") ~= "1" then
      os.execute("rm -rf '" .. directories[at] .. "'")
    end
    directories[at] = nil
  end
end

--- What the server wrote to standard error so far.
function methods:log()
  return read_file(self.directory .. "/err") or ""
end

--- Writes another app.lua.
function methods:write_app(text)
  write_file(self.app_path, text)
end

--- An open luasocket connection.
function methods:connect()
  local connection = assert(socket.connect("127.0.0.1", tonumber(self.port)))
  connection:settimeout(DEADLINE_SECONDS)
  return connection
end

local function read_chunked(connection)
  local parts = {}
  while true do
    local size = tonumber(assert(connection:receive("*l")), 16)
    if size == 0 then
      assert(connection:receive("*l"))
      return table.concat(parts)
    end
    parts[#parts + 1] = assert(connection:receive(size))
    assert(connection:receive("*l"))
  end
end

--- Reads one answer: {status, headers (lower case), body}.
function server.read_answer(connection, method)
  local line = assert(connection:receive("*l"))
  local answer = { status = tonumber(line:match("^HTTP/1%.1 (%d%d%d) ")), headers = {} }
  line = assert(connection:receive("*l"))
  while line ~= "" do
    local name, value = line:match("^([^:]+): (.*)$")
    answer.headers[name:lower()] = value
    line = assert(connection:receive("*l"))
  end
  local size = tonumber(answer.headers["content-length"])
  if method == "HEAD" or answer.status == 204 or answer.status == 304 then
    answer.body = ""
  elseif answer.headers["transfer-encoding"] == "chunked" then
    answer.body = read_chunked(connection)
  else
    answer.body = size and size > 0 and assert(connection:receive(size)) or ""
  end
  return answer
end

--- The bytes of a request.
function server.request_text(method, target, body, headers)
  local lines = { method .. " " .. target .. " HTTP/1.1" }
  local has_host = false
  for name, value in pairs(headers or {}) do
    lines[#lines + 1] = name .. ": " .. value
    has_host = has_host or name:lower() == "host"
  end
  if not has_host then
    lines[#lines + 1] = "Host: localhost"
  end
  if body then
    lines[#lines + 1] = "Content-Length: " .. #body
  end
  return table.concat(lines, "\r\n") .. "\r\n\r\n" .. (body or "")
end

--- One request on a connection of its own.
function methods:request(method, target, body, headers)
  local connection = self:connect()
  assert(connection:send(server.request_text(method, target, body, headers)))
  local answer = server.read_answer(connection, method)
  connection:close()
  return answer
end

--- One request by curl: its options, then the target. Returns {status, body}.
function methods:curl(options, target)
  -- A sanitizer that is loaded into curl too can hang it.
  local line = "env -u LD_PRELOAD curl -sS -m %d -w '\\n%%{http_code}' %s '%s%s' 2>&1"
  local pipe = assert(io.popen(line:format(DEADLINE_SECONDS, options, self.url, target)))
  local text = pipe:read("*a")
  pipe:close()
  local body, status = text:match("^(.*)\n(%d%d%d)$")
  return { status = tonumber(status), body = body or text }
end

return server
