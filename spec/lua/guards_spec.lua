-- End to end: tokens, TLS, the socket for administration, pages of other sites (H19).
local json = require "loam.json"
local server = require "spec.support.server"
local tmpdir = require "spec.support.tmp"
local tokens = require "loam.tokens"

describe("loam serve, guarded", function()
  local start = server.start

  after_each(server.stop_all)

  local function bearer(token)
    return { Authorization = "Bearer " .. token }
  end

  describe("tokens", function()
    local path, admin, reader

    before_each(function()
      path = tmpdir() .. "/tokens"
      admin = assert(tokens.create(path, { roles = { "admin" } })).text
      reader = assert(tokens.create(path, { roles = { "read" } })).text
    end)

    it("hold on the fast ways as on the general one", function()
      local s = start { flags = "--durability os --tokens " .. path }
      local target = "/v1/kv/default/k"
      local scoped = assert(tokens.create(path,
        { roles = { "read", "write" }, prefixes = { "x" } })).text
      s:signal("HUP")
      local function status(method, token, body)
        return s:request(method, target, body, token and bearer(token)).status
      end

      assert.equal(201, status("PUT", admin, "1"))
      for _ = 1, 3 do
        assert.same({ 204, 200, 200 }, { status("PUT", admin, "1"), status("GET", admin),
          status("GET", reader) })
        assert.same({ 401, 401, 401, 403 }, { status("GET"), status("PUT", nil, "2"),
          status("GET", reader .. "x"), status("PUT", reader, "2") })
        server.wait_for("the new token", function() return status("GET", scoped) ~= 401 end)
        assert.same({ 403, 403 }, { status("GET", scoped), status("PUT", scoped, "2") })
      end
      assert.equal(401, s:request("GET", target, nil,
        { Authorization = "Bearer " .. reader, authorization = "Bearer " .. admin }).status)
      assert.equal("1", s:request("GET", target, nil, bearer(reader)).body)
    end)

    it("are refused before the body of an upload", function()
      local s = start { flags = "--tokens " .. path }
      local connection = s:connect()

      assert(connection:send("PUT /v1/kv/default/k HTTP/1.1\r\nHost: localhost\r\n"
        .. "Content-Length: 1000000\r\nExpect: 100-continue\r\n\r\n"))

      assert.equal(401, server.read_answer(connection).status)
      connection:close()
    end)

    it("change under a running server, by the command and over HTTP", function()
      local s = start { flags = "--tokens " .. path, workers = 2 }
      local made = json.decode(s:request("POST", "/v1/admin/tokens",
        '{"roles":["read"],"note":"n","expires_in":3600}', bearer(admin)).body)
      local function status()
        return s:request("GET", "/v1/buckets", nil, bearer(made.token)).status
      end

      server.wait_for("every worker to know it", function() return status() == 200 end)
      local code, out, err = server.run("token revoke " .. made.id .. " --tokens " .. path)
      assert.same({ 0, "" }, { code, out })
      assert.matches("is revoked", err)
      server.wait_for("every worker to refuse it", function() return status() == 401 end)
      assert.matches("old tokens stay", (function()
        os.execute(("echo broken >'%s'"):format(path))
        return server.wait_for("the log", function()
          return s:log():find("old tokens stay", 1, true) and s:log()
        end)
      end)())
      assert.equal(200, s:request("GET", "/v1/buckets", nil, bearer(admin)).status)
    end)

    it("that are revoked over HTTP are good in no worker from the answer on", function()
      local s = start { workers = 2,
        flags = "--durability os --auth-failures-max 0 --tokens " .. path }
      local target = "/v1/kv/default/k"
      -- Connections of both workers, on the fast way too.
      local connections = {}
      for at = 1, 16 do
        connections[at] = s:connect()
      end
      local function statuses(headers)
        local seen = {}
        for _, connection in ipairs(connections) do
          assert(connection:send(server.request_text("GET", target, nil, headers)))
          local status = server.read_answer(connection).status
          seen[status] = (seen[status] or 0) + 1
        end
        return seen
      end
      assert.equal(201, s:request("PUT", target, "1", bearer(admin)).status)
      for _ = 1, 5 do
        local made = json.decode(s:request("POST", "/v1/admin/tokens", '{"roles":["read"]}',
          bearer(admin)).body)
        assert.same({ [200] = 16 }, statuses(bearer(made.token)))
        assert.equal(200, s:request("DELETE", "/v1/admin/tokens/" .. made.id, nil,
          bearer(admin)).status)

        assert.same({ [401] = 16 }, statuses(bearer(made.token)))
      end
      for _, connection in ipairs(connections) do
        connection:close()
      end
    end)

    it("that are wrong are counted over all workers", function()
      local s = start { flags = "--auth-failures-max 10 --tokens " .. path, workers = 2 }
      local seen = {}
      for _ = 1, 14 do
        local status = s:request("GET", "/v1/buckets", nil, bearer("loam_x")).status
        seen[status] = (seen[status] or 0) + 1
      end

      -- Each worker for itself would have seen seven. When a minute ends in between, what was
      -- before counts a little less.
      assert.is_true(seen[401] >= 10 and seen[429] >= 2)
    end)

    it("are needed beyond loopback, and their file must be private", function()
      local dir = tmpdir()
      local function refused(flags, pattern)
        local code, out, err = server.run(("serve --data %s/d %s"):format(dir, flags))
        assert.is_true(code == 1 or code == 2)
        assert.equal("", out)
        assert.matches(pattern, err)
      end

      refused("--listen 0.0.0.0:0", "give %-%-tokens FILE, or %-%-insecure")
      refused("--listen 127.0.0.1:0 --tokens " .. dir .. "/none", "none cannot be opened")
      refused("--listen 127.0.0.1:0 --admin-listen 127.0.0.1:1", "admin_listen is unix:PATH")
      refused("--listen 127.0.0.1:0 --origins a.b", "origins are http")
      refused("--listen 127.0.0.1:0 --tls-cert x", "belong together")
      os.execute("chmod 644 " .. path)
      refused("--listen 127.0.0.1:0 --tokens " .. path, "mode 0644, others may open it: chmod 600")
    end)

    it("are made, listed and revoked by the command, which prints nothing else", function()
      local made = tmpdir() .. "/made"
      local code, out, err = server.run("token create --role read --bucket b --prefix b64u:_w "
        .. "--expires 2h --note x --tokens " .. made)
      assert.equal(0, code)
      assert.matches("^loam_%x+_[%w_-]+\n$", out)
      assert.is_nil(err:find(out:sub(1, -2), 1, true))
      local list
      code, list = server.run("token list --json --tokens " .. made)
      local row = json.decode(list)
      assert.same({ 0, "valid", "b64u:_w", "b" }, { code, row.state, row.prefixes[1],
        row.buckets[1] })
      assert.equal(7200000, math.floor((row.expires_at_ms - row.created_at_ms) / 1000 + 0.5) * 1000)
      assert.equal(0, (server.run("token revoke " .. out:sub(1, -2) .. " --tokens " .. made)))
      assert.matches(" revoked ", select(2, server.run("token list --tokens " .. made)))
      assert.equal(1, (server.run("token revoke 0123456789abcdef --tokens " .. made)))
      assert.equal(2, (server.run("token revoke nobody --tokens " .. made)))
      assert.equal(2, (server.run("token create --tokens " .. made)))
      assert.equal(2, (server.run("token create --role king --tokens " .. made)))
      assert.equal(2, (server.run("token list")))
    end)
  end)

  it("speaks TLS with a certificate that SIGHUP reads again", function()
    local dir = tmpdir()
    assert.equal(0, os.execute("scripts/make-test-cert " .. dir))
    local s = start { flags = ("--tls-cert %s/server-cert.pem --tls-key %s/server-key.pem"):format(
      dir, dir) }
    s.url = "https://127.0.0.1:" .. s.port
    local function status(words)
      return s:curl(("--cacert %s/server-cert.pem %s"):format(dir, words or ""), "/livez").status
    end
    local connection = s:connect()
    assert(connection:send("GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"))
    local plain = connection:receive("*l")
    connection:close()

    assert.is_true(plain == nil or plain:find("^HTTP/1.1 200") == nil)
    assert.equal(200, status())
    assert.equal(200, status("-H 'Origin: https://127.0.0.1:" .. s.port .. "'"))
    os.execute(("cp %s/server-cert.pem %s/old.pem"):format(dir, dir))
    assert.equal(0, os.execute("scripts/make-test-cert " .. dir))
    s:signal("HUP")
    server.wait_for("the new certificate", function() return status() == 200 end)
    assert.are_not.equal(200, s:curl(("--cacert %s/old.pem"):format(dir), "/livez").status)
    os.execute(("echo broken >%s/server-cert.pem"):format(dir))
    s:signal("HUP")
    server.wait_for("the log", function()
      return s:log():find("the old certificate stays", 1, true)
    end)
  end)

  it("keeps administration on a socket of its owner", function()
    local dir = tmpdir()
    local s = start { flags = "--admin-listen unix:" .. dir .. "/admin", workers = 2 }

    assert.equal(404, s:request("GET", "/v1/admin/stats").status)
    local words = ("--unix-socket %s/admin -o /dev/null -w '%%{http_code}' -s "):format(dir)
    local line = "env -u LD_PRELOAD curl " .. words .. "http://localhost/v1/admin/stats"
    local pipe = assert(io.popen(line))
    assert.equal("200", pipe:read("*a"))
    pipe:close()
    pipe = assert(io.popen("stat -c %a " .. dir .. "/admin"))
    assert.equal("600\n", pipe:read("*a"))
    pipe:close()
    local code, out = server.run("stats --json --url unix:" .. dir .. "/admin")
    assert.same({ 0, "table" }, { code, type(json.decode(out)) })
  end)

  describe("pages of other sites (H19)", function()
    local JSON_ROUTES = { "/v1/mget", "/v1/batch" }

    it("reach nothing by a name or an origin of their own", function()
      local s = start { flags = "--durability os --origins https://good.example" }
      s:request("PUT", "/v1/kv/default/k", "1")
      local function status(method, headers, body)
        return s:request(method, "/v1/kv/default/k", body, headers).status
      end

      for _ = 1, 2 do
        for _, host in ipairs { "evil.example", "evil.example:" .. s.port, "127.0.0.1.evil.example",
          "localhost.evil.example", "127.0.0.2" } do
          assert.equal(403, status("GET", { Host = host }), host)
          assert.equal(403, status("PUT", { Host = host }, "2"), host)
        end
        for _, origin in ipairs { "https://evil.example", "null", "http://localhost.evil.example",
          "http://localhost:1", "file://", "https://good.example.evil", "http://good.example" } do
          assert.equal(403, status("GET", { Origin = origin }), origin)
          assert.equal(403, status("PUT", { Origin = origin }, "2"), origin)
        end
        assert.equal(200, status("GET", { Origin = "https://good.example" }))
        assert.equal(200, status("GET", { Host = "localhost:9", Origin = "http://localhost:9" }))
        assert.equal(200, status("GET", { Host = "127.0.0.1" }))
        assert.equal(200, status("GET", { Host = "[::1]:" .. s.port }))
      end
      local made = s:request("OPTIONS", "/v1/kv/default/k", nil, { Origin = "https://good.example",
        ["Access-Control-Request-Method"] = "PUT" })
      for name in pairs(made.headers) do
        assert.is_nil(name:find("^access%-control"))
      end
      assert.equal("1", s:request("GET", "/v1/kv/default/k").body)
    end)

    it("send JSON only as JSON; programs as they like", function()
      local s = start()
      for _, target in ipairs(JSON_ROUTES) do
        local function status(kind, more)
          local headers = more or {}
          headers["Content-Type"] = kind
          return s:request("POST", target, "[]", headers).status
        end
        for _, kind in ipairs { "text/plain", "text/plain;charset=UTF-8",
          "application/x-www-form-urlencoded", "multipart/form-data; boundary=x" } do
          assert.equal(415, status(kind, { ["Sec-Fetch-Site"] = "cross-site" }), kind)
          assert.equal(415, status(kind, { ["User-Agent"] = "Mozilla/5.0" }), kind)
          assert.are_not.equal(415, status(kind), kind)
        end
        assert.equal(415, status(nil, { ["User-Agent"] = "Mozilla/5.0" }))
        assert.are_not.equal(415, status("application/json",
          { ["User-Agent"] = "Mozilla/5.0" }))
      end
    end)

    it("run nothing that somebody stored", function()
      local s = start { flags = "--durability os" }
      for _, place in ipairs { "/v1/kv/default/", "/blobs/" } do
        local method = place == "/blobs/" and "POST" or "PUT"
        for _ = 1, 2 do
          s:request(method, place .. "page", "<script>1</script>",
            { ["Content-Type"] = "text/HTML; charset=utf-8" })
          s:request(method, place .. "text", "<script>1</script>",
            { ["Content-Type"] = "text/plain" })
          local page = s:request("GET", place .. "page").headers
          local text = s:request("GET", place .. "text").headers

          assert.same({ "nosniff", "sandbox" }, { page["x-content-type-options"],
            page["content-security-policy"] })
          assert.same({ "nosniff" }, { text["x-content-type-options"],
            text["content-security-policy"] })
        end
      end
      assert.equal("nosniff", s:request("GET", "/none").headers["x-content-type-options"])
    end)
  end)
end)
