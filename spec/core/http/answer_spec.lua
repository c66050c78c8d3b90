-- Answers over real sockets: order, framing, refused headers, streams and back-pressure.
-- The worker runs in this process and is polled by hand.
local http_server = require "spec.support.http_server"
local lib = require "spec.support.lib"

local GET = "GET %s HTTP/1.1\r\nHost: a\r\n\r\n"
local CLOSED, CANCELLED, INVALID = -7, -13, -5

describe("http.answer", function()
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

  describe("answers", function()
    it("carry a status, a date and a length", function()
      start().handle = function(request) request:respond(404, "no", "X-A: b\r\n") end
      local client = server:connect()

      client:send(GET:format("/"))

      local text = client:expect("\r\n\r\nno")
      assert.matches("^HTTP/1.1 404 Not Found\r\n", text)
      assert.matches("\r\nDate: %a+, %d%d %a+ %d+ %d%d:%d%d:%d%d GMT\r\n", text)
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

      local refused = { "X: a\nY: b\r\n", "X: a\r\n\r\n", "X: a\0\r\n", "X: a\rb\r\n", "X: a",
        ": a\r\n", "X a\r\n", " X: a\r\n", "Content-Length: 3\r\n", "Connection: close\r\n",
        "transfer-encoding: chunked\r\n", "Date: now\r\n" }
      for _, bad in ipairs(refused) do
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
end)
