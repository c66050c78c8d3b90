-- The TLS transport: handshakes that stall or are none, bytes both ways, what an end of the stream
-- means.
local cdef = require "spec.support.cdef"
local ffi = require "ffi"
local lib = require "spec.support.lib"
local tls_server = require "spec.support.tls_server"

cdef.load("http/checked.h")

local GET = "GET /a HTTP/1.1\r\nHost: a\r\n\r\n"

describe("http.transport_tls", function()
  local files, server

  local function start(limits, options)
    server = tls_server.start(files, limits, options)
    return server
  end

  before_each(function()
    files = tls_server.files()
  end)

  after_each(function()
    if server and server.worker then
      server:close_all()
    end
    server = nil
  end)

  describe("handshakes", function()
    it("H17 that stall end at their deadline, a byte at a time too", function()
      start { handshake_ms = 80, idle_ms = 60000 }
      local mute, slow = server:connect(), server:connect()
      local hello = "\22\3\1\2\0\1" .. ("\0"):rep(510) -- A byte short of its 512.
      local at = 1

      server:until_true(function()
        slow.socket:send(hello:sub(at, at))
        at = at + 1
        mute:receive()
        slow:receive()
        return mute.is_closed and slow.is_closed
      end)

      assert.equal(2, server:counters().timeouts_handshake)
      assert.equal(0, server:counters().active)
    end)

    it("H17 that begin with plain HTTP are answered with 400 and end", function()
      start()
      local client = server:connect()

      client:send(GET)

      assert.matches("^HTTP/1.1 400 .*this port speaks TLS, plain HTTP came",
        client:expect_closed())
      assert.equal(1, server:counters().refused_handshakes)
    end)

    it("that begin with other bytes end", function()
      start()
      local client = server:connect()

      client:send(("\0\255"):rep(100))

      client:expect_closed()
      assert.equal(0, server:counters().active)
    end)

    it("are not done when the client is over a cap", function()
      start { connections_max = 1 }
      server:connect_tls():handshake()

      local client = server:connect()

      assert.equal("", client:expect_closed())
    end)
  end)

  describe("streams", function()
    it("carry large bodies and answers both ways, with new keys in between", function()
      start { body_bytes_max = 4 * 1024 * 1024 }
      local size = 3 * 1024 * 1024
      server.handle = function(request) request:respond(200, request.body) end
      local client = server:connect_tls()
      client:handshake()
      client:send(("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n"):format(size))
      client:send(("x"):rep(size / 2))
      client:update_keys()
      client:send(("y"):rep(size / 2))

      server:until_true(function()
        local _, head = client:receive():find("\r\n\r\n", 1, true)
        return head and #client.received - head == size
      end)

      assert.matches(("y"):rep(100) .. "$", client.received)
    end)

    it("carry bodies that are lent, and what follows them", function()
      start()
      local size = 5 * 1024 * 1024
      local bytes = ffi.new("char[?]", size)
      ffi.fill(bytes, size, ("x"):byte())
      server.handle = function(request)
        if request.path == "/last" then
          return request:respond(200, "last")
        end
        local loan = ffi.new("struct http_loan", { data = bytes, size = size, memory = bytes,
          memory_size = size, context = server.worker })
        loan.release = ffi.cast("void (*)(void *)", lib.http_worker_wake)
        lib.http_respond_lent(request.c, request.generation, 200, "", 0, loan)
      end
      local client = server:connect_tls()
      client:handshake()
      client:send(GET .. GET .. "GET /last HTTP/1.1\r\nHost: a\r\n\r\n")

      server:until_true(function() return client:receive():find("last", -8, true) end)

      local _, count = client.received:gsub("x", "")
      assert.equal(2 * size, count)
      server:until_true(function() return server.events.wake end)
    end)

    it("carry pipelined requests that come in one record", function()
      start()
      local client = server:connect_tls()
      client:handshake()
      client:send(GET:rep(20) .. "GET /last HTTP/1.1\r\nHost: a\r\n\r\n")

      client:expect("/last:0")

      assert.equal(21, #server.requests)
    end)

    it("carry requests a byte at a time", function()
      start()
      local client = server:connect_tls()
      client:handshake()
      for byte in GET:gmatch(".") do
        client:send(byte)
      end

      client:expect("/a:0")
    end)

    it("of clients that do not read wait, then end", function()
      start { write_stall_ms = 100 }
      server.handle = function(request) request:respond(200, ("x"):rep(16 * 1024 * 1024)) end
      local client = server:connect_tls()
      client:handshake()
      client:send(GET)

      server:until_true(function() return server:counters().timeouts_write == 1 end)

      assert.equal(0, server:counters().active)
    end)
  end)

  describe("the end", function()
    it("comes with close_notify from the server", function()
      start()
      local client = server:connect_tls()
      client:handshake()
      client:send("GET /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")

      client:expect_closed()

      assert.matches("/a:0$", client.received)
      assert.is_true(client.is_clean)
    end)

    it("of the client's half, with close_notify or between requests, leaves its answer", function()
      for _, is_clean in ipairs { true, false } do
        start()
        server.handle = nil
        local client = server:connect_tls()
        client:handshake()
        client:send(GET)
        server:until_requests(1)
        client:finish(is_clean)
        server:poll(1)

        server.requests[1]:respond(200, "still here")

        assert.matches("still here$", client:expect_closed())
        assert.equal(0, server:counters().truncated)
        server:close_all()
      end
      server = nil
    end)

    it("H17 within a request and without close_notify is no end: nothing is done", function()
      for _, part in ipairs { "GET /a HTTP/1.1\r\nHost", "PUT / HTTP/1.1\r\nHost: a\r\n"
        .. "Content-Length: 10\r\n\r\nabc" } do
        start()
        local client = server:connect_tls()
        client:handshake()
        client:send(part)
        server:until_true(function() return server:counters().bytes_in == #part end)
        client:finish(false)

        server:until_true(function() return server:counters().active == 0 end)

        assert.equal(1, server:counters().truncated)
        assert.equal(0, #server.requests)
        server:close_all()
      end
      server = nil
    end)

    it("comes at once for idle sessions when the worker drains", function()
      start()
      local idle, shaking = server:connect_tls(), server:connect()
      idle:handshake()
      server:until_true(function()
        return server:counters().active == 2 and server:counters().handshakes == 1
      end)

      lib.http_worker_drain(server.worker, 60000)

      idle:expect_closed()
      shaking:expect_closed()
      assert.is_true(idle.is_clean)
      server:until_true(function() return server.events.drained == 1 end)
    end)
  end)

  it("lets go of a session's memory when its listener is closed first", function()
    start()
    local client = server:connect_tls()
    client:handshake()
    lib.http_tls_close(server.tls)
    server.tls = nil
    lib.http_worker_drain(server.worker, -1)

    client:expect_closed()
  end)
end)
