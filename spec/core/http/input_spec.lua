-- Requests over real sockets: keep-alive, pipelining, bodies of both framings, streamed bodies.
local http_server = require "spec.support.http_server"
local lib = require "spec.support.lib"

local GET = "GET %s HTTP/1.1\r\nHost: a\r\n\r\n"
local PUT = "PUT /a HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n"
local EXPECTING = "PUT /a HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\nExpect: 100-continue\r\n\r\n"
local CHUNKED = "PUT /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
local CLOSED, CANCELLED = -7, -13

describe("http.input", function()
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

      local text = client:expect_closed()
      assert.matches("good.*400 Bad Request.*Connection: close.*malformed request line", text)
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

      client:send(CHUNKED .. "3\r\nabc\r\n2\r\n")
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

    it("take no more memory than they have bytes", function()
      local size = 5 * 1024 * 1024
      start({ buffers_bytes_max = size }).handle = function(request)
        request:respond(200, "got " .. #request.body)
      end
      local client = server:connect()

      client:send("PUT /a HTTP/1.1\r\nHost: a\r\nContent-Length: " .. size .. "\r\n\r\n"
        .. ("x"):rep(size))

      client:expect("got " .. size)
      assert.equal(0, server:counters().refused_memory)
    end)

    it("can be dropped before the answer", function()
      start().handle = function(request)
        for _ = 1, 2 do
          lib.http_request_drop_body(request.c, request.generation)
        end
        request:respond(200, "got " .. #request.body .. ", left " .. request.c.body_size)
      end
      local client = server:connect()

      client:send("PUT /a HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n"
        .. ("x"):rep(100000) .. GET:format("/b"))

      client:expect("got 100000, left 0")
      client:expect("got 0, left 0")
    end)

    it("H11 above the limit are refused, and 417 when announced", function()
      start({ body_bytes_max = 10 }).handle = echo
      local plain, announced, chunked = server:connect(), server:connect(), server:connect()

      plain:send("PUT /a HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\n")
      announced:send(EXPECTING:format(11))
      chunked:send(CHUNKED .. "b\r\n")

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

      client:send(EXPECTING:format(3))
      client:expect("HTTP/1.1 100 Continue\r\n\r\n")
      client:send("abc")

      client:expect("/a:abc")
    end)

    it("need not come when the head is answered", function()
      start()
      server.on_head = function(request) request:respond(403, "no") end
      local client = server:connect()

      client:send(EXPECTING:format(3000))

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
          client:send(PUT:format(100000) .. ("x"):rep(100000))
        else
          client:send(CHUNKED .. ("3e8\r\n" .. ("x"):rep(1000) .. "\r\n"):rep(100) .. "0\r\n\r\n")
        end

        client:expect("took 100000")
        assert.is_true(pieces >= 100)
        client:send(CHUNKED .. "0\r\n\r\n")
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
end)
