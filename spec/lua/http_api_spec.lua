-- End to end: a real server process, driven by curl and luasocket. The details of each route are in
-- routes_spec.lua; here is what needs sockets, workers, signals, time and a disk.
local json = require "loam.json"
local server = require "spec.support.server"
local socket = require "socket"

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

    local text = s:request("GET", "/metrics").body
    assert.matches('loam_http_answers_total{method="GET",route="kv_get",status="200"} 20\n', text)
    assert.matches("\nloam_http_requests_total 2%d\n", text)
  end)

  describe("app.lua", function()
    local APP = [[
      local app = require "loam.app"
      local seen = 0
      app.get("/hello/:name", function(req) return "hello " .. req.params.name end)
      app.post("/echo", function(req) return { body = req.body, kind = req.headers.content_type,
        q = req.query.q } end)
      app.get("/status", function() return 418, "teapot", { ["X-Tea"] = "green" } end)
      app.get("/lines", function()
        local n = 0
        return function() n = n + 1 if n <= 3 then return { n = n } end end
      end)
      app.get("/boom", function() error("secret at /etc/place") end)
      app.get("/badheader", function() return 200, "x", { ["X-A"] = "a\r\nB: c" } end)
      app.get("/nothing", function() end)
      app.put("/kv/:key", function(req) return { seq = assert(kv.put(req.params.key,
        req.body)) } end)
      app.get("/kv/:key", function(req) return kv.get(req.params.key) or (404) end)
      app.get("/rows", function() return kv.scan { prefix = "r" } end)
      app.get("/own", function()
        local co = coroutine.wrap(function() return kv.put("own", "1") end)
        return { seq = co() }
      end)
      app.any("/any", function(req) return req.method end)
      app.get("/sleep", function() app.sleep(0.15) return "slept" end)
      app.get("/seen", function() return { seen = seen } end)
      app.after(0.01, function() seen = seen + 100 kv.put("timer", "fired") end)
      app.every(0.01, function() seen = seen + 1 if seen % 7 == 3 then error("tick") end end)
      metrics.counter("app_loaded_total", "Loads."):inc()
    ]]

    it("answers with what handlers return", function()
      local s = start { app = APP }

      assert.equal("hello bob b", s:request("GET", "/hello/bob%20b").body)
      local echo = decoded(s:request("POST", "/echo?q=1", "data", { ["Content-Type"] = "text/x" }))
      assert.same({ body = "data", kind = "text/x", q = "1" }, echo)
      local tea = s:request("GET", "/status")
      assert.same({ 418, "teapot", "green" }, { tea.status, tea.body, tea.headers["x-tea"] })
      assert.equal('{"n":1}\n{"n":2}\n{"n":3}\n', s:request("GET", "/lines").body)
      assert.equal(204, s:request("GET", "/nothing").status)
      assert.equal("PATCH", s:request("PATCH", "/any", "").body)
      assert.equal(405, s:request("POST", "/status", "").status)
      assert.matches("app_loaded_total 1", s:request("GET", "/metrics").body)
    end)

    it("answers 500 without details and logs the traceback once", function()
      local s = start { app = APP }

      for _, target in ipairs { "/boom", "/badheader" } do
        local answer = s:request("GET", target)
        assert.same({ 500, "internal error" }, { answer.status, decoded(answer).error })
        assert.is_nil(answer.headers.b)
      end
      local _, lines = s:log():gsub("GET /boom failed", "")
      assert.equal(1, lines)
    end)

    it("reads and writes the served store by kv, also where it cannot wait", function()
      local s = start { app = APP }

      assert.equal(200, s:request("PUT", "/kv/r1", "one").status)
      assert.equal("one", s:request("GET", "/v1/kv/default/r1").body)
      assert.equal("one", s:request("GET", "/kv/r1").body)
      assert.equal('{"k":"r1","v":"one"}\n', s:request("GET", "/rows").body)
      assert.equal(200, s:request("GET", "/own").status)
      assert.equal("1", s:request("GET", "/kv/own").body)
    end)

    it("sleeps without holding up others, and runs timers in one worker", function()
      local s = start { app = APP }
      local sleepers, started = {}, socket.gettime()
      for at = 1, 8 do
        sleepers[at] = s:connect()
        assert(sleepers[at]:send(server.request_text("GET", "/sleep")))
      end
      assert.equal("hello x", s:request("GET", "/hello/x").body)
      for at = 1, 8 do
        assert.equal("slept", server.read_answer(sleepers[at]).body)
        sleepers[at]:close()
      end

      assert.is_true(socket.gettime() - started < 1.1)
      server.wait_for("both timers", function()
        return decoded(s:request("GET", "/seen")).seen > 110
      end)
      assert.equal("fired", s:request("GET", "/v1/kv/default/timer").body)
    end)

    it("runs middleware around routes, built-in ones too", function()
      local s = start { app = [[
        local app = require "loam.app"
        app.use(function(req, next)
          if req.headers.token ~= "t" then return 403, "no" end
          local answer = next(req)
          answer.headers["X-Seen"] = "1"
          return answer
        end)
        app.get("/x", function() return "x" end)]] }

      assert.equal(403, s:request("GET", "/x").status)
      assert.equal(403, s:request("GET", "/v1/kv/default/a").status)
      local answer = s:request("GET", "/x", nil, { token = "t" })
      assert.same({ 200, "1" }, { answer.status, answer.headers["x-seen"] })
      assert.equal(201, s:request("PUT", "/v1/kv/default/a", "1", { token = "t" }).status)
      assert.equal(200, s:request("GET", "/v1/kv/default/a", nil, { token = "t" }).status)
    end)

    it("serves files of a directory and nothing outside", function()
      local s = start { app = [[require("loam.app").static("/f", "public")]] }
      local files = s.directory .. "/public/sub"
      os.execute(("mkdir -p %s && printf hi >%s/index.html"):format(files, files))

      local found = s:request("GET", "/f/sub/")
      assert.same({ 200, "hi", "text/html; charset=utf-8", "2" }, { found.status, found.body,
        found.headers["content-type"], found.headers["content-length"] })
      for _, name in ipairs { "../app.lua", "..%2Fapp.lua", "sub", "none", "%00",
        "sub/../../app.lua",
        "/etc/passwd" } do
        assert.equal(404, s:request("GET", "/f/" .. name).status)
      end
    end)

    it("is loaded again with --dev when it changes; a broken one leaves the old in place",
      function()
      local s = start { flags = "--dev", app = [[
        require("loam.app").get("/v", function() return "one" end)]] }
      assert.equal("one", s:request("GET", "/v").body)

      s:write_app([[require("loam.app").get("/v", function() return "two" end)]])
      server.wait_for("the new version", function() return s:request("GET", "/v").body == "two" end)
      s:write_app("this is not Lua")
      server.wait_for("the complaint", function() return s:log():find("the old version stays") end)
      assert.equal("two", s:request("GET", "/v").body)
      s:write_app([[require("loam.app").get("/v", function() return "three" end)]])
      server.wait_for("the third version", function() return s:request("GET",
        "/v").body == "three" end)
    end)

    it("is loaded again on SIGHUP", function()
      local s = start { app = [[require("loam.app").get("/v", function() return "one" end)]],
        workers = 2 }
      s:write_app([[require("loam.app").get("/v", function() return "two" end)]])
      s:signal("HUP")
      server.wait_for("both workers", function()
        for _ = 1, 10 do
          if s:request("GET", "/v").body ~= "two" then
            return false
          end
        end
        return true
      end)
    end)
  end)

  describe("its end", function()
    local APP = [[local app = require "loam.app"
      app.get("/slow", function() app.sleep(0.3) return "done" end)
      app.get("/forever", function() app.sleep(1000) end)]]

    it("finishes running requests, refuses new connections and exits 0", function()
      local s = start { app = APP }
      local connection = s:connect()
      assert(connection:send(server.request_text("GET", "/slow")))
      server.wait_for("the request to run", function()
        return decoded(s:request("GET", "/v1/admin/stats")).http.in_flight == 2
      end)
      s:signal("TERM")

      assert.equal("done", server.read_answer(connection).body)
      assert.equal(0, s:stop())
      assert.is_nil((socket.connect("127.0.0.1", tonumber(s.port))))
      connection:close()
    end)

    it("cuts what is left after the deadline", function()
      local s = start { app = APP, flags = "--stop-deadline-ms 100ms" }
      local connection = s:connect()
      assert(connection:send(server.request_text("GET", "/forever")))
      server.wait_for("the request to run", function()
        return decoded(s:request("GET", "/v1/admin/stats")).http.in_flight == 2
      end)
      local started = socket.gettime()

      assert.equal(0, s:stop("INT"))
      assert.is_true(socket.gettime() - started < 5)
      connection:close()
    end)
  end)

  describe("its start", function()
    local function refused(words, pattern, exit_code, environment)
      local code, out, err = server.run(words, environment)
      assert.equal(exit_code, code)
      assert.equal("", out)
      assert.matches("^loam: [^\n]+\n$", err)
      assert.matches(pattern, err)
    end

    local tmpdir = require "spec.support.tmp"

    it("says in one line what is wrong", function()
      local dir = tmpdir()
      refused("serve --listen 0.0.0.0:0 --data " .. dir, "beyond loopback", 2)
      refused("serve --listen nonsense --data " .. dir, "HOST:PORT", 2)
      refused("serve --workers x --data " .. dir, "workers is a whole number", 2)
      refused("serve --wrkers 2", "%-%-wrkers", 2)
      refused("serve --config /nonexistent.lua", "nonexistent.lua", 2)
      refused("serve " .. dir .. "/none.lua --listen 127.0.0.1:0 --data " .. dir .. "/d",
        "none.lua", 1)
      refused("serve --data /proc/none --listen 127.0.0.1:0", "/proc/none", 1)
      refused("sreve", "did you mean 'serve'", 2)
      refused("config", "LOAM_WORKER", 2, "LOAM_WORKER=2")
    end)

    it("says that the port is in use, and that the store is", function()
      local s = start()
      local dir = tmpdir()
      local code, _, err = server.run("serve --listen 127.0.0.1:0 --data " .. s.directory
        .. "/data")
      assert.equal(1, code)
      assert.matches("^loam: [^\n]+\n$", err)
      local blocker = assert(socket.bind("127.0.0.1", 0))
      local _, port = blocker:getsockname()
      refused(("serve --data %s/d --listen 127.0.0.1:%d"):format(dir, port), tostring(port), 1)
      blocker:close()
    end)

    it("says file and line of a broken app.lua", function()
      local dir = tmpdir()
      local file = assert(io.open(dir .. "/app.lua", "w"))
      file:write("local x = 1\nx = = 2\n")
      file:close()
      refused(("serve %s/app.lua --data %s/d --listen 127.0.0.1:0"):format(dir, dir), "app.lua:2:",
        1)
    end)
  end)
end)
