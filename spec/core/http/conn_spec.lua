-- The life of connections: total deadlines, caps on who gets in, drain.
local http_server = require "spec.support.http_server"
local lib = require "spec.support.lib"

local GET = "GET %s HTTP/1.1\r\nHost: a\r\n\r\n"

describe("http.conn", function()
  local server

  local function start(limits)
    server = http_server.new { limits = limits }
    return server
  end

  after_each(function()
    if server and server.worker then
      server:close()
    end
    server = nil
  end)

  local function echo(request)
    request:respond(200, request.path .. ":" .. request.body)
  end

  describe("deadlines", function()
    it("H10 answer 408 to a head that trickles", function()
      start { header_ms = 60 }
      local client = server:connect()
      local text = "GET / HTTP/1.1\r\n" .. "A: " .. ("a"):rep(4000) -- Never whole.
      local at = 1

      server:until_true(function()
        client.socket:send(text:sub(at, at))
        at = at + 1
        client:receive()
        return client.is_closed
      end)

      assert.matches("^HTTP/1.1 408 .*header_ms", client.received)
      assert.equal(1, server:counters().timeouts_header)
    end)

    it("H10 answer 408 to a body that stalls", function()
      start { body_ms = 60 }
      local client = server:connect()

      client:send("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc")

      assert.matches("^HTTP/1.1 408 .*body_ms", client:expect_closed())
      assert.equal(1, server:counters().timeouts_body)
    end)

    it("H10 close idle connections without a word", function()
      start({ idle_ms = 60 }).handle = echo
      local fresh, used = server:connect(), server:connect()
      used:send(GET:format("/"))
      used:expect("/:")
      used.received = ""

      assert.equal("", fresh:expect_closed())
      assert.equal("", used:expect_closed())
      assert.equal(2, server:counters().timeouts_idle)
    end)

    it("H10 cut clients that do not read", function()
      start({ write_stall_ms = 100 }).handle = function(request)
        request:respond(200, ("x"):rep(16 * 1024 * 1024))
      end
      local client = server:connect()
      client:send(GET:format("/"))

      server:until_true(function() return server:counters().timeouts_write == 1 end)

      assert.equal(0, server:counters().active)
    end)

    it("leave a request alone that waits for its handler", function()
      start { idle_ms = 30, header_ms = 30, body_ms = 30 }
      local client = server:connect()
      client:send(GET:format("/"))
      server:until_requests(1)
      local timer = lib.http_timer_start(server.worker, 150)
      server:until_true(function() return server.events.timer == 1 end)

      assert.is_true(timer > 0)
      server.requests[1]:respond(200, "late")

      client:expect("late")
    end)
  end)

  describe("caps", function()
    it("H12 answer 503 beyond connections_max", function()
      start({ connections_max = 2 }).handle = echo
      local first, second, third = server:connect(), server:connect(), server:connect()

      local text = third:expect_closed()

      assert.matches("^HTTP/1.1 503 .*Retry%-After: 1\r\n.*connections_max", text)
      first:send(GET:format("/"))
      first:expect("/:")
      second:close()
      server:until_true(function() return server:counters().active == 1 end)
      local fourth = server:connect()
      fourth:send(GET:format("/"))
      fourth:expect("/:")
    end)

    it("H12 answer 503 beyond connections_per_ip_max", function()
      start { connections_per_ip_max = 1 }
      local kept = server:connect()
      server:until_true(function() return server:counters().active == 1 end)

      local text = server:connect():expect_closed()

      assert.matches("connections_per_ip_max", text)
      assert.equal(1, server:counters().refused_connections_per_ip)
      assert.is_nil(kept.is_closed)
    end)
  end)

  describe("drain", function()
    it("closes idle connections, finishes running requests, refuses new ones", function()
      start()
      local idle, busy = server:connect(), server:connect()
      busy:send(GET:format("/"))
      server:until_requests(1)

      lib.http_worker_drain(server.worker, 60000)

      idle:expect_closed()
      assert.is_nil(server.events.drained)
      server.requests[1]:respond(200, "last")
      assert.matches("Connection: close\r\n.*last$", busy:expect_closed())
      server:until_true(function() return server.events.drained == 1 end)
      assert.has_error(function() server:connect() end)
    end)

    it("cuts what is left at the deadline", function()
      start()
      local client = server:connect()
      client:send(GET:format("/"))
      server:until_requests(1)

      lib.http_worker_drain(server.worker, 30)

      client:expect_closed()
      server:until_true(function() return server.events.drained == 1 end)
      assert.equal(1, server:counters().drained)
      assert.equal(1, server.events.closed)
    end)
  end)
end)
