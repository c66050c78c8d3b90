-- More than there is room for: clients beyond the caps, clients that stall, answers that nobody
-- reads. Memory stays within its bounds, other clients are served, and the worker ends in order.
local ffi = require "ffi"
local http_server = require "spec.support.http_server"
local lib = require "spec.support.lib"
local paths = require "spec.support.paths"
local shell = require "spec.support.shell"
local socket = require "socket"
local tmpdir = require "spec.support.tmp"

ffi.cdef [[
  int getrlimit(int resource, uint64_t *limits);
  int setrlimit(int resource, const uint64_t *limits);
]]

local GET = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
local PUT = "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n"
local MIB = 1024 * 1024
local RLIMIT_NOFILE = 7

-- A sanitizer keeps freed memory for a while: only a plain run tells.
local is_plain = os.getenv("LD_PRELOAD") == nil

local function resident_bytes()
  local file = assert(io.open("/proc/self/statm"))
  local pages = tonumber(file:read("*a"):match("^%d+ (%d+)"))
  file:close()
  return pages * 4096
end

describe("http, overload", function()
  local server, others

  local function start(limits, options)
    options = options or {}
    options.limits = limits
    server = assert(http_server.new(options))
    server.handle = function(request) request:respond(200, "hello") end
    return server
  end

  before_each(function() others = {} end)

  after_each(function()
    for _, other in ipairs(others) do
      other:close()
    end
    server:close()
  end)

  local function assert_served(client)
    client = client or server:connect()
    client.received = ""
    client:send(GET)
    client:expect("hello")
    return client
  end

  it("counts connections over all workers that share a gate", function()
    start { connections_max = 3 }
    local second = assert(http_server.new { gate_of = server.worker })
    others[1] = second
    second.handle = server.handle
    assert_served()
    local last = assert_served()
    local there = second:connect()
    there:send(GET)
    there:expect("hello")

    assert.matches("503 .*connections_max", second:connect():expect_closed())
    assert.matches("503 .*connections_max", server:connect():expect_closed())

    last:close()
    server:until_true(function() return server:counters().active == 1 end)
    local fourth = second:connect()
    fourth:send(GET)
    fourth:expect("hello")
  end)

  it("lets an administrator in over a Unix socket when the server is full", function()
    start { connections_max = 1 }
    local path = tmpdir() .. "/admin"
    assert.equal(1, lib.http_worker_listen(server.worker, "unix:" .. path, nil))
    assert_served()
    assert.matches("503", server:connect():expect_closed())

    local admin = http_server.client_of(server, path)

    assert_served(admin)
  end)

  it("takes only as many pipelined requests as their answers leave room for", function()
    start { pipeline_max = 32 }
    server.handle = nil
    local client = server:connect()
    client:send(GET:rep(32))
    server:until_requests(1)
    for _ = 1, 5 do
      server:poll()
    end

    assert.is_true(#server.requests <= 8)

    for _, request in ipairs(server.requests) do
      request:respond(200, ("x"):rep(MIB))
    end
    server.handle = function(request) request:respond(200, "small") end
    server.requests = {}
    server:poll()
    assert.equal(0, #server.requests)
    server:until_true(function()
      client:receive()
      client.received = ""
      return #server.requests >= 24
    end)
  end)

  it("ends the connections that hold most when answers pile up", function()
    start { buffers_bytes_max = 8 * MIB, write_stall_ms = 60000 }
    server.handle = function(request)
      request:respond(200, request.path == "/" and "hello" or ("x"):rep(4 * MIB))
    end
    local before = resident_bytes()
    local deaf = {}
    for index = 1, 20 do
      deaf[index] = server:connect()
      deaf[index]:send("GET /large HTTP/1.1\r\nHost: a\r\n\r\n")
      server:poll()
    end
    server:until_requests(20)

    assert_served()

    assert.is_true(server:counters().refused_memory > 10)
    assert.is_true(resident_bytes() - before < 40 * MIB or not is_plain)
  end)

  it("refuses uploads that stall when they hold too much", function()
    start { buffers_bytes_max = 4 * MIB, body_ms = 60000 }
    local stalled = {}
    for index = 1, 16 do
      stalled[index] = server:connect()
      stalled[index]:send(PUT:format(MIB) .. ("x"):rep(MIB - 1))
    end
    server:until_true(function() return server:counters().refused_memory > 8 end)

    assert_served()

    local refused = 0
    for _, client in ipairs(stalled) do
      if client:receive():find("503 .*Retry%-After.*buffers_bytes_max") then
        refused = refused + 1
      end
    end
    assert.equal(server:counters().refused_memory, refused)
  end)

  it("counts bodies that handlers have taken over until they are answered", function()
    start { buffers_bytes_max = 4 * MIB, body_ms = 60000 }
    server.handle = function(request)
      -- As a batch that waits for the disk.
      lib.http_request_drop_body(request.c, request.generation)
    end
    for index = 1, 3 do
      server:connect():send(PUT:format(MIB) .. ("x"):rep(MIB))
      server:until_requests(index)
    end

    local refused = server:connect()
    refused:send(PUT:format(2 * MIB) .. ("x"):rep(2 * MIB - 1))
    assert.matches("503 .*Retry%-After.*buffers_bytes_max", refused:expect_closed())
    for index = 1, 3 do
      assert.equal(0, server.requests[index]:respond(204))
    end
    server:connect():send(PUT:format(2 * MIB) .. ("x"):rep(2 * MIB))
    server:until_requests(4)

    assert.equal(1, server:counters().refused_memory)
    assert.equal(0, server.requests[4]:respond(204))
  end)

  it("H10 ends an upload that stalls after a quick start", function()
    start { body_ms = 80 }
    local client = server:connect()
    client:send(PUT:format(4 * MIB) .. ("x"):rep(2 * MIB))

    assert.matches("^HTTP/1.1 408 .*body_ms", client:expect_closed())
  end)

  it("H10 ends a reader that stalls after a quick start", function()
    start { write_stall_ms = 400, output_high_bytes = MIB }
    server.handle = function(request) request:respond(200, ("x"):rep(24 * MIB)) end
    -- A quick reader's window may grow until the kernel holds the whole rest of the answer.
    local client = server:prepare()
    assert(client.socket:setoption("recv-buffer-size", 65536))
    client:open():send(GET)
    server:until_true(function() return #client:receive() > 8 * MIB end)

    server:until_true(function() return server:counters().timeouts_write == 1 end)
  end)

  it("H10 serves others while many clients send their heads byte by byte", function()
    start { header_ms = 400, connections_max = 2000, connections_per_ip_max = 2000 }
    local slow = {}
    for index = 1, 300 do
      slow[index] = server:connect()
      server:poll()
    end
    local at = 0
    local normal = server:connect()
    server:until_true(function()
      at = at + 1
      for _, client in ipairs(slow) do
        client.socket:send(GET:sub(1 + at % 10, 1 + at % 10))
      end
      assert_served(normal)
      return server:counters().timeouts_header + server:counters().refused_malformed == 300
    end)

    assert_served(normal)
  end)

  it("H13 forgets a client that ended its half and then vanished", function()
    start()
    server.handle = nil
    local client = server:connect()
    client:send(GET)
    server:until_requests(1)
    client.socket:shutdown("send")
    server:poll(1)

    client:reset()

    server:until_true(function() return server.events.closed == 1 end)
    assert.equal(0, server:counters().active)
  end)

  it("reads once from each connection in a turn, however much there is", function()
    start()
    local client = server:connect()
    local all, _, part = client.socket:send(PUT:format(MIB) .. ("x"):rep(400000))
    local sent = all or part
    if sent < 100000 then
      pending("the kernel takes only " .. sent .. " bytes for a client")
      return
    end
    local most, before = 0, 0

    local deadline = socket.gettime() + 30
    while before < sent and socket.gettime() < deadline do
      server:poll(0)
      local now = server:counters().bytes_in
      most, before = math.max(most, now - before), now
    end

    assert.equal(sent, before)

    -- A read takes up to as much as is there of the body already: about half at the end.
    assert.is_true(most < 0.75 * sent, ("%d of %d bytes in one turn"):format(most, sent))
  end)

  it("answers every request it took while it drains under load", function()
    start { pipeline_max = 8, linger_ms = 300 }
    local clients = {}
    for index = 1, 30 do
      clients[index] = server:connect()
    end
    local is_drained
    server:until_true(function()
      for _, client in ipairs(clients) do
        client.socket:send(GET:rep(4))
        client:receive()
      end
      if #server.requests > 2000 and not is_drained then
        is_drained = true
        lib.http_worker_drain(server.worker, 60000)
      end
      return server.events.drained == 1
    end)

    assert.equal(#server.requests, server:counters().responses)
    assert.equal(0, server:counters().in_flight)
    assert.equal(0, server:counters().drained)
    local answers = 0
    for _, client in ipairs(clients) do
      client:receive()
      answers = answers + select(2, client.received:gsub("hello", ""))
    end
    assert.equal(#server.requests, answers)
  end)

  describe("of thousands #slow", function()
    -- Opens connections from another process, until `condition` holds. Returns its input.
    local function flood(count, text, condition)
      local done = tmpdir() .. "/done"
      local crowd = io.popen(("cd %s && luajit spec/support/http_flood.lua %d %d %s %s"):format(
        shell.quote(paths.root), server.port, count, shell.quote(text), shell.quote(done)), "w")
      local deadline = socket.gettime() + 60
      while not (condition() and io.open(done)) do
        assert(socket.gettime() < deadline, "the crowd does not come")
        server:poll(1)
      end
      return crowd
    end

    -- Until the end of the test: what later specs start is to find the limit as it was.
    local function raise_limit()
      local limits, old = ffi.new("uint64_t[2]"), ffi.new("uint64_t[2]")
      ffi.C.getrlimit(RLIMIT_NOFILE, old)
      limits[0], limits[1] = old[1], old[1]
      ffi.C.setrlimit(RLIMIT_NOFILE, limits)
      finally(function() ffi.C.setrlimit(RLIMIT_NOFILE, old) end)
      return tonumber(limits[0])
    end

    -- Processor time that 500 requests of one client take here, client and server, in
    -- milliseconds: the best of five, as a busy machine only adds to it.
    local function cost(client)
      local best = math.huge
      for _ = 1, 5 do
        local before = os.clock()
        for _ = 1, 500 do
          assert_served(client)
        end
        best = math.min(best, (os.clock() - before) * 1000)
      end
      return best
    end

    it("H12 keeps 10,000 idle clients for less than 2 KiB each and serves one as before", function()
      local count = math.min(10000, raise_limit() - 500)
      start { connections_max = count + 10, connections_per_ip_max = count, idle_ms = 600000 }
      local normal = server:connect()
      local alone = cost(normal)
      local before = resident_bytes()

      local crowd = flood(count, "", function() return server:counters().active == count + 1 end)

      local each = (resident_bytes() - before) / count
      local among = cost(normal)
      print(("%d idle clients: RSS grew by %.0f bytes each; 500 requests take %.1f ms alone, "
        .. "%.1f ms among them"):format(count, each, alone, among))
      assert.is_true(each < 2048 or not is_plain)
      assert.is_true(among < 3 * alone)
      crowd:close()
      server:until_true(function() return server:counters().active == 1 end)
    end)

    it("H10 ends 1,000 clients that do not read and bounds what they hold", function()
      raise_limit()
      start { connections_max = 2000, connections_per_ip_max = 2000, write_stall_ms = 60000,
        buffers_bytes_max = 64 * MIB }
      server.handle = function(request)
        request:respond(200, request.path == "/" and "hello" or ("x"):rep(8 * MIB))
      end
      local before = resident_bytes()

      local crowd = flood(1000, "GET /large HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n",
        function() return #server.requests == 1000 end)

      local grown = resident_bytes() - before
      local normal = server:connect()
      print(("1,000 deaf clients: %.0f MiB; %d ended; 500 requests of another take %.1f ms"):format(
        grown / MIB, server:counters().refused_memory, cost(normal)))
      assert.is_true(grown < 160 * MIB or not is_plain)
      crowd:close()
    end)
  end)
end)
