-- https, end to end: the client and the command line against a server with a certificate of its
-- own; whom they believe and whom not.
local client = require "loam.client"
local program = require "spec.support.program"
local server = require "spec.support.server"
local shell = require "spec.support.shell"
local tmpdir = require "spec.support.tmp"

describe("loam.client over TLS", function()
  local dir, s

  setup(function()
    dir = server.make_directory()
    for _, name in ipairs { "server", "other" } do
      assert(shell.run("scripts/make-test-cert", dir, name).status == 0)
    end
    s = server.start { flags = ("--durability os --tls-cert %s/server-cert.pem "
      .. "--tls-key %s/server-key.pem"):format(dir, dir) }
  end)
  teardown(server.stop_all)

  local function url(host)
    return ("https://%s:%d"):format(host or "localhost", s.port)
  end

  -- A client that is closed with the test.
  local function open(options, host)
    local c = assert(client.new(url(host), options))
    finally(function() c:close() end)
    return c
  end

  it("reads, writes and scans with a server that it knows", function()
    local c = open { ca = dir .. "/server-cert.pem" }
    local large = ("0123456789abcdef"):rep(40000)

    for at = 1, 300 do
      assert(c:put("default", ("k%03d"):format(at), "v" .. at))
    end
    assert(c:put("default", "large", large))

    assert.equal(large, c:get("default", "large").value)
    assert.is_nil((c:get("default", "none")))
    local count = 0
    for row in assert(c:scan("default", { prefix = "k" })) do
      count = count + 1
      assert.equal("v" .. count, row.value)
    end
    assert.equal(300, count)
    assert.equal(301, c:count("default", {}))
  end)

  it("knows it by its address too", function()
    assert.is_table(open({ ca = dir .. "/server-cert.pem" }, "127.0.0.1"):buckets())
  end)

  it("does not believe a certificate that nobody it trusts has signed", function()
    for _, options in ipairs { {}, { ca = dir .. "/other-cert.pem" } } do
      local made, err, code = open(options):buckets()
      assert.same({ nil, "IO" }, { made, code })
      assert.matches("certificate of the server is not trusted: ", err.text)
    end
  end)

  it("does not believe a certificate of another name", function()
    local certificate = dir .. "/named-cert.pem"
    assert(shell.run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
      "ec_paramgen_curve:P-256", "-nodes", "-keyout", dir .. "/named-key.pem", "-out", certificate,
      "-subj", "/CN=elsewhere.example", "-addext", "subjectAltName=DNS:elsewhere.example", "-days",
      "2").status == 0)
    assert(shell.run("chmod", "600", dir .. "/named-key.pem").status == 0)
    local other = server.start { flags = ("--tls-cert %s --tls-key %s/named-key.pem")
      :format(certificate, dir) }
    for _, host in ipairs { "localhost", "127.0.0.1" } do
      local c = assert(client.new(("https://%s:%d"):format(host, other.port),
        { ca = certificate }))
      local made, err = c:buckets()
      c:close()
      assert.is_nil(made)
      assert.matches("mismatch", err.text)
    end
    local c = assert(client.new(("https://localhost:%d"):format(other.port),
      { insecure_tls = true }))
    assert.is_table(c:buckets())
    c:close()
  end)

  it("says what is wrong with the file of who signs", function()
    assert.matches("cannot read " .. dir .. "/none", select(2,
      open({ ca = dir .. "/none" }):buckets()).text, 1, true)
    assert.matches("no certificates in PEM", select(2,
      open({ ca = dir .. "/server-key.pem" }):buckets()).text, 1, true)
  end)

  it("speaks no TLS to a server that speaks none, and none to one that does", function()
    local plain = server.start()
    local c = assert(client.new(("https://localhost:%d"):format(plain.port)))
    local made, err = c:buckets()
    c:close()
    assert.is_nil(made)
    assert.matches("TLS", err.text)
    c = assert(client.new(("http://localhost:%d"):format(s.port)))
    made, err = c:buckets()
    c:close()
    assert.is_nil(made)
    assert.matches("TLS", err.text)
  end)

  it("connects again when the server has closed an idle connection", function()
    local other = server.start { flags = ("--idle-ms 100 --tls-cert %s/server-cert.pem "
      .. "--tls-key %s/server-key.pem"):format(dir, dir) }
    local c = assert(client.new(("https://localhost:%d"):format(other.port),
      { ca = dir .. "/server-cert.pem" }))
    assert.is_table(c:buckets())
    local link = c._connection._socket
    server.wait_for("the end of the idle connection", function() return not link:is_idle() end)

    assert.is_table(c:buckets())
    c:close()
  end)

  it("is what the command line uses, with --ca, or loudly without any check", function()
    local ca = dir .. "/server-cert.pem"
    local function run(...)
      return program.run { "put", "cli", "1", "--url", url(), ... }
    end

    local refused, known, blind = run(), run("--ca", ca), run("--insecure-tls")

    assert.same({ 3, 0, 0 }, { refused.status, known.status, blind.status })
    assert.matches("^loam: .*certificate of the server is not trusted", refused.err)
    assert.equal("", known.err)
    assert.matches("warning: %-%-insecure%-tls", blind.err)
    assert.equal("1", program.run({ "get", "cli", "--url", url(), "--ca", ca }).out)
    local path = tmpdir() .. "/list"
    assert.equal(0, os.execute(("LOAM_CA='%s' %s >%s"):format(ca,
      program.line { "buckets", "--url", url() }, path)))
  end)
end)
