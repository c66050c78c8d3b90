-- Bodies that are sent from where they lie: order, how they end, and how they are counted.
local cdef = require "spec.support.cdef"
local ffi = require "ffi"
local http_server = require "spec.support.http_server"
local lib = require "spec.support.lib"

cdef.load("http/checked.h")

ffi.cdef "int setsockopt(int fd, int level, int name, const void *value, unsigned size);"

local GET = "GET %s HTTP/1.1\r\nHost: a\r\n\r\n"
local MIB = 1024 * 1024
local CLOSED, CANCELLED = -7, -13
local IPPROTO_TCP, TCP_NOTSENT_LOWAT = 6, 25

describe("http.send", function()
  local server, kept

  local function start(limits)
    server = assert(http_server.new { limits = limits })
    kept = {}
    return server
  end

  after_each(function()
    server:close()
    kept = nil
  end)

  -- Memory that is filled with one letter. Its end is told by a WAKE event.
  local function memory(size, letter)
    local bytes = ffi.new("char[?]", size)
    ffi.fill(bytes, size, letter:byte())
    kept[#kept + 1] = bytes
    return bytes
  end

  local function lend(request, bytes, size, status)
    local loan = ffi.new("struct http_loan")
    loan.data, loan.size, loan.memory, loan.memory_size = bytes, size, bytes, size
    loan.release = ffi.cast("void (*)(void *)", lib.http_worker_wake)
    loan.context = server.worker
    return lib.http_respond_lent(request.c, request.generation, status or 200, "", 0, loan)
  end

  local function until_released()
    server:until_true(function() return server.events.wake end,
      function() return "the loan is not given back" end)
  end

  -- Receives until `size` bytes of bodies are there, head lines included.
  local function receive_all(client, is_all)
    server:until_true(function() return is_all(client:receive()) end,
      function() return ("%d bytes came"):format(#client.received) end)
    return client.received
  end

  it("sends a body from the caller's memory and gives it back", function()
    start()
    local bytes = memory(8 * MIB, "x")
    server.handle = function(request) assert.equal(0, lend(request, bytes, 8 * MIB)) end
    local client = server:connect()
    client:send(GET:format("/"))

    local text = receive_all(client, function(text) return #text > 8 * MIB end)

    local head, body = text:match("^(.-\r\n\r\n)(.*)$")
    assert.matches("Content%-Length: 8388608\r\n", head)
    assert.is_true(body == ("x"):rep(8 * MIB))
    until_released()
    assert.equal(0, server:counters().in_flight)
  end)

  it("keeps answers in order around loans", function()
    start()
    local first, third = memory(2 * MIB, "1"), memory(MIB, "3")
    local client = server:connect()
    client:send(GET:format("/1") .. GET:format("/2") .. GET:format("/3") .. GET:format("/4"))
    server:until_requests(4)

    assert.equal(0, lend(server.requests[3], third, MIB))
    server.requests[4]:respond(200, "four")
    server.requests[2]:respond(200, "two")
    assert.equal(0, lend(server.requests[1], first, 2 * MIB))

    local text = receive_all(client, function(text) return text:find("four", -10, true) end)
    local bodies = text:gsub("HTTP/1%.1 200 OK\r\n.-\r\n\r\n", "|")
    assert.is_true(bodies == "|" .. ("1"):rep(2 * MIB) .. "|two|" .. ("3"):rep(MIB) .. "|four")
  end)

  it("gives a loan back when the client vanishes", function()
    start()
    local bytes = memory(16 * MIB, "x")
    server.handle = function(request) lend(request, bytes, 16 * MIB) end
    local client = server:connect()
    client:send(GET:format("/"))
    server:until_requests(1)
    assert.is_nil(server.events.wake)

    client:reset()

    until_released()
    server:until_true(function() return server:counters().active == 0 end)
  end)

  it("gives a loan back at once when no body goes out", function()
    start()
    local bytes = memory(MIB, "x")
    server.handle = function(request)
      lend(request, bytes, MIB, request.path == "/304" and 304 or 200)
    end
    local client = server:connect()
    client:send("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n" .. GET:format("/304"))

    client:expect("304 Not Modified")

    until_released()
    assert.matches("Content%-Length: 1048576", client.received)
    assert.is_true(#client.received < 1000)
  end)

  it("gives back what is lent to a stale handle or to nobody", function()
    start()
    server.on_closed = function() end
    local bytes = memory(MIB, "x")
    local client = server:connect()
    client:send(GET:format("/") .. GET:format("/gone"))
    server:until_requests(2)
    server.requests[1]:respond(200, "done")
    assert.equal(CLOSED, lend(server.requests[1], bytes, MIB))
    until_released()

    server.events.wake = nil
    client:reset()
    server:until_true(function() return server.events.closed == 1 end)
    assert.equal(CANCELLED, lend(server.requests[2], bytes, MIB))
    until_released()
  end)

  it("finishes a loan while the worker drains", function()
    start()
    local bytes = memory(16 * MIB, "x")
    server.handle = function(request) lend(request, bytes, 16 * MIB) end
    local client = server:connect()
    client:send(GET:format("/"))
    server:until_requests(1)
    lib.http_worker_drain(server.worker, 60000)

    local text = receive_all(client, function() return client.is_closed end)

    assert.is_true(#text > 16 * MIB)
    server:until_true(function() return server.events.drained end)
  end)

  it("counts memory that several answers are sent from once", function()
    start { buffers_bytes_max = 8 * MIB, connections_per_ip_max = 100 }
    local bytes = memory(4 * MIB, "x")
    server.handle = function(request) lend(request, bytes, 4 * MIB) end
    local clients = {}
    for index = 1, 20 do
      clients[index] = server:connect()
      clients[index]:send(GET:format("/"))
    end
    server:until_requests(20)

    assert.equal(0, server:counters().refused_memory)
    assert.equal(20, server:counters().active)
  end)

  it("ends clients that make it keep too much of different memory", function()
    start { buffers_bytes_max = 8 * MIB, connections_per_ip_max = 100 }
    local memories, client = {}, {}
    for index = 1, 10 do
      memories[index] = memory(2 * MIB, "x")
    end
    -- Two clients for each: neither of them alone frees anything by its end.
    server.handle = function(request)
      lend(request, memories[tonumber(request.path:sub(2))], 2 * MIB)
    end
    for index = 1, 20 do
      client[index] = server:connect()
      client[index]:send(GET:format("/" .. math.floor((index + 1) / 2)))
      server:poll()
    end
    server:until_requests(20)

    assert.is_true(server:counters().refused_memory >= 12)
    until_released()
    server.handle = function(request) request:respond(200, "hello") end
    local other = server:connect()
    other:send(GET:format("/"))
    other:expect("hello")
  end)

  it("leaves little of an answer that is not read in the kernel", function()
    start()
    local bytes = memory(64 * MIB, "x")
    server.handle = function(request) lend(request, bytes, 64 * MIB) end
    local client = server:prepare()
    if not client.socket:setoption("recv-buffer-size", 65536)
      or ffi.C.setsockopt(client.socket:getfd(), IPPROTO_TCP, TCP_NOTSENT_LOWAT,
        ffi.new("int[1]", 131072), 4) ~= 0 then
      pending("the size of a receive buffer or TCP_NOTSENT_LOWAT cannot be set here")
      return
    end
    client:open()
    client:send(GET:format("/"))
    server:until_requests(1)
    -- The kernel has taken what it takes when two looks find the same.
    local before, same = -1, 0
    server:until_true(function()
      local now = server:counters().bytes_out
      same = now == before and same + 1 or 0
      before = now
      return same > 20
    end)

    assert.is_true(before < MIB, before .. " bytes went into the kernel")
  end)
end)
