-- End to end: the list of what runs, and the end of a scan whose client does not read.
local json = require "loam.json"
local server = require "spec.support.server"

describe("loam.calls", function()
  after_each(server.stop_all)

  local function list(s)
    return assert(json.decode(s:request("GET", "/v1/admin/calls").body))
  end

  local function find(s, target)
    for _, call in ipairs(list(s).calls) do
      if call.target == target then
        return call
      end
    end
  end

  it("shows requests of every worker and ends a stream, which frees its scan", function()
    local s = server.start { workers = 2, flags = "--durability os" }
    local value = ("x"):rep(1024 * 1024)
    for at = 1, 40 do
      s:request("PUT", "/v1/kv/default/k" .. at, value)
    end
    local connection = s:connect()
    assert(connection:send(server.request_text("GET", "/v1/kv/default?limit=40")))
    local call = server.wait_for("the scan to stream", function()
      local found = find(s, "/v1/kv/default?limit=40")
      return found and found.state == "streaming" and found
    end)
    assert.same({ "GET", {} }, { call.method, list(s).silent_workers })
    assert.matches("^127%.0%.0%.1:%d+$", call.peer)

    assert.equal(202, s:request("DELETE", "/v1/admin/calls/" .. call.id).status)

    server.wait_for("its end", function() return not find(s, "/v1/kv/default?limit=40") end)
    assert.equal(404, s:request("DELETE", "/v1/admin/calls/" .. call.id).status)
    local whole, _, part = connection:receive("*a")
    assert.is_nil((whole or part):find('"end":true', 1, true))
    connection:close()
    assert.equal(0, s:stop())
  end)

  it("ends handlers that sleep, scan, write or refuse to end, and the server goes on", function()
    local s = server.start { flags = "--durability sync", app = [[
      local app = require "loam.app"
      for at = 1, 20000 do assert(kv.put("k" .. at, "v", { durability = "os" })) end
      app.get("/sleep", function() app.sleep(1000) return "slept" end)
      app.get("/stubborn", function() while true do pcall(app.sleep, 1000) end end)
      app.get("/scan", function()
        while true do for _ in kv.scan { prefix = "k" } do end end
      end)
      app.get("/write", function()
        while true do assert(kv.put("w", "1")) end
      end)
      app.get("/stream", function()
        return function() app.sleep(0.001) return { a = 1 } end
      end)]] }
    for _, target in ipairs { "/sleep", "/stubborn", "/scan", "/write", "/stream" } do
      local connection = s:connect()
      assert(connection:send(server.request_text("GET", target)))
      local call = server.wait_for(target, function() return find(s, target) end)

      assert.equal(202, s:request("DELETE", "/v1/admin/calls/" .. call.id).status)

      if target == "/stream" then
        local whole, _, part = connection:receive("*a")
        assert.matches("^HTTP/1%.1 200 ", whole or part)
        assert.is_nil((whole or part):find("\r\n0\r\n\r\n$"))
      else
        local made = server.read_answer(connection)
        assert.same({ 503, "CANCELLED" }, { made.status, json.decode(made.body).code })
      end
      connection:close()
      server.wait_for("its end", function() return not find(s, target) end)
    end
    assert.equal("1", s:request("GET", "/v1/kv/default/w").body)
    assert.equal(0, s:stop())
  end)

  it("answers all who ask at the same time", function()
    local s = server.start { workers = 2 }
    local connections = {}
    for at = 1, 8 do
      connections[at] = s:connect()
      assert(connections[at]:send(server.request_text("GET", "/v1/admin/calls")))
    end
    for _, connection in ipairs(connections) do
      local status = server.read_answer(connection).status
      assert.is_true(status == 200 or status == 503)
      connection:close()
    end
    assert.equal(200, s:request("GET", "/v1/admin/calls").status)
  end)
end)
