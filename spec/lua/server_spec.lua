-- End to end: how a server process starts, refuses to start, and stops.
local json = require "loam.json"
local server = require "spec.support.server"
local socket = require "socket"
local tmpdir = require "spec.support.tmp"

describe("loam serve", function()
  local start = server.start

  after_each(server.stop_all)

  local function decoded(answer)
    return assert(json.decode(answer.body))
  end

  describe("its end", function()
    local APP = [[local app = require "loam.app"
      app.get("/slow", function(req)
        repeat app.sleep(0.01) until io.open(req.query.file)
        return "done"
      end)
      app.get("/forever", function() app.sleep(1000) end)]]

    it("finishes running requests, refuses new connections and exits 0", function()
      local s = start { app = APP }
      local connection = s:connect()
      local go = s.directory .. "/go"
      assert(connection:send(server.request_text("GET", "/slow?file=" .. go)))
      server.wait_for("the request to run", function()
        return decoded(s:request("GET", "/v1/admin/stats")).http.in_flight == 2
      end)
      s:signal("TERM")
      server.wait_for("new connections to be refused", function()
        return not socket.connect("127.0.0.1", tonumber(s.port))
      end)
      assert(io.open(go, "w")):close()

      assert.equal("done", server.read_answer(connection).body)
      assert.equal(0, s:stop())
      connection:close()
    end)

    it("cuts what is left after the deadline", function()
      local s = start { app = APP, flags = "--stop-deadline-ms 100ms" }
      local connection = s:connect()
      assert(connection:send(server.request_text("GET", "/forever")))
      server.wait_for("the request to run", function()
        return decoded(s:request("GET", "/v1/admin/stats")).http.in_flight == 2
      end)

      assert.equal(0, s:stop("INT")) -- Within the time of wait_for(), not after 1000 s.
      connection:close()
    end)

    it("comes even when a handler never returns, and loses no acknowledged write", function()
      local s = start {
        app = [[local app = require "loam.app"
          app.get("/spin", function() log.warn("spinning") while true do end end)]],
        flags = "--stop-deadline-ms 10ms --durability interval", workers = 2,
      }
      assert.equal(201, s:request("PUT", "/v1/kv/default/a", "1").status)
      local connection = s:connect()
      assert(connection:send(server.request_text("GET", "/spin")))
      server.wait_for("the handler to spin", function() return s:log():find "spinning" end)

      assert.equal(1, s:stop())

      assert.matches("1 of 2 workers do not end", s:log())
      connection:close()
      local again = start { directory = s.directory }
      assert.equal("1", again:request("GET", "/v1/kv/default/a").body)
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
