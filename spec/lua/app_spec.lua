-- End to end: the user's app.lua on a real server: handlers, kv, timers, middleware, files, reload.
local json = require "loam.json"
local server = require "spec.support.server"

describe("loam serve", function()
  local start = server.start

  after_each(server.stop_all)

  local function decoded(answer)
    return assert(json.decode(answer.body))
  end

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
      local sleepers = 0
      app.get("/sleep", function() -- Nobody goes on before all eight are asleep.
        sleepers = sleepers + 1
        repeat app.sleep(0.01) until sleepers == 8
        return "slept"
      end)
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
      local _, lines = s:log():gsub("GET /boom %(request %x+%-%d+%) failed", "")
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
      local sleepers = {}
      for at = 1, 8 do
        sleepers[at] = s:connect()
        assert(sleepers[at]:send(server.request_text("GET", "/sleep")))
      end
      assert.equal("hello x", s:request("GET", "/hello/x").body)
      for at = 1, 8 do
        assert.equal("slept", server.read_answer(sleepers[at]).body)
        sleepers[at]:close()
      end

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
end)
