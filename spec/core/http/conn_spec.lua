-- Connections over real sockets: order, framing, keep-alive, bodies, back-pressure, deadlines, caps, the
-- end. The worker runs in this process and is polled by hand.
local http_server = require "spec.support.http_server"
local lib = require "spec.support.lib"

local GET = "GET %s HTTP/1.1\r\nHost: a\r\n\r\n"
local CLOSED, CANCELLED, INVALID = -7, -13, -5

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

  describe("answers", function()
    it("carry a status, a date and a length", function()
      start().handle = function(request) request:respond(404, "no", "X-A: b\r\n") end
      local client = server:connect()

      client:send(GET:format("/"))

      local text = client:expect("\r\n\r\nno")
      assert.matches("^HTTP/1.1 404 Not Found\r\nDate: %a%a%a, %d%d %a%a%a %d%d%d%d %d%d:%d%d:%d%d GMT\r\n", text)
      assert.matches("\r\nContent%-Length: 2\r\nX%-A: b\r\n\r\nno$", text)
    end)

    it("leave in request order, whichever is ready first", function()
      local client = start():connect()
      client:send(GET:format("/1") .. GET:format("/2") .. GET:format("/3"))
      server:until_requests(3)

      server.requests[3]:respond(200, "third")
      server.requests[2]:respond(200, "second")
      server:poll()
      assert.equal("", client:receive())
      server.requests[1]:respond(200, "first")

      assert.matches("first.*second.*third$", client:expect("third"))
    end)

    it("of a HEAD have the length and no body", function()
      start().handle = function(request) request:respond(200, "12345") end
      local client = server:connect()

      client:send("HEAD / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nxy" .. GET:format("/"))

      local text = client:expect("12345")
      local _, heads = text:gsub("Content%-Length: 5\r\n", "")
      assert.equal(2, heads)
      assert.matches("\r\n\r\nHTTP/1.1 200 OK", text)
    end)

    it("204 and 304 have neither body nor length", function()
      start().handle = function(request) request:respond(tonumber(request.path:sub(2)), "body") end
      local client = server:connect()

      client:send(GET:format("/204") .. GET:format("/304") .. GET:format("/200"))

      local text = client:expect("\r\n\r\nbody")
      assert.equal(1, select(2, text:gsub("Content%-Length", "")))
    end)

    it("H14 refuse line breaks and the server's own headers", function()
      local client = start():connect()
      client:send(GET:format("/"))
      server:until_requests(1)
      local request = server.requests[1]

      for _, bad in ipairs { "X: a\nY: b\r\n", "X: a\r\n\r\n", "X: a\0\r\n", "X: a\rb\r\n", "X: a", ": a\r\n",
        "X a\r\n", "Content-Length: 3\r\n", "transfer-encoding: chunked\r\n", "Connection: close\r\n",
        "Date: now\r\n", " X: a\r\n" } do
        assert.equal(INVALID, request:respond(200, "", bad))
      end
      assert.equal(INVALID, request:respond(99, ""))
      assert.equal(0, request:respond(200, "fine"))

      client:expect("fine")
    end)

    it("to stale handles are refused", function()
      local client = start():connect()
      client:send(GET:format("/"))
      server:until_requests(1)
      local request = server.requests[1]
      request:respond(200, "once")

      assert.equal(CLOSED, request:respond(200, "twice"))
      assert.equal(CLOSED, request:write("x"))
      assert.equal(CLOSED, request:finish())
      assert.equal(CLOSED, request:abort())
      assert.is_nil(request:header("host"))
      client:expect("once")
    end)
  end)

  describe("keep-alive", function()
    it("ends when the client asks for it", function()
      start().handle = echo
      local client = server:connect()

      client:send("GET /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" .. GET:format("/y"))

      local text = client:expect_closed()
      assert.matches("Connection: close\r\n", text)
      assert.equal(1, #server.requests)
    end)

    it("is an offer that HTTP/1.0 must make", function()
      start().handle = echo
      local client, other = server:connect(), server:connect()

      client:send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
      other:send("GET / HTTP/1.0\r\n\r\n")

      assert.matches("Connection: keep%-alive\r\n", client:expect("/:"))
      assert.matches("Connection: close\r\n", other:expect_closed())
      assert.is_nil(client.is_closed)
    end)

    it("ends after the most requests", function()
      start({ requests_per_connection_max = 3 }).handle = echo
      local client = server:connect()

      client:send(GET:format("/"):rep(5))

      client:expect_closed()
      assert.equal(3, #server.requests)
    end)

    it("takes no more requests at once than pipeline_max", function()
      local client = start({ pipeline_max = 4 }):connect()
      client:send(GET:format("/"):rep(10))
      server:until_requests(4)
      for _ = 1, 5 do
        server:poll()
      end
      assert.equal(4, #server.requests)

      local answered = 0
      server:until_true(function()
        for i = answered + 1, #server.requests do
          server.requests[i]:respond(200, "n" .. i .. ";")
          answered = i
        end
        return answered == 10
      end)

      client:expect("n10;")
    end)

    it("H09 answers what was good before it refuses what was not", function()
      local client = start():connect()
      client:send(GET:format("/") .. "BAD\r\n\r\n" .. GET:format("/evil"))
      server:until_requests(1)
      server:poll()

      server.requests[1]:respond(200, "good")

      assert.matches("good.*400 Bad Request.*Connection: close.*malformed request line", client:expect_closed())
      assert.equal(1, #server.requests)
    end)

    it("H13 goes on writing to a client that closed its sending half", function()
      local client = start():connect()
      client:send(GET:format("/"))
      client.socket:shutdown("send")
      server:until_requests(1)
      server:poll(1)

      server.requests[1]:respond(200, "still")

      assert.matches("still$", client:expect_closed())
    end)
  end)

  describe("request bodies", function()
    it("arrive whole, in one piece or byte by byte", function()
      start().handle = echo
      local client = server:connect()

      client:send("PUT /a HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc")
      client:expect("/a:abc")
      for byte in ("PUT /b HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"):gmatch(".") do
        client:send(byte)
        server:poll()
      end
      client:expect("/b:abc")
    end)

    it("arrive whole when chunked", function()
      start().handle = echo
      local client = server:connect()

      client:send("PUT /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\n")
      server:poll(1)
      client:send("de\r\n0\r\n\r\n" .. GET:format("/b"))

      client:expect("/a:abcde")
      client:expect("/b:")
    end)

    it("of a megabyte arrive unchanged", function()
      start().handle = function(request) request:respond(200, request.body) end
      local client = server:connect()
      local parts = {}
      for i = 1, 131072 do
        parts[i] = ("%07d;"):format(i)
      end
      local body = table.concat(parts)

      client:send("PUT /a HTTP/1.1\r\nHost: a\r\nContent-Length: " .. #body .. "\r\n\r\n" .. body)
      local text = client:expect("0131072;")

      assert.equal(body, text:sub(-#body))
    end)

    it("H11 above the limit are refused, and 417 when announced", function()
      start({ body_bytes_max = 10 }).handle = echo
      local plain, announced, chunked = server:connect(), server:connect(), server:connect()

      plain:send("PUT /a HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\n")
      announced:send("PUT /a HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\nExpect: 100-continue\r\n\r\n")
      chunked:send("PUT /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nb\r\n")

      local text = plain:expect_closed()
      assert.matches("^HTTP/1.1 413 ", text)
      assert.matches('"limit":"body_bytes_max","value":10}', text, 1, true)
      assert.matches('"request_id":"%x+%-%d+"', text)
      assert.matches("^HTTP/1.1 417 ", announced:expect_closed())
      assert.matches("^HTTP/1.1 413 ", chunked:expect_closed())
      assert.equal(0, #server.requests)
    end)

    it("may be larger when the handler allows it", function()
      start({ body_bytes_max = 10 }).handle = echo
      server.on_head = function(request)
        assert.equal(0, lib.http_request_buffer(request.c, request.generation, 20))
      end
      local client = server:connect()

      client:send("PUT /a HTTP/1.1\r\nHost: a\r\nContent-Length: 12\r\n\r\nabcdefghijkl")

      client:expect("/a:abcdefghijkl")
    end)

    it("are asked for when the client waits for 100", function()
      start().handle = echo
      local client = server:connect()

      client:send("PUT /a HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
      client:expect("HTTP/1.1 100 Continue\r\n\r\n")
      client:send("abc")

      client:expect("/a:abc")
    end)

    it("need not come when the head is answered", function()
      start()
      server.on_head = function(request) request:respond(403, "no") end
      local client = server:connect()

      client:send("PUT /a HTTP/1.1\r\nHost: a\r\nContent-Length: 3000\r\nExpect: 100-continue\r\n\r\n")

      local text = client:expect_closed()
      assert.matches("^HTTP/1.1 403 .*Connection: close", text)
      assert.equal(0, #server.requests)
    end)

    for _, framing in ipairs { "length", "chunked" } do
      it("come in pieces when the handler streams them, " .. framing, function()
        start({ stream_piece_bytes = 1000, body_bytes_max = 10 })
        local pieces, size, handle = 0, 0, nil
        server.on_head = function(request)
          assert.equal(0, lib.http_request_stream(request.c, request.generation, 1e6))
          handle = request
        end
        server.on_body = function(_, event)
          assert.is_true(event.size <= 1000)
          pieces, size = pieces + 1, size + event.size
          lib.http_request_consume(event.request, event.generation)
          if event.is_last == 1 then
            handle:respond(200, "took " .. size)
          end
        end
        local client = server:connect()

        if framing == "length" then
          client:send("PUT /a HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n" .. ("x"):rep(100000))
        else
          client:send("PUT /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
            .. ("3e8\r\n" .. ("x"):rep(1000) .. "\r\n"):rep(100) .. "0\r\n\r\n")
        end

        client:expect("took 100000")
        assert.is_true(pieces >= 100)
        client:send("PUT /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
        client:expect("took 100000")
      end)
    end

    it("H13 that break off are announced to a handler that knows the head", function()
      start()
      local handle
      server.on_head = function(request)
        lib.http_request_stream(request.c, request.generation, 1e6)
        handle = request
      end
      server.on_closed = function() end
      local client = server:connect()
      client:send("PUT /a HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n")
      server:until_true(function() return handle end)
      server:poll()

      client:close()

      server:until_true(function() return server.events.closed == 1 end)
      assert.equal("/a", handle.path)
      assert.equal(CANCELLED, handle:respond(200, ""))
      assert.equal(CLOSED, handle:respond(200, ""))
    end)
  end)

  describe("streamed answers", function()
    it("are chunked without a length", function()
      start().handle = function(request)
        request:begin(200)
        request:write("abc")
        request:write("0123456789abcdef")
        request:finish()
      end
      local client = server:connect()

      client:send(GET:format("/"))

      local text = client:expect("\r\n\r\n3\r\nabc\r\n10\r\n0123456789abcdef\r\n0\r\n\r\n")
      assert.matches("Transfer%-Encoding: chunked\r\n", text)
    end)

    it("keep to a given length", function()
      start().handle = function(request)
        request:begin(200, 6)
        assert.equal(INVALID, request:write("1234567"))
        assert.equal(1, request:write("abc"))
        local place = lib.http_respond_reserve(request.c, request.generation, 3)
        require("ffi").copy(place, "def", 3)
        assert.equal(0, request:finish())
      end
      local client = server:connect()

      client:send(GET:format("/"))

      assert.matches("Content%-Length: 6\r\n\r\nabcdef$", client:expect("abcdef"))
    end)

    it("cut the connection when they fall short", function()
      start().handle = function(request)
        request:begin(200, 6)
        request:write("abc")
        assert.equal(INVALID, request:finish())
      end
      local client = server:connect()

      client:send(GET:format("/"))

      assert.matches("abc$", client:expect_closed())
    end)

    it("end with the connection in HTTP/1.0", function()
      start().handle = function(request)
        request:begin(200)
        request:write("abc")
        request:finish()
      end
      local client = server:connect()

      client:send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")

      local text = client:expect_closed()
      assert.matches("Connection: close\r\n\r\nabc$", text)
    end)

    it("never look complete when aborted", function()
      start().handle = function(request)
        request:begin(200)
        request:write("abc")
        request:abort()
      end
      local client = server:connect()

      client:send(GET:format("/"))

      local text = client:expect_closed()
      assert.is_nil(text:find("0\r\n\r\n", 1, true))
    end)

    it("wait for a slow client and go on later", function()
      start { output_high_bytes = 65536, output_low_bytes = 1024 }
      local piece, written, wanted = ("y"):rep(32768), 0, 16 * 1024 * 1024
      local waits = 0
      local function go_on(request)
        while written < wanted do
          written = written + #piece
          local rc = request:write(piece)
          assert.is_true(rc >= 0)
          if rc == 0 then
            waits = waits + 1
            return
          end
        end
        request:finish()
      end
      server.handle = function(request)
        request:begin(200, wanted)
        go_on(request)
      end
      server.on_writable = go_on
      local client = server:connect()
      client:send(GET:format("/"))
      server:until_requests(1)
      for _ = 1, 20 do
        server:poll()
      end
      assert.is_true(written < wanted)

      local size = 0
      server:until_true(function()
        client.received = ""
        size = size + #client:receive()
        return size >= wanted
      end)

      assert.is_true(waits > 1)
    end)

    it("H13 tell the handler when the client has reset", function()
      start { output_high_bytes = 65536 }
      local request
      server.handle = function(r)
        request = r
        r:begin(200)
      end
      local client = server:connect()
      client:send(GET:format("/"))
      server:until_requests(1)
      client:reset()
      server.on_closed = function() end

      local rc = 1
      server:until_true(function()
        if rc >= 0 then
          rc = request:write(("z"):rep(32768))
        end
        return rc < 0 and server.events.closed == 1
      end)

      assert.equal(CANCELLED, rc)
      assert.equal(CANCELLED, request:finish())
      assert.equal(0, server:counters().active)
      assert.equal(0, server:counters().in_flight)
    end)
  end)

  describe("deadlines", function()
    it("H10 answer 408 to a head that trickles", function()
      start { header_ms = 60 }
      local client = server:connect()
      local text = GET:format("/" .. ("a"):rep(4000))
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

      lib.http_worker_drain(server.worker, 5000)

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
