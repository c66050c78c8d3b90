-- The rules of TLS: which files are taken, who gets in, reload. The client speaks through the same
-- OpenSSL; curl and its own defaults are tried once.
local ffi = require "ffi"
local http_server = require "spec.support.http_server"
local lib = require "spec.support.lib"
local shell = require "spec.support.shell"
local tls_client = require "spec.support.tls_client"
local tls_server = require "spec.support.tls_server"

local NOT_FOUND, INVALID, DENIED = -1, -5, -19
local GET = "GET /a HTTP/1.1\r\nHost: a\r\n\r\n"

describe("http.tls", function()
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

  -- Opens with the good files in place of what `options` leaves out.
  local function open(options)
    return tls_server.open {
      certificate = options.certificate or files.certificate,
      key = options.key or files.key,
      client_ca = options.client_ca,
    }
  end

  describe("files", function()
    it("refuses a key that others may read, by name and mode", function()
      local path = files.dir .. "/open-key.pem"
      tls_server.copy(files.key, path, "0640")

      local tls, text, code = open { key = path }

      assert.is_nil(tls)
      assert.equal(DENIED, code)
      assert.equal(("private key %s has mode 0640, it must be a file with mode 0600 or 0400")
        :format(path), text)
    end)

    it("refuses files that are not there, not PEM, or not a pair", function()
      local _, text, code = open { certificate = files.dir .. "/none.pem" }
      assert.equal(NOT_FOUND, code)
      assert.matches("cannot read certificate .*none.pem: No such file", text)
      _, text, code = open { key = files.dir .. "/none.pem" }
      assert.equal(NOT_FOUND, code)
      assert.matches("cannot read private key .*none.pem", text)
      _, text, code = open { certificate = files.key }
      assert.equal(INVALID, code)
      assert.matches("^certificate .*server%-key.pem: the file holds none in PEM$", text)
      _, text, code = open { key = files.certificate }
      assert.equal(INVALID, code)
      assert.matches("^private key .*server%-cert.pem: the file holds none in PEM$", text)
      _, text, code = open { key = files.dir .. "/other-key.pem" }
      assert.equal(INVALID, code)
      assert.matches("^private key .*other%-key.pem: key values mismatch", text)
      local sealed = files.dir .. "/sealed-key.pem"
      assert(shell.run("openssl", "pkey", "-in", files.key, "-aes256", "-passout", "pass:word",
        "-out", sealed).status == 0)
      _, text, code = open { key = sealed }
      assert.same({ ("private key %s has a pass phrase, which nobody is asked for"):format(sealed),
        INVALID }, { text, code })
      _, text, code = open { client_ca = files.key }
      assert.equal(INVALID, code)
      assert.matches("^client certificates .*: the file holds none in PEM$", text)
    end)

    it("tells when the certificate expires", function()
      local tls = open {}
      local days = (lib.http_tls_expires(tls) - os.time()) / 86400
      lib.http_tls_close(tls)

      assert.is_true(days > 29 and days <= 30)
    end)
  end)

  describe("clients", function()
    it("are done with TLS 1.3 and 1.2", function()
      start()
      for _, version in ipairs { "TLS13", "TLS12" } do
        local client = server:connect_tls { max_version = tls_client[version] }
        client:handshake()
        client:send(GET)
        client:expect("/a:0")

        assert.equal(version == "TLS13" and "TLSv1.3" or "TLSv1.2", client:version())
      end
      assert.equal(2, server:counters().handshakes)
    end)

    it("H17 are refused with TLS 1.1", function()
      start()

      local ok = server:connect_tls { max_version = tls_client.TLS11 }:try_handshake()

      assert.is_nil(ok)
      assert.equal(1, server:counters().refused_handshakes)
    end)

    it("agree on http/1.1 and refuse clients that cannot speak it", function()
      start()
      local client = server:connect_tls { protocols = { "h2", "http/1.1" } }
      client:handshake()
      assert.equal("http/1.1", client:protocol())

      local ok, reason = server:connect_tls { protocols = { "h2" } }:try_handshake()

      assert.is_nil(ok)
      assert.matches("no application protocol", reason)
    end)

    it("ask for a client's certificate where one is wanted", function()
      local own, own_key = files.dir .. "/client-cert.pem", files.dir .. "/client-key.pem"
      start(nil, { client_ca = own })
      local known = server:connect_tls { certificate = own, key = own_key }
      known:handshake()
      known:send(GET)
      known:expect("/a:0")

      for _, options in ipairs { {}, { certificate = files.dir .. "/other-cert.pem",
        key = files.dir .. "/other-key.pem" } } do
        local stranger = server:connect_tls(options)
        if stranger:try_handshake() then
          stranger:send(GET)
          assert.equal("", stranger:expect_closed())
        end
      end

      assert.equal(2, server:counters().refused_handshakes)
      assert.equal(1, #server.requests)
    end)

    it("H17 are not done twice: renegotiation is refused", function()
      start()
      local client = server:connect_tls { max_version = tls_client.TLS12 }
      client:handshake()

      local ok, reason = client:renegotiate()

      assert.is_nil(ok)
      assert.matches("no renegotiation", reason)
      assert.equal(1, server:counters().handshakes)
    end)
  end)

  describe("reload", function()
    local cert_path, key_path

    -- A server whose files are to be changed.
    local function start_live()
      cert_path, key_path = files.dir .. "/live-cert.pem", files.dir .. "/live-key.pem"
      tls_server.copy(files.certificate, cert_path, "0644")
      tls_server.copy(files.key, key_path, "0600")
      start(nil, { certificate = cert_path, key = key_path })
    end

    it("gives new connections the new certificate and leaves the others alone", function()
      start_live()
      local before = server:connect_tls()
      before:handshake()
      tls_server.copy(files.dir .. "/other-cert.pem", cert_path, "0644")
      tls_server.copy(files.dir .. "/other-key.pem", key_path, "0600")

      assert.equal(0, lib.http_tls_reload(server.tls, nil))

      local after = server:connect_tls()
      after:handshake()
      assert.equal("/CN=server.loam.test", before:subject())
      assert.equal("/CN=other.loam.test", after:subject())
      for _, client in ipairs { before, after } do
        client:send(GET)
        client:expect("/a:0")
      end
    end)

    it("changes nothing when a file is bad", function()
      start_live()
      tls_server.copy(files.dir .. "/other-cert.pem", cert_path, "0644")
      local err = ffi.new("loam_error")

      assert.equal(INVALID, lib.http_tls_reload(server.tls, err))

      assert.matches("key values mismatch", ffi.string(err.text))
      local client = server:connect_tls()
      client:handshake()
      assert.equal("/CN=server.loam.test", client:subject())
    end)
  end)

  -- Runs curl while the server is polled, and returns what it printed. Without the sanitizer that a
  -- run may preload: curl hangs with it.
  local function curl(words)
    local done = files.dir .. "/curl"
    os.execute(("(env -u LD_PRELOAD curl -sS --max-time 30 --cacert %s %s >%s.out 2>&1; touch %s) "
      .. ">/dev/null 2>&1 &"):format(files.certificate, words, done, done))
    server:until_true(function() return io.open(done) end)
    local file = assert(io.open(done .. ".out"))
    local text = file:read("*a")
    file:close()
    return text
  end

  it("serves a second listener beside a plain one", function()
    local tls = open {}
    server = assert(http_server.new {})
    server.close_all = server.close
    server.handle = function(request) request:respond(200, "hello") end
    local err = ffi.new("loam_error")
    local path = files.dir .. "/tls.sock"

    assert.equal(1, lib.http_worker_listen_tls(server.worker, "unix:" .. path, tls, err))
    lib.http_tls_close(tls)

    local plain = server:connect()
    plain:send(GET)
    plain:expect("hello")
    assert.equal("hello", curl("--unix-socket " .. path .. " https://localhost/"))
  end)

  it("serves curl with its own defaults", function()
    start()

    local text = curl("-w '%{http_version} %{ssl_verify_result}' -d abc https://localhost:"
      .. server.port .. "/x")

    assert.equal("/x:31.1 0", text)
  end)
end)
