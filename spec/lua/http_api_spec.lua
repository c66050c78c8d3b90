-- End to end: a real server process, driven by curl and luasocket. The details of each route are in
-- routes_spec.lua; here is what needs sockets, workers, signals, time and a disk.
local json = require "loam.json"
local server = require "spec.support.server"

describe("loam serve", function()
  local start = server.start

  after_each(server.stop_all)

  local function decoded(answer)
    return assert(json.decode(answer.body))
  end

  it("answers every kind of request of the API", function()
    local s = start()

    assert.equal(201, s:curl("-X PUT --data-binary hello", "/v1/kv/default/a").status)
    assert.equal(204, s:curl("-X PUT --data-binary hello2", "/v1/kv/default/a").status)
    assert.equal("hello2", s:curl("", "/v1/kv/default/a").body)
    assert.equal(200, s:curl("-I", "/v1/kv/default/a").status)
    local head = s:request("HEAD", "/v1/kv/default")
    assert.same({ 200, nil, "application/x-ndjson" }, -- The length of a stream is not known.
      { head.status, head.headers["content-length"], head.headers["content-type"] })
    assert.equal(200, s:curl("-X POST", "/v1/kv/default/n?op=incr&init=1").status)
    assert.equal(200, s:curl("-X POST --data-binary '[{\"k\":\"a\"}]'", "/v1/mget").status)
    assert.equal(200, s:curl("-X POST --data-binary '{\"op\":\"put\",\"k\":\"b\",\"v\":\"1\"}'",
      "/v1/batch").status)
    assert.equal(200, s:curl("", "/v1/kv/default?prefix=a").status)
    assert.equal(201, s:curl("-X PUT", "/v1/buckets/other").status)
    assert.equal(201, s:curl("-X PUT -d 1", "/v1/kv/other/a").status)
    assert.equal(204, s:curl("-X DELETE", "/v1/buckets/other").status)
    assert.equal(404, s:curl("", "/v1/kv/other/a").status)
    assert.equal(201, s:curl("-X POST --data-binary blob", "/blobs/k").status)
    assert.equal("blob", s:curl("", "/blobs/k").body)
    assert.equal('["k"]\n', s:curl("", "/blobs").body)
    assert.equal(204, s:curl("-X DELETE", "/blobs/k").status)
    assert.equal(204, s:curl("-X DELETE", "/v1/kv/default/a").status)
    assert.equal(404, s:curl("", "/v1/kv/default/a").status)
    for _, target in ipairs { "/health", "/livez", "/readyz", "/metrics", "/openapi.json",
      "/v1/buckets",
      "/v1/admin/stats", "/v1/admin/levels", "/v1/admin/config", "/v1/admin/jobs" } do
      assert.equal(200, s:curl("", target).status)
    end
    assert.equal(200, s:curl("-X POST", "/v1/admin/flush").status)
    assert.equal(200, s:curl("-X POST", "/v1/admin/compact?wait=1").status)
  end)

  it("gives the plain GET the same headers on its fast way and on the general one", function()
    local s = start()
    s:request("PUT", "/v1/kv/default/k?ttl=1000", "value", { ["Content-Type"] = "text/x" })

    local general = s:request("GET", "/v1/kv/default/k?enc=b64u", nil)
    assert.equal(400, general.status)
    local first = s:request("GET", "/v1/kv/default/k")
    local second = s:request("GET", "/v1/kv/default/k")
    local head = s:request("HEAD", "/v1/kv/default/k")

    assert.same({ 200, "value" }, { second.status, second.body })
    for _, name in ipairs { "etag", "x-kv-seq", "x-kv-expires-at", "content-type",
      "content-length" } do
      assert.equal(first.headers[name], second.headers[name])
      assert.equal(first.headers[name], head.headers[name])
    end
    assert.equal(304, s:request("GET", "/v1/kv/default/k", nil,
      { ["If-None-Match"] = second.headers.etag }).status)
    local absent = s:request("GET", "/v1/kv/default/none")
    assert.same({ 404, "NOT_FOUND" }, { absent.status, decoded(absent).code })
    assert.equal(400, s:request("GET", "/v1/kv/default/a%zz").status)
  end)

  it("gives the plain PUT the same answers on its fast way and on the general one", function()
    local s = start { flags = "--value-bytes-max 100" }
    local function put(key, body, headers)
      local made = s:request("PUT", "/v1/kv/default/" .. key, body, headers)
      local seq = made.headers["x-kv-seq"]
      assert.equal(seq and '"' .. seq .. '"', made.headers.etag)
      return made.status
    end
    local text = { ["Content-Type"] = "text/x" }

    assert.same({ 201, 204 }, { put("a", "general", text), put("a", "fast", text) })
    assert.same({ 201, 204, 204 }, { put("b", "fast"), put("b", "", text), put("b", "x", text) })
    assert.same({ 201, 412, 413, 400 }, { put("a%2Fb", "x"),
      put("a", "x", { ["If-None-Match"] = "*" }), put("a", ("x"):rep(101)), put("a%zz", "x") })
    local found = s:request("GET", "/v1/kv/default/a")
    assert.same({ "fast", "text/x" }, { found.body, found.headers["content-type"] })
    assert.equal("application/octet-stream",
      (s:request("PUT", "/v1/kv/default/c", "1") and s:request("GET", "/v1/kv/default/c"))
        .headers["content-type"])
    assert.matches('route="kv_put",status="201"} 4\n', s:request("GET", "/metrics").body)
  end)

  it("keeps what it has acknowledged over a stop and over kill -9", function()
    local s = start()
    assert.equal(201, s:request("PUT", "/v1/kv/default/stop", "1").status)
    assert.equal(0, s:stop())
    s = start { directory = s.directory }
    assert.equal("1", s:request("GET", "/v1/kv/default/stop").body)
    assert.equal(201, s:request("PUT", "/v1/kv/default/kill", "2").status)
    assert.equal(137, s:stop("KILL"))
    s = start { directory = s.directory }
    assert.equal("2", s:request("GET", "/v1/kv/default/kill").body)
  end)

  it("answers pipelined requests in order, waiting ones too", function()
    local s = start { app = [[
      local app = require "loam.app"
      app.get("/slow", function() app.sleep(0.1) return "slow" end)
      app.get("/quick", function() return "quick" end)]] }
    local connection = s:connect()
    local one = server.request_text
    assert(connection:send(one("GET", "/slow") .. one("PUT", "/v1/kv/default/p", "v")
      .. one("GET", "/quick") .. one("GET", "/v1/kv/default/none")))

    local bodies = {}
    for at = 1, 4 do
      local answer = server.read_answer(connection)
      bodies[at] = answer.status == 200 and answer.body or answer.status
    end

    assert.same({ "slow", 201, "quick", 404 }, bodies)
    connection:close()
  end)

  it("groups synced writes of many connections, each acknowledged once", function()
    local s = start { workers = 2 }
    local connections = {}
    for at = 1, 16 do
      connections[at] = s:connect()
      assert(connections[at]:send(server.request_text("PUT", "/v1/kv/default/k" .. at, "v" .. at)))
    end
    for at = 1, 16 do
      assert.equal(201, server.read_answer(connections[at]).status)
      connections[at]:close()
    end

    assert.equal(16, decoded(s:request("GET", "/v1/kv/default?count_only=1")).count)
  end)

  it("streams a large scan to a slow client without holding it in memory", function()
    local s = start()
    local value = ("x"):rep(100000)
    for at = 1, 60 do
      s:request("PUT", ("/v1/kv/default/%03d?durability=os"):format(at), value)
    end
    local connection = s:connect()
    assert(connection:send(server.request_text("GET", "/v1/kv/default")))
    assert.equal(200, s:request("GET", "/livez").status)

    local answer = server.read_answer(connection)

    assert.is_true(#answer.body > 6000000)
    assert.matches('{"count":60,"end":true,"next":null}\n$', answer.body)
    connection:close()
  end)

  it("frees the scan of a client that leaves in the middle", function()
    local s = start()
    for at = 1, 60 do
      s:request("PUT", ("/v1/kv/default/%03d?durability=os"):format(at), ("x"):rep(100000))
    end
    local connection = s:connect()
    assert(connection:send(server.request_text("GET", "/v1/kv/default")))
    assert(connection:receive("*l"))
    connection:close()

    server.wait_for("no open scan", function()
      return decoded(s:request("GET", "/v1/admin/stats")).scan_count == 0
    end)
  end)

  it("forgets the request of a client that leaves before its body is there", function()
    local s = start()
    for _ = 1, 3 do
      local connection = s:connect()
      assert(connection:send("PUT /v1/kv/default/a HTTP/1.1\r\nHost: localhost\r\n"
        .. "Content-Length: 100\r\n\r\nhalf"))
      server.wait_for("the head to arrive", function()
        return decoded(s:request("GET", "/v1/admin/stats")).http.in_flight == 2
      end)
      connection:close()
      server.wait_for("the handle to end", function()
        return decoded(s:request("GET", "/v1/admin/stats")).http.in_flight == 1
      end)
    end

    assert.equal(404, s:request("GET", "/v1/kv/default/a").status)
    assert.equal(0, s:stop())
  end)

  it("refuses what a page of another site could send", function()
    local s = start()
    assert.equal(403, s:request("GET", "/v1/kv/default/a", nil, { Host = "evil.example" }).status)
    assert.equal(403, s:request("PUT", "/v1/kv/default/a", "x",
      { Origin = "http://evil.example" }).status)
    assert.equal(404, s:request("GET", "/v1/kv/default/a", nil,
      { Host = "localhost:1", Origin = "http://localhost:1" }).status)
  end)

  it("names the limit of a body that is too large, before it is sent", function()
    local s = start { flags = "--value-bytes-max 1000 --body-bytes-max 100 "
      .. "--batch-body-bytes-max 200" }
    local put = s:request("PUT", "/v1/kv/default/a", ("x"):rep(1001))
    local batch = s:request("POST", "/v1/batch", ("x"):rep(201))

    assert.same({ 413, "value_bytes_max", 1000 }, { put.status, decoded(put).limit,
      decoded(put).value })
    assert.same({ 413, "batch_body_bytes_max" }, { batch.status, decoded(batch).limit })
    assert.equal(201, s:request("PUT", "/v1/kv/default/a", ("x"):rep(1000)).status)
  end)

  it("counts the answers of all workers in /metrics", function()
    local s = start { workers = 2 }
    s:request("PUT", "/v1/kv/default/a", "1")
    for _ = 1, 20 do
      s:request("GET", "/v1/kv/default/a")
    end

    -- A worker counts what it has answered: the client may be faster.
    local text = server.wait_for("20 answers", function()
      local body = s:request("GET", "/metrics").body
      return body:find('answers_total{method="GET",route="kv_get",status="200"} 20\n', 1, true)
        and body
    end)
    assert.matches("\nloam_http_requests_total %d%d+\n", text)
  end)

  it("times answers of the fast ways and of the general one alike", function()
    local s = start { flags = "--durability sync" }
    for at = 1, 12 do
      s:request("PUT", "/v1/kv/default/a", "1")
      s:request("PUT", "/v1/kv/default/b", "1", { ["If-Match"] = at == 1 and '"0"' or "*" })
      s:request("GET", "/v1/kv/default/a")
      s:request("GET", "/v1/kv/default/none")
    end

    server.wait_for("what was timed to be what was answered", function()
      local body = s:request("GET", "/metrics").body
      local function sum(route)
        local total = 0
        local pattern = 'answers_total{method="%u+",route="' .. route .. '",[^}]*} (%d+)'
        for count in body:gmatch(pattern) do
          total = total + tonumber(count)
        end
        return total
      end
      local function timed(route)
        return tonumber(body:match('handler_seconds_count{route="' .. route .. '"} (%d+)') or 0)
      end
      return sum("kv_get") == 24 and timed("kv_get") == 24 and sum("kv_put") == 24
        and timed("kv_put") == 24
    end)
  end)
end)
