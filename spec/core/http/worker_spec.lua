-- Workers: addresses, sharing a port, waking, timers, descriptors, options, limits and their names.
local cdef = require "spec.support.cdef"
local ffi = require "ffi"
local http_server = require "spec.support.http_server"
local lib = require "spec.support.lib"
local tmpdir = require "spec.support.tmp"

cdef.load("base/memory.h")
ffi.cdef [[
  int eventfd(unsigned int initial, int flags);
  int close(int fd);
  int getrlimit(int resource, uint64_t *limits);
  int setrlimit(int resource, const uint64_t *limits);
  long write(int fd, const void *data, size_t size);
  long read(int fd, void *data, size_t size);
]]

local NOT_FOUND, EXISTS, INVALID, BUSY, NO_MEMORY = -1, -2, -5, -9, -22
local RLIMIT_NOFILE = 7
local GET = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
local CHUNKED = "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"

describe("http.worker", function()
  local servers = {}

  local function start(options)
    local server = assert(http_server.new(options))
    server.handle = function(request) request:respond(200, "hello") end
    servers[#servers + 1] = server
    return server
  end

  after_each(function()
    for _, server in ipairs(servers) do
      server:close()
    end
    servers = {}
  end)

  it("gives every limit a name, a meaning and a default", function()
    local limits = ffi.new("struct http_limits")
    lib.http_limits_init(limits)
    local index = 0
    while lib.http_limit_name(index) ~= nil do
      local name = ffi.string(lib.http_limit_name(index))
      assert.equal(limits[name], lib.http_limit_value(limits, index))
      assert.is_true(#ffi.string(lib.http_limit_meaning(index)) > 0)
      index = index + 1
    end
    assert.equal(ffi.sizeof(limits) / 4, index)
    assert.equal(0, lib.http_limit_value(limits, -1))
  end)

  it("refuses a limit of 0, by name", function()
    local server, text, code = http_server.new { limits = { pipeline_max = 0 } }

    assert.is_nil(server)
    assert.equal("pipeline_max is 0, at least 1 is needed", text)
    assert.equal(INVALID, code)
  end)

  it("refuses addresses it cannot read, by name", function()
    for _, address in ipairs { "", "localhost", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:70000",
      "unix:", "unix:" .. ("p"):rep(200), "no such host.:80" } do
      local server, text, code = http_server.new { address = address }

      assert.is_nil(server)
      assert.equal(INVALID, code)
      assert.is_true(#text > 10)
    end
  end)

  it("refuses a port in use", function()
    local port = start().port

    for _, reuse_port in ipairs { 0, 1 } do
      local server, text, code =
        http_server.new { address = "127.0.0.1:" .. port, reuse_port = reuse_port }
      assert.is_nil(server)
      assert.equal(BUSY, code)
      assert.matches("cannot listen on 127.0.0.1:%d+: Address already in use", text)
    end
  end)

  it("joins the port of another worker", function()
    local first = start()
    local second = start { address = "127.0.0.1:" .. first.port, reuse_port = 2 }

    assert.equal(first.port, second.port)
  end)

  it("serves a Unix socket and takes over one that was left behind", function()
    local path = tmpdir() .. "/s"
    local server = start { address = "unix:" .. path }
    local client = server:connect()
    client:send(GET)
    client:expect("hello")
    assert.equal(BUSY, select(3, http_server.new { address = "unix:" .. path }))
    local _, err = ffi.new("loam_error"), ffi.new("loam_error")
    assert.equal(1, lib.http_worker_listen(server.worker, "127.0.0.1:0", err))

    server:close()
    servers = {}

    assert.is_nil(io.open(path))
    local again = start { address = "unix:" .. path }
    assert.equal(0, again.port)
  end)

  it("prints request ids and peers", function()
    local server = start()
    local id, peer = ffi.new("char[64]"), ffi.new("char[64]")
    server.handle = function(request)
      assert(lib.http_request_id(request.c, request.generation, id, 64) > 0)
      assert(lib.http_request_peer(request.c, request.generation, peer, 64) > 0)
      assert.equal("a", request:header("HOST"))
      assert.is_nil(request:header("x"))
      request:respond(200, "")
    end
    local client = server:connect()
    client:send(GET)
    client:expect("200 OK")

    assert.equal(ffi.string(lib.http_worker_prefix(server.worker)) .. "-1", ffi.string(id))
    client:send(GET:rep(11))
    server:until_requests(12)
    assert.equal(ffi.string(lib.http_worker_prefix(server.worker)) .. "-12", ffi.string(id))
    assert.matches("^127%.0%.0%.1:%d+$", ffi.string(peer))
  end)

  it("wakes once for many calls", function()
    local server = start()
    lib.http_worker_wake(server.worker)
    lib.http_worker_wake(server.worker)

    server:until_true(function() return server.events.wake end)
    server:poll()

    assert.equal(1, server.events.wake)
  end)

  it("fires timers once, in order, and not when stopped", function()
    local server = start()
    local fired = {}
    server.on_timer = function(_, event) table.insert(fired, event.id) end
    local late = lib.http_timer_start(server.worker, 40)
    local early = lib.http_timer_start(server.worker, 5)
    local never = lib.http_timer_start(server.worker, 1)
    assert.equal(0, lib.http_timer_stop(server.worker, never))

    server:until_true(function() return #fired == 2 end)

    assert.same({ early, late }, fired)
    assert.equal(NOT_FOUND, lib.http_timer_stop(server.worker, never))
    assert.equal(NOT_FOUND, lib.http_timer_stop(server.worker, early))
    assert.equal(NOT_FOUND, lib.http_timer_stop(server.worker, 7))
  end)

  it("reports descriptors that are readable until they are removed", function()
    local server = start()
    local fd = ffi.C.eventfd(1, 2048)
    assert.equal(0, lib.http_fd_add(server.worker, fd, 42))
    assert.equal(EXISTS, lib.http_fd_add(server.worker, fd, 43))
    local id
    server.on_fd = function(_, event) id = event.id end

    server:until_true(function() return (server.events.fd or 0) >= 2 end)
    assert.equal(42, id)
    local count = ffi.new("uint64_t[1]")
    ffi.C.read(fd, count, 8)
    server:poll()
    server:poll()
    local before = server.events.fd
    server:poll()

    assert.equal(before, server.events.fd)
    assert.equal(0, lib.http_fd_remove(server.worker, fd))
    assert.equal(NOT_FOUND, lib.http_fd_remove(server.worker, fd))
    ffi.C.close(fd)
  end)

  it("returns after the timeout when nothing happens", function()
    local server = start()

    assert.equal(0, server:poll(0))
    assert.equal(0, server:poll(20))
  end)

  it("frees handles that were never ended", function()
    local server = start()
    server.handle = nil
    local client = server:connect()
    client:send(CHUNKED .. "3\r\nabc\r\n0\r\n\r\n")
    server:until_requests(1)

    assert.equal(1, server:counters().in_flight)
  end)

  it("H12 pauses accepting without descriptors and goes on later", function()
    local server = start()
    local client = server:prepare()
    local limit, old = ffi.new("uint64_t[2]"), ffi.new("uint64_t[2]")
    ffi.C.getrlimit(RLIMIT_NOFILE, old)
    local spare = ffi.C.eventfd(0, 0)
    ffi.C.close(spare)
    limit[0], limit[1] = spare, old[1]

    ffi.C.setrlimit(RLIMIT_NOFILE, limit)
    client:open()
    client:send(GET)
    server:poll(10)
    ffi.C.setrlimit(RLIMIT_NOFILE, old)

    assert.equal(1, server:counters().refused_descriptors)
    client:expect("hello")
  end)

  it("survives every failed allocation", function()
    local function serve(after)
      lib.memory_fail_at(after, 1)
      local server, _, code = http_server.new { limits = { body_ms = 200, header_ms = 200 } }
      if not server then
        assert.is_true(code == NO_MEMORY)
        return
      end
      servers[#servers + 1] = server
      server.handle = function(request)
        if request:respond(200, ("x"):rep(20000)) == NO_MEMORY then
          request:release()
        end
      end
      local client = server:connect()
      client:send(GET .. CHUNKED .. "3\r\nabc\r\n0\r\n\r\n")
      server:until_true(function()
        client:receive()
        return client.is_closed or #client.received > 40000 or server:counters().accepted == 1
          and server:counters().active == 0
      end)
    end
    for after = 0, 40 do
      serve(after)
      lib.memory_fail_at(2 ^ 63, 0)
    end
  end)

  it("H13 survives random bytes, cut and reset at random", function()
    local server = start { limits = { header_ms = 100, body_ms = 100, linger_ms = 50,
      body_bytes_max = 500, stream_piece_bytes = 7, output_high_bytes = 100, output_low_bytes = 10,
      pipeline_max = 3 } }
    server.on_head = function(request)
      local choice = math.random(4)
      if choice == 1 then
        lib.http_request_stream(request.c, request.generation, 300)
      elseif choice == 2 then
        request:respond(403, "no")
      elseif choice == 3 then
        lib.http_request_buffer(request.c, request.generation, 600)
      end
    end
    server.on_body = function(request, event)
      if math.random(10) == 1 then
        request:abort()
      elseif event.is_last == 1 then
        request:respond(200, "end")
      else
        lib.http_request_consume(request.c, request.generation)
      end
    end
    local waiting = {}
    server.handle = function(request)
      local choice = math.random(5)
      if choice == 1 then
        table.insert(waiting, request)
      elseif choice == 2 then
        request:begin(200, math.random(3) > 1 and 300 or nil)
        for _ = 1, 3 do
          request:write(("x"):rep(100))
        end
        request:finish()
      elseif choice == 3 then
        request:release()
      else
        request:respond(200, ("y"):rep(math.random(0, 400)))
      end
    end
    local parts = { GET, "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 20\r\n\r\n",
      "01234567890123456789", CHUNKED, "5\r\nabcde\r\n", "0\r\n\r\n",
      "\r\n", "HEAD / HTTP/1.0\r\n\r\n", "junk", "GET /%zz HTTP/1.1\r\n",
      "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 550\r\nExpect: 100-continue\r\n\r\n" }

    for _ = 1, 400 do
      local client = server:connect()
      local text = {}
      for i = 1, math.random(8) do
        text[i] = parts[math.random(#parts)]
      end
      text = table.concat(text)
      local cut = math.random(#text)
      client.socket:send(text:sub(1, cut))
      server:poll()
      client.socket:send(text:sub(cut + 1))
      server:poll()
      if #waiting > 3 then
        table.remove(waiting, math.random(#waiting)):respond(200, "late")
      end
      client:receive()
      if math.random(2) == 1 then
        client:reset()
      else
        client:close()
      end
    end
    for _, request in ipairs(waiting) do
      request:respond(200, "late")
    end

    server:until_true(function() return server:counters().active == 0 end)
    assert.equal(0, server:counters().in_flight)
    local client = server:connect()
    server.handle = function(request) request:respond(200, "alive") end
    client:send(GET)
    client:expect("alive")
  end)
end)
