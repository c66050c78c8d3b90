-- An HTTP worker inside the spec's process, driven by hand: no threads, no sleeps.
--
--     local server = http_server.new { limits = { idle_ms = 50 } }
--     server.handle = function(request) request:respond(200, "hello") end
--     local client = server:connect()
--     client:send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
--     client:expect("hello")            -- polls the server until the client has received it
--
-- Without a handler, requests wait in server.requests. server.events counts events by type.
local cdef = require "spec.support.cdef"
local ffi = require "ffi"
local lib = require "spec.support.lib"
local socket = require "socket"
local socket_unix = require "socket.unix"

cdef.load("http/http.h")

local http_server = {}

local EVENTS = { "request", "head", "body", "writable", "closed", "timer", "fd", "wake", "drained" }
local DEADLINE_S = 30
local CAPACITY = 64

local Request = {}
Request.__index = Request

--- Answers with a whole body. Returns the code of http_respond().
function Request:respond(status, body, headers)
  headers, body = headers or "", body or ""
  return lib.http_respond(self.c, self.generation, status, headers, #headers, body, #body)
end

function Request:begin(status, length, headers)
  headers = headers or ""
  return lib.http_respond_begin(self.c, self.generation, status, headers, #headers, length or -1)
end

function Request:write(data)
  return lib.http_respond_write(self.c, self.generation, data, #data)
end

function Request:finish()
  return lib.http_respond_end(self.c, self.generation)
end

function Request:abort()
  return lib.http_respond_abort(self.c, self.generation)
end

function Request:release()
  return lib.http_request_release(self.c, self.generation)
end

function Request:header(name)
  local value, size = ffi.new("const char *[1]"), ffi.new("size_t[1]")
  if lib.http_request_header(self.c, self.generation, name, #name, value, size) == 1 then
    return ffi.string(value[0], size[0])
  end
end

local function new_request(event)
  local c = event.request
  return setmetatable({
    c = c,
    generation = event.generation,
    path = ffi.string(c.path, c.path_size),
    query = ffi.string(c.query, c.query_size),
    body = ffi.string(c.body, c.body_size),
  }, Request)
end

local Client = {}
Client.__index = Client

function Client:open()
  local path, port = self.server.path, self.server.port
  assert(self.socket:connect(path or "127.0.0.1", not path and port or nil))
  self.socket:settimeout(0)
  return self
end

--- Sends all of `data`, polling the server while the socket is full.
function Client:send(data)
  local at = 1
  self.server:until_true(function()
    local last, _, partial = self.socket:send(data, at)
    at = (last or partial) + 1
    return at > #data
  end)
end

--- Takes what has arrived.
function Client:receive()
  local parts = { self.received }
  local data, message, partial
  repeat
    data, message, partial = self.socket:receive(1048576)
    parts[#parts + 1] = data or partial
  until not data
  self.received = table.concat(parts)
  if message == "closed" then
    self.is_closed = true
  elseif message and message ~= "timeout" then
    self.is_closed = true
    self.failure = message
  end
  return self.received
end

--- Polls until the received bytes contain `text`.
function Client:expect(text)
  self.server:until_true(function()
    return self:receive():find(text, 1, true)
  end, function()
    return ("%q did not arrive; received: %q"):format(text, self.received:sub(1, 2000))
  end)
  return self.received
end

function Client:expect_closed()
  self.server:until_true(function()
    self:receive()
    return self.is_closed
  end, function() return "the connection is still open" end)
  return self.received
end

function Client:close()
  self.socket:close()
end

--- Closes so that the server sees a reset.
function Client:reset()
  self.socket:setoption("linger", { on = true, timeout = 0 })
  self.socket:close()
end

local Server = {}
Server.__index = Server

local function dispatch(self, event)
  local kind = EVENTS[event.type]
  self.events[kind] = (self.events[kind] or 0) + 1
  local handler = self["on_" .. kind]
  if kind == "request" then
    local request = new_request(event)
    table.insert(self.requests, request)
    if self.handle then
      self.handle(request)
    end
  elseif handler then
    handler(event.request ~= nil and new_request(event) or nil, event)
  elseif kind == "closed" then
    lib.http_request_release(event.request, event.generation)
  end
end

--- One turn of the loop.
function Server:poll(timeout_ms)
  local count = lib.http_poll(self.worker, timeout_ms or 0, self.buffer, CAPACITY)
  assert(count >= 0, "http_poll fails")
  for i = 0, count - 1 do
    dispatch(self, self.buffer[i])
  end
  return count
end

--- Polls until condition() is true.
function Server:until_true(condition, describe)
  local deadline = socket.gettime() + DEADLINE_S
  while not condition() do
    if socket.gettime() > deadline then
      error(describe and describe() or "condition does not come true", 2)
    end
    self:poll(1)
  end
end

function Server:until_requests(count)
  self:until_true(function() return #self.requests >= count end, function()
    return ("%d requests of %d"):format(#self.requests, count)
  end)
end

--- Makes a client with its descriptor, to be opened later.
function Server:prepare()
  local made = self.path and socket_unix() or socket.tcp4()
  return setmetatable({ socket = assert(made), server = self, received = "" }, Client)
end

function Server:connect()
  return self:prepare():open()
end

--- Connects to another listener of the server, a Unix socket.
function http_server.client_of(server, path)
  local client = setmetatable({ socket = assert(socket_unix()), server = server, received = "" },
    Client)
  assert(client.socket:connect(path))
  client.socket:settimeout(0)
  return client
end

function Server:counters()
  return lib.http_worker_counters(self.worker)
end

function Server:close()
  lib.http_worker_close(self.worker)
  self.worker = nil
end

--- Opens a worker on a free loopback port; options: address, reuse_port, tls, gate_of,
--- limits. Returns nil, text and the code when it cannot open.
function http_server.new(options)
  options = options or {}
  local c = ffi.new("struct http_worker_options")
  lib.http_worker_options_init(c)
  local address = options.address or "127.0.0.1:0"
  c.address = address
  c.reuse_port = options.reuse_port or c.reuse_port
  c.tls = options.tls
  c.gate_of = options.gate_of
  for name, value in pairs(options.limits or {}) do
    c.limits[name] = value
  end
  local out, err = ffi.new("struct http_worker *[1]"), ffi.new("loam_error")
  local rc = lib.http_worker_open(c, out, err)
  if rc ~= 0 then
    return nil, ffi.string(err.text), rc
  end
  return setmetatable({
    worker = out[0],
    port = lib.http_worker_port(out[0]),
    path = address:match("^unix:(.*)"),
    buffer = ffi.new("struct http_event[?]", CAPACITY),
    requests = {},
    events = {},
  }, Server)
end

return http_server
