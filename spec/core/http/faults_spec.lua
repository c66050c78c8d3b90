-- Error paths of the HTTP room that no well-behaved machine or user reaches: memory and descriptors
-- that run out at each place in turn, handles used too late or in the wrong order, addresses that
-- cannot be bound. What counts is that each is refused with its code, and that the rest goes on.
local cdef = require "spec.support.cdef"
local ffi = require "ffi"
local http_server = require "spec.support.http_server"
local lib = require "spec.support.lib"
local tls_server = require "spec.support.tls_server"
local tmpdir = require "spec.support.tmp"

cdef.load("base/memory.h")
ffi.cdef [[
  int open(const char *path, int flags, ...);
  int close(int fd);
  int eventfd(unsigned int initial, int flags);
  int getrlimit(int resource, uint64_t *limits);
  int setrlimit(int resource, const uint64_t *limits);
]]

local CANCELLED, CLOSED, INVALID, IO, NO_MEMORY, TOO_LARGE = -13, -7, -5, -15, -22, -6
local RLIMIT_NOFILE = 7
local NEVER = 2 ^ 63
local GET = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
local PUT = "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n"

describe("http, faults", function()
  local servers

  before_each(function() servers = {} end)
  after_each(function()
    lib.memory_fail_at(NEVER, 0)
    for _, server in ipairs(servers) do
      server:close()
    end
  end)

  local function start(options)
    local server = assert(http_server.new(options))
    servers[#servers + 1] = server
    return server
  end

  -- A server with one request that waits for its answer.
  local function with_request(text, options)
    local server = start(options)
    local client = server:connect()
    client:send(text or GET)
    server:until_requests(1)
    return server.requests[1], client, server
  end

  -- Calls fn() with the n-th allocation failing, for n from 0; it gives a code. The first ones are
  -- NO_MEMORY, the last one is good.
  local function each_allocation(count, fn)
    local failures, last = 0, nil
    for after = 0, count do
      lib.memory_fail_at(after, 1)
      last = fn()
      lib.memory_fail_at(NEVER, 0)
      assert.is_true(last >= 0 or last == NO_MEMORY, "code " .. last)
      failures = failures + (last < 0 and 1 or 0)
    end
    assert.is_true(failures > 0 and last >= 0)
  end

  describe("a handle", function()
    it("that was ended is CLOSED for every call", function()
      local request = with_request()
      local text, out = ffi.new("char[64]"), ffi.new("const char *[1]")
      assert.equal(0, request:respond(200, "x"))

      local c, generation = request.c, request.generation
      for _, code in ipairs {
        request:respond(200, "y"), request:begin(200), request:write("y"), request:finish(),
        request:abort(), request:release(), lib.http_respond_close(c, generation),
        lib.http_request_id(c, generation, text, 64),
        lib.http_request_peer(c, generation, text, 64),
        lib.http_request_header(c, generation, "Host", 4, out, ffi.new("size_t[1]")),
        lib.http_request_buffer(c, generation, 1), lib.http_request_stream(c, generation, 1),
        lib.http_request_consume(c, generation),
      } do
        assert.equal(CLOSED, code)
      end
      assert.is_true(lib.http_respond_reserve(c, generation, 1) == nil)
      lib.http_request_drop_body(c, generation)
    end)

    it("whose client is gone says CANCELLED until it is ended", function()
      local request, client, server = with_request()
      local is_told = false
      server.on_closed = function() is_told = true end
      client:reset()
      server:until_true(function() return is_told end)
      local text = ffi.new("char[64]")
      local c, generation = request.c, request.generation

      assert.is_true(lib.http_request_id(c, generation, text, 64) > 0)
      assert.equal(CANCELLED, lib.http_request_peer(c, generation, text, 64))
      assert.equal(CANCELLED, lib.http_request_buffer(c, generation, 1))
      assert.equal(CANCELLED, request:begin(200))
      assert.equal(CANCELLED, request:write("x"))
      assert.is_true(lib.http_respond_reserve(c, generation, 1) == nil)
      assert.equal(CANCELLED, request:respond(200, "x"))
      assert.equal(CLOSED, request:respond(200, "x"))
    end)

    it("refuses what comes in the wrong order or size, and can still be answered", function()
      local request, client = with_request()
      local c, generation = request.c, request.generation
      local text = ffi.new("char[64]")
      for _, code in ipairs {
        request:write("x"), request:finish(), lib.http_request_id(c, generation, text, 31),
        lib.http_request_peer(c, generation, text, 63), lib.http_request_consume(c, generation),
        lib.http_request_buffer(c, generation, 5), lib.http_request_stream(c, generation, 5),
        request:begin(200, -2), request:begin(200, 1e16), request:begin(200, 0 / 0),
      } do
        assert.equal(INVALID, code)
      end
      assert.equal(0, request:begin(200, 5))
      for _, code in ipairs { request:begin(200, 5), request:respond(200, "x"),
        lib.http_respond_close(c, generation), request:write("123456") } do
        assert.equal(INVALID, code)
      end
      assert.is_true(lib.http_respond_reserve(c, generation, 6) == nil)
      assert.equal(1, request:write("12"))
      ffi.copy(lib.http_respond_reserve(c, generation, 3), "345", 3)
      assert.equal(0, request:finish())
      client:expect("\r\n\r\n12345")
    end)

    it("of a stream has no place for known sizes", function()
      local request, client = with_request()
      assert.equal(0, request:begin(200))

      assert.is_true(lib.http_respond_reserve(request.c, request.generation, 3) == nil)

      assert.equal(1, request:write("abc"))
      assert.equal(0, request:finish())
      client:expect("3\r\nabc\r\n0\r\n\r\n")
    end)
  end)

  describe("headers", function()
    it("are refused by name, bytes and size, at every length of the block", function()
      local block = ffi.new("char[64]")
      local function add(name, value, used, capacity)
        return lib.http_header_add(block, used or 0, capacity or 64, name, #name, value, #value)
      end
      for _, name in ipairs { "", "a b", "a:", "Content-Length", "date", "Connection", "\1" } do
        assert.equal(INVALID, add(name, "x"), name)
      end
      for _, value in ipairs { "a\r\nb", "a\0b", "a\nb" } do
        assert.equal(INVALID, add("X-A", value))
      end
      for capacity = 0, 7 do
        assert.equal(TOO_LARGE, add("X-A", "b", 0, capacity))
      end
      assert.equal(8, add("X-A", "b", 0, 8))
      assert.equal(TOO_LARGE, add("X-A", "b", 8, 7))
    end)
  end)

  describe("memory that runs out (R01)", function()
    it("ends or refuses the answer, whichever allocation of it fails", function()
      for _, way in ipairs { "whole", "sized", "chunked" } do
        for after = 0, 3 do
          local request, client, server = with_request()
          lib.memory_fail_at(after, 1)
          local body = ("x"):rep(300000)
          local code
          if way == "whole" then
            code = request:respond(200, body)
          else
            code = request:begin(200, way == "sized" and #body or nil)
            if code == 0 then
              code = request:write(body)
            end
            if code >= 0 then
              code = request:finish()
            end
          end
          lib.memory_fail_at(NEVER, 0)
          assert.is_true(code == 0 or code == NO_MEMORY or code == CANCELLED, way .. code)
          local _ = code ~= 0 and request:abort()
          server:until_true(function()
            client:receive()
            return client.is_closed or #client.received > #body
          end)
          assert.equal(0, server:counters().in_flight)
        end
      end
    end)

    it("is NO_MEMORY for timers and descriptors, and both work afterwards", function()
      local server = start()
      each_allocation(6, function() return lib.http_timer_start(server.worker, 100000) end)
      local fd = ffi.C.eventfd(0, 0)
      each_allocation(3, function()
        local code = lib.http_fd_add(server.worker, fd, 1)
        lib.http_fd_remove(server.worker, fd)
        return code
      end)
      ffi.C.close(fd)
      local fired = false
      server.on_timer = function() fired = true end
      assert.is_true(lib.http_timer_start(server.worker, 0) > 0)
      server:until_true(function() return fired end)
    end)

    it("is NO_MEMORY for a worker, whichever allocation fails", function()
      each_allocation(30, function()
        local server, _, code = http_server.new()
        if server then
          server:close()
        end
        return server and 0 or code
      end)
    end)

    it("ends uploads, and the next one is taken", function()
      local server = start()
      server.handle = function(request)
        if request:respond(200, tostring(#request.body)) ~= 0 then
          request:release()
        end
      end
      for after = 0, 8 do
        local client = server:connect()
        client:send(PUT)
        server:poll(1)
        lib.memory_fail_at(after, 1)
        pcall(client.send, client, ("b"):rep(100000))
        server:until_true(function()
          client:receive()
          return client.is_closed or client.received:find("\r\n\r\n", 1, true)
        end)
        lib.memory_fail_at(NEVER, 0)
        client:close()
      end
      local client = server:connect()
      client:send(PUT .. ("b"):rep(100000))
      client:expect("100000")
    end)

    it("is NO_MEMORY for certificates", function()
      local files = tls_server.files()
      local options = ffi.new("struct http_tls_options")
      options.struct_size = ffi.sizeof(options)
      options.certificate, options.key = files.certificate, files.key
      local out, err = ffi.new("struct http_tls *[1]"), ffi.new("loam_error")
      each_allocation(5, function()
        local code = lib.http_tls_open(options, out, err)
        if code == 0 then
          lib.http_tls_close(out[0])
        end
        return code
      end)
      options.struct_size = 1
      assert.equal(INVALID, lib.http_tls_open(options, out, err))
      options.struct_size = ffi.sizeof(options)
      options.key = nil
      assert.equal(INVALID, lib.http_tls_open(options, out, err))
    end)
  end)

  describe("descriptors that run out (R06)", function()
    it("fail the opening of a worker at each step, and nothing stays open", function()
      local limit, old = ffi.new("uint64_t[2]"), ffi.new("uint64_t[2]")
      ffi.C.getrlimit(RLIMIT_NOFILE, old)
      finally(function() ffi.C.setrlimit(RLIMIT_NOFILE, old) end)
      local function first_free()
        local fd = ffi.C.open("/dev/null", 0)
        ffi.C.close(fd)
        return fd
      end
      local free = first_free()
      local failures, is_open, room = 0, false, 0
      while not is_open and room < 5000 do -- Other specs may leave descriptors above the first.
        limit[0], limit[1] = free + room, old[1]
        ffi.C.setrlimit(RLIMIT_NOFILE, limit)
        local server, text, code = http_server.new()
        ffi.C.setrlimit(RLIMIT_NOFILE, old)
        if server then
          is_open = true
          server:close()
        else
          failures = failures + 1
          assert.equal(IO, code, text)
          assert.is_true(#text > 10)
        end
        assert.equal(free, first_free())
        room = room + 1
      end
      assert.is_true(is_open)
      assert.is_true(failures >= 2)
    end)
  end)

  describe("an address", function()
    it("of a Unix socket that cannot be is refused, and what is there stays", function()
      local dir = tmpdir()
      local file = dir .. "/file"
      assert(io.open(file, "w")):close()
      for _, path in ipairs { dir, file, dir .. "/none/socket", file .. "/socket" } do
        local server, text, code = http_server.new { address = "unix:" .. path }
        assert.is_nil(server)
        assert.is_true(code < 0 and #text > 10, path)
        if path == dir or path == file then
          assert.equal(("cannot listen on %s: it is there already, and no socket"):format(path),
            text)
        end
      end
      assert.truthy(io.open(file))
    end)

    it("is one of at most eight", function()
      local server, dir = start(), tmpdir()
      local err = ffi.new("loam_error")
      for index = 1, 7 do
        assert.equal(index, lib.http_worker_listen(server.worker, "unix:" .. dir .. "/" .. index,
          err))
      end

      assert.equal(TOO_LARGE, lib.http_worker_listen(server.worker, "unix:" .. dir .. "/8", err))

      assert.equal("a worker has at most 8 listeners", ffi.string(err.text))
    end)
  end)

  it("refuses limits beyond what offsets can hold, and options of another version", function()
    local _, text, code = http_server.new { limits = { headers_bytes_max = 2 ^ 25 } }
    assert.equal("headers_bytes_max is 33554432, at most 16777216 is possible", text)
    assert.equal(INVALID, code)
    local options = ffi.new("struct http_worker_options")
    lib.http_worker_options_init(options)
    options.struct_size = 8
    local err = ffi.new("loam_error")
    assert.equal(INVALID, lib.http_worker_open(options, ffi.new("struct http_worker *[1]"), err))
    assert.matches("^http_worker_options has 8 bytes", ffi.string(err.text))
  end)

  it("watches no descriptor that cannot be watched", function()
    local server, dir = start(), tmpdir()
    local file = dir .. "/file"
    assert(io.open(file, "w")):close()
    local fd = ffi.C.open(file, 0)

    assert.equal(INVALID, lib.http_fd_add(server.worker, -1, 1))
    assert.equal(IO, lib.http_fd_add(server.worker, fd, 1)) -- epoll takes no plain files.
    ffi.C.close(fd)
    assert.equal(IO, lib.http_fd_add(server.worker, 1000000, 1))
    assert.equal(-1, lib.http_fd_remove(server.worker, fd))
  end)
end)
