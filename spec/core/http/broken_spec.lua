-- What breaks below an answer or a connection: memory in the middle of it, peers that cut, a poll
-- that the kernel refuses. Each is told with its code, nothing is answered twice or kept.
local cdef = require "spec.support.cdef"
local ffi = require "ffi"
local http_server = require "spec.support.http_server"
local lib = require "spec.support.lib"
local socket = require "socket"

cdef.load("base/memory.h")
cdef.load("http/checked.h")
cdef.load("http/tls_client.h")
ffi.cdef [[
  int close(int fd);
  int64_t readlink(const char *path, char *text, size_t size);
]]

local INVALID, IO, NO_MEMORY = lib.LOAM_INVALID, lib.LOAM_IO, lib.LOAM_NO_MEMORY
local NEVER = 2 ^ 63
local GET = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"

describe("http, what breaks below", function()
  local server, client, wakes

  before_each(function() server = assert(http_server.new()) end)
  after_each(function()
    lib.memory_fail_at(NEVER, 0)
    server:close()
  end)

  local function request()
    client = server:connect()
    server.requests, wakes = {}, server.events.wake or 0
    client:send(GET)
    server:until_requests(1)
    return server.requests[1]
  end

  -- Until the client has its answer, or the end of the connection.
  local function settle(size)
    server:until_true(function()
      client:receive()
      return client.is_closed or #client.received > size
    end)
    assert.equal(0, server:counters().in_flight)
  end

  -- The end of a loan is told by a WAKE event.
  local function lend(one, bytes, size)
    local loan = ffi.new("struct http_loan")
    loan.data, loan.size, loan.memory, loan.memory_size = bytes, size, bytes, size
    loan.release = ffi.cast("void (*)(void *)", lib.http_worker_wake)
    loan.context = server.worker
    return lib.http_respond_lent(one.c, one.generation, 200, "", 0, loan)
  end

  it("gives a loan back once, whichever allocation of its answer fails", function()
    local bytes, failures = ffi.new("char[?]", 100000), 0
    for after = 0, 3 do
      server:close()
      server = assert(http_server.new()) -- With no buffers in its pool.
      local one = request()
      lib.memory_fail_at(after, 1)
      local code = lend(one, bytes, 100000)
      lib.memory_fail_at(NEVER, 0)
      assert.is_true(code == 0 or code == NO_MEMORY)
      if code ~= 0 then
        failures = failures + 1
        server:until_true(function() return (server.events.wake or 0) > wakes end)
        assert.equal(0, one:respond(503, "no memory"))
      end
      settle(code == 0 and 100000 or 9)
      server:until_true(function() return (server.events.wake or 0) > wakes end)
      client:close()
    end
    assert.equal(2, failures)
  end)

  it("gives a loan back at once when another answer has begun", function()
    local one = request()
    assert.equal(0, one:begin(200, 3))
    local bytes = ffi.new("char[10]")

    assert.equal(INVALID, lend(one, bytes, 10))
    assert.equal(INVALID, lib.http_respond_checked(one.c, one.generation, 200, "", 0, "x", 1))

    server:until_true(function() return (server.events.wake or 0) > wakes end)
    assert.equal(1, one:write("abc"))
    assert.equal(0, one:finish())
    client:expect("\r\n\r\nabc")
  end)

  it("cuts a stream whose end finds no memory: never half an answer for a whole one", function()
    local one = request()
    assert.equal(0, one:begin(200))
    assert.equal(1, one:write(("x"):rep(20000)))
    server:until_true(function() return client:receive():find("x\r\n$") end)

    lib.memory_fail_at(0, 1)
    local code = one:finish()
    lib.memory_fail_at(NEVER, 0)

    assert.equal(NO_MEMORY, code)
    settle(math.huge)
    assert.is_nil(client.received:find("\r\n0\r\n\r\n", 1, true))
  end)

  -- The descriptor of an event loop, the newest one of the process.
  local function event_loop_fd()
    local text, found = ffi.new("char[64]"), nil
    for fd = 0, 1023 do
      local size = ffi.C.readlink("/proc/self/fd/" .. fd, text, 64)
      if size > 0 and ffi.string(text, size) == "anon_inode:[eventpoll]" then
        found = fd
      end
    end
    return (assert(found))
  end

  it("says IO when the kernel refuses the poll itself", function()
    local broken = assert(http_server.new())
    assert.equal(0, ffi.C.close(event_loop_fd()))

    local code = lib.http_poll(broken.worker, 0, ffi.new("struct http_event[1]"), 1)

    assert.equal(IO, code)
    broken:close()
  end)

  describe("a client over TLS", function()
    local function open(cut)
      local listener = assert(socket.bind("127.0.0.1", 0))
      local one = assert(socket.connect("127.0.0.1", (select(2, listener:getsockname()))))
      cut(assert(listener:accept()))
      local trust, out = ffi.new("struct http_tls_trust"), ffi.new("struct http_tls_link *[1]")
      local err = ffi.new("loam_error")
      local code = lib.http_tls_link_open(one:getfd(), "localhost", trust, out, err)
      one:close()
      listener:close()
      return code, ffi.string(err.text)
    end

    it("tells a server that cuts the connection from one that speaks nonsense", function()
      assert.same({ IO, "the server cut the connection" }, { open(function(peer)
        peer:close()
      end) })
      assert.same({ IO, "the server cut the connection" }, { open(function(peer)
        peer:setoption("linger", { on = true, timeout = 0 })
        peer:close()
      end) })
      assert.same({ IO, "TLS: wrong version number" }, { open(function(peer)
        peer:send("SSH-2.0-x\r\n")
      end) })
    end)

    it("is NO_MEMORY without memory for it", function()
      lib.memory_fail_at(0, 1)
      assert.equal(NO_MEMORY, (open(function() end)))
    end)
  end)
end)
