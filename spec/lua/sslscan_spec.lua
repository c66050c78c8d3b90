-- The TLS of a server as another program sees it: sslscan tries every version and cipher.
local server = require "spec.support.server"
local shell = require "spec.support.shell"

describe("sslscan", function()
  after_each(server.stop_all)

  it("H17 finds TLS 1.2 and 1.3 with modern ciphers, and nothing else", function()
    if shell.run("sh", "-c", "command -v sslscan").status ~= 0 then
      pending("needs the Debian package sslscan")
      return
    end
    local dir = server.make_directory()
    assert(shell.run("scripts/make-test-cert", dir).status == 0)
    local s = server.start { flags = ("--tls-cert %s/server-cert.pem --tls-key %s/server-key.pem")
      :format(dir, dir) }

    local scan = shell.run("env", "-u", "LD_PRELOAD", "timeout", "60", "sslscan", "--no-colour",
      "127.0.0.1:" .. s.port)

    assert.equal(0, scan.status)
    for protocol, state in pairs { ["SSLv2"] = "disabled", ["SSLv3"] = "disabled",
      ["TLSv1.0"] = "disabled", ["TLSv1.1"] = "disabled", ["TLSv1.2"] = "enabled",
      ["TLSv1.3"] = "enabled" } do
      assert.matches("\n" .. protocol:gsub("%.", "%%.") .. " +" .. state .. "\n", scan.out)
    end
    assert.matches("Session renegotiation not supported", scan.out)
    assert.is_nil(scan.out:find("[^t] vulnerable to heartbleed"))
    assert.is_nil(scan.out:find("Compression enabled", 1, true))
    local count = 0
    for word, line in scan.out:gmatch("\n(%a+ed) +(TLSv[^\n]*)") do
      assert.is_truthy(word == "Accepted" or word == "Preferred", word)
      count = count + 1
      assert.is_truthy(line:find("TLS_", 1, true) or line:find("ECDHE", 1, true), line)
      assert.is_truthy(line:find("GCM", 1, true) or line:find("CHACHA20", 1, true), line)
    end
    assert.is_true(count >= 2, scan.out)
    assert.equal(0, s:stop())
  end)
end)
