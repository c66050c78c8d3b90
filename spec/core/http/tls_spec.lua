-- TLS: who gets in, how handshakes end, what an end of the stream means, reload. The client speaks
-- through the same OpenSSL; curl and its own defaults are tried once.
local ffi = require "ffi"
local http_server = require "spec.support.http_server"
local lib = require "spec.support.lib"
local shell = require "spec.support.shell"
local tls_client = require "spec.support.tls_client"
local tmpdir = require "spec.support.tmp"

local NOT_FOUND, INVALID, DENIED = -1, -5, -19
local GET = "GET /a HTTP/1.1\r\nHost: a\r\n\r\n"

describe("http.tls", function()
  local made = {} -- Texts of certificates and keys by file name: making them takes a while.
  local dir, certificate, key, cert_path, key_path
  local server, opened, clients

  local function make(name)
    assert.equal(0, shell.run("scripts/make-test-cert", dir, name).status)
    for _, file in ipairs { name .. "-cert.pem", name .. "-key.pem" } do
      made[file] = assert(io.open(dir .. "/" .. file)):read("*a")
    end
  end

  local function prepare_files()
    dir = tmpdir()
    certificate, key = dir .. "/server-cert.pem", dir .. "/server-key.pem"
    cert_path, key_path = dir .. "/live-cert.pem", dir .. "/live-key.pem"
    if not next(made) then
      make("server")
      make("other")
      make("client")
    end
    for file, text in pairs(made) do
      local out = assert(io.open(dir .. "/" .. file, "w"))
      out:write(text)
      out:close()
    end
    os.execute(("chmod 600 %s/*.pem"):format(dir))
  end

  local function open(options)
    local c = ffi.new("struct http_tls_options")
    lib.http_tls_options_init(c)
    c.certificate = options.certificate or certificate
    c.key = options.key or key
    c.client_ca = options.client_ca
    local out, err = ffi.new("struct http_tls *[1]"), ffi.new("loam_error")
    local rc = lib.http_tls_open(c, out, err)
    if rc ~= 0 then
      return nil, ffi.string(err.text), rc
    end
    opened[#opened + 1] = out[0]
    return out[0]
  end

  local function start(limits, options)
    server = assert(http_server.new { tls = assert(open(options or {})), limits = limits })
    server.handle = function(request)
      request:respond(200, request.path .. ":" .. #request.body)
    end
    return server
  end

  local function connect(options)
    local client = tls_client.new(server, options)
    clients[#clients + 1] = client
    return client
  end

  local function copy(from, to, mode)
    assert.equal(0, shell.run("install", "-m", mode, from, to).status)
  end

  before_each(function()
    prepare_files()
    opened, clients = {}, {}
  end)

  after_each(function()
    for _, client in ipairs(clients) do
      if client.ssl then
        client:close(false)
      end
    end
    if server then
      server:close()
      server = nil
    end
    for _, tls in ipairs(opened) do
      lib.http_tls_close(tls)
    end
  end)

  describe("files", function()
    it("refuses a key that others may read, by name and mode", function()
      local path = dir .. "/open-key.pem"
      copy(key, path, "0640")

      local tls, text, code = open { key = path }

      assert.is_nil(tls)
      assert.equal(DENIED, code)
      assert.equal(("private key %s has mode 0640, it must be a file with mode 0600 or 0400")
        :format(path), text)
    end)

    it("refuses files that are not there, not PEM, or not a pair", function()
      local _, text, code = open { certificate = dir .. "/none.pem" }
      assert.equal(NOT_FOUND, code)
      assert.matches("cannot read certificate .*none.pem: No such file", text)
      _, text, code = open { key = dir .. "/none.pem" }
      assert.equal(NOT_FOUND, code)
      assert.matches("cannot read private key .*none.pem", text)
      _, text, code = open { certificate = key }
      assert.equal(INVALID, code)
      assert.matches("^certificate .*server%-key.pem: ", text)
      _, text, code = open { key = certificate }
      assert.equal(INVALID, code)
      assert.matches("^private key .*server%-cert.pem: ", text)
      _, text, code = open { key = dir .. "/other-key.pem" }
      assert.equal(INVALID, code)
      assert.matches("^private key .*other%-key.pem: key values mismatch", text)
      _, text, code = open { client_ca = key }
      assert.equal(INVALID, code)
      assert.matches("^client certificates .*: ", text)
    end)

    it("tells when the certificate expires", function()
      local days = (lib.http_tls_expires(open {}) - os.time()) / 86400

      assert.is_true(days > 29 and days <= 30)
    end)
  end)

  describe("handshakes", function()
    it("are done with TLS 1.3 and 1.2", function()
      start()
      for _, version in ipairs { "TLS13", "TLS12" } do
        local client = connect { max_version = tls_client[version] }
        client:handshake()
        client:send(GET)
        client:expect("/a:0")

        assert.equal(version == "TLS13" and "TLSv1.3" or "TLSv1.2", client:version())
      end
      assert.equal(2, server:counters().handshakes)
    end)

    it("H17 are refused with TLS 1.1", function()
      start()

      local ok = connect { max_version = tls_client.TLS11 }:try_handshake()

      assert.is_nil(ok)
      assert.equal(1, server:counters().refused_handshakes)
    end)

    it("agree on http/1.1 and refuse clients that cannot speak it", function()
      start()
      local client = connect { protocols = { "h2", "http/1.1" } }
      client:handshake()
      assert.equal("http/1.1", client:protocol())

      local ok, reason = connect { protocols = { "h2" } }:try_handshake()

      assert.is_nil(ok)
      assert.matches("no application protocol", reason)
    end)

    it("H17 that stall end at their deadline, a byte at a time too", function()
      start { handshake_ms = 80, idle_ms = 60000 }
      local mute, slow = server:connect(), server:connect()
      local hello = "\22\3\1\2\0\1" .. ("\0"):rep(511)
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

      assert.matches("^HTTP/1.1 400 .*this port speaks TLS, plain HTTP came", client:expect_closed())
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
      connect():handshake()

      local client = server:connect()

      assert.equal("", client:expect_closed())
    end)

    it("ask for a client's certificate where one is wanted", function()
      local own, own_key = dir .. "/client-cert.pem", dir .. "/client-key.pem"
      start(nil, { client_ca = own })
      local known = connect { certificate = own, key = own_key }
      known:handshake()
      known:send(GET)
      known:expect("/a:0")

      for _, options in ipairs { {}, { certificate = dir .. "/other-cert.pem",
        key = dir .. "/other-key.pem" } } do
        local stranger = connect(options)
        if stranger:try_handshake() then
          stranger:send(GET)
          assert.equal("", stranger:expect_closed())
        end
      end

      assert.equal(2, server:counters().refused_handshakes)
      assert.equal(1, #server.requests)
    end)

    it("H17 are not done twice: renegotiation is refused", function()
      start { idle_ms = 100 }
      local client = connect { max_version = tls_client.TLS12 }
      client:handshake()

      local ok, reason = client:renegotiate()

      assert.is_nil(ok)
      assert.matches("no renegotiation", reason)
      assert.equal(1, server:counters().handshakes)
    end)
  end)

  describe("streams", function()
    it("carry large bodies and answers both ways, with new keys in between", function()
      start { body_bytes_max = 4 * 1024 * 1024 }
      local size = 3 * 1024 * 1024
      server.handle = function(request) request:respond(200, request.body) end
      local client = connect()
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

    it("carry pipelined requests that come in one record", function()
      start()
      local client = connect()
      client:handshake()
      client:send(GET:rep(20) .. "GET /last HTTP/1.1\r\nHost: a\r\n\r\n")

      client:expect("/last:0")

      assert.equal(21, #server.requests)
    end)

    it("carry requests a byte at a time", function()
      start()
      local client = connect()
      client:handshake()
      for byte in GET:gmatch(".") do
        client:send(byte)
      end

      client:expect("/a:0")
    end)

    it("of clients that do not read wait, then end", function()
      start { write_stall_ms = 100 }
      server.handle = function(request) request:respond(200, ("x"):rep(16 * 1024 * 1024)) end
      local client = connect()
      client:handshake()
      client:send(GET)

      server:until_true(function() return server:counters().timeouts_write == 1 end)

      assert.equal(0, server:counters().active)
    end)
  end)

  describe("the end", function()
    it("comes with close_notify from the server", function()
      start()
      local client = connect()
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
        local client = connect()
        client:handshake()
        client:send(GET)
        server:until_requests(1)
        client:finish(is_clean)
        server:poll(1)

        server.requests[1]:respond(200, "still here")

        assert.matches("still here$", client:expect_closed())
        assert.equal(0, server:counters().truncated)
        client:close(false)
        client.ssl = nil
        server:close()
      end
      server = nil
    end)

    it("H17 within a request and without close_notify is no end: nothing is done", function()
      for _, part in ipairs { "GET /a HTTP/1.1\r\nHost", "PUT / HTTP/1.1\r\nHost: a\r\n"
        .. "Content-Length: 10\r\n\r\nabc" } do
        start()
        local client = connect()
        client:handshake()
        client:send(part)
        server:until_true(function() return server:counters().bytes_in == #part end)
        client:finish(false)

        server:until_true(function() return server:counters().active == 0 end)

        assert.equal(1, server:counters().truncated)
        assert.equal(0, #server.requests)
        server:close()
      end
      server = nil
    end)

    it("comes at once for idle sessions when the worker drains", function()
      start()
      local idle, shaking = connect(), server:connect()
      idle:handshake()
      server:until_true(function()
        return server:counters().active == 2 and server:counters().handshakes == 1
      end)

      lib.http_worker_drain(server.worker, 5000)

      idle:expect_closed()
      shaking:expect_closed()
      assert.is_true(idle.is_clean)
      server:until_true(function() return server.events.drained == 1 end)
    end)
  end)

  describe("reload", function()
    it("gives new connections the new certificate and leaves the others alone", function()
      copy(certificate, cert_path, "0644")
      copy(key, key_path, "0600")
      start(nil, { certificate = cert_path, key = key_path })
      local before = connect()
      before:handshake()
      copy(dir .. "/other-cert.pem", cert_path, "0644")
      copy(dir .. "/other-key.pem", key_path, "0600")

      assert.equal(0, lib.http_tls_reload(opened[1], nil))

      local after = connect()
      after:handshake()
      assert.equal("/CN=server.loam.test", before:subject())
      assert.equal("/CN=other.loam.test", after:subject())
      for _, client in ipairs { before, after } do
        client:send(GET)
        client:expect("/a:0")
      end
    end)

    it("changes nothing when a file is bad", function()
      copy(certificate, cert_path, "0644")
      copy(key, key_path, "0600")
      start(nil, { certificate = cert_path, key = key_path })
      copy(dir .. "/other-cert.pem", cert_path, "0644")
      local err = ffi.new("loam_error")

      assert.equal(INVALID, lib.http_tls_reload(opened[1], err))

      assert.matches("key values mismatch", ffi.string(err.text))
      local client = connect()
      client:handshake()
      assert.equal("/CN=server.loam.test", client:subject())
    end)
  end)

  it("lets go of a session's memory when its listener is closed first", function()
    start()
    local client = connect()
    client:handshake()
    lib.http_tls_close(table.remove(opened))
    lib.http_worker_drain(server.worker, -1)

    client:expect_closed()
  end)

  it("serves a second listener beside a plain one", function()
    server = assert(http_server.new {})
    server.handle = function(request) request:respond(200, "hello") end
    local err = ffi.new("loam_error")
    local path = dir .. "/tls.sock"

    assert.equal(1, lib.http_worker_listen_tls(server.worker, "unix:" .. path, open {}, err))

    local plain = server:connect()
    plain:send(GET)
    plain:expect("hello")
    local done = dir .. "/done"
    os.execute(("(curl -sS --unix-socket %s --cacert %s https://localhost/ >%s.out 2>&1; "
      .. "touch %s) &"):format(path, certificate, done, done))
    server:until_true(function() return io.open(done) end)
    assert.equal("hello", io.open(done .. ".out"):read("*a"))
  end)

  it("serves curl with its own defaults", function()
    start()
    local done = dir .. "/curl"

    os.execute(("(curl -sS -w '%%{http_version} %%{ssl_verify_result}' --cacert %s "
      .. "-d abc https://localhost:%d/x >%s.out 2>&1; touch %s) &")
      :format(certificate, server.port, done, done))
    server:until_true(function() return io.open(done) end)

    assert.equal("/x:31.1 0", io.open(done .. ".out"):read("*a"))
  end)
end)
