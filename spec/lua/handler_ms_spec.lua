-- End to end: handlers that compute for longer than handler_ms are ended, whatever they do against
-- it, and everything else goes on.
local json = require "loam.json"
local server = require "spec.support.server"

local APP = [[
  local spin = require "spin"
  app.get("/loop", function() local x = 0 while true do x = x + 1 end end)
  app.get("/pcall", function() while true do pcall(function() while true do end end) end end)
  app.get("/module", function() spin() end)
  app.get("/coroutine", function()
    local inner = coroutine.wrap(function() while true do end end)
    while true do pcall(inner) end
  end)
  app.get("/rows", function()
    while true do
      for _ in kv.scan {} do end
      assert(kv.put("a", "b", { durability = "os" }))
      kv.batch(function(w) w:put("c", "d") while true do end end)
    end
  end)
  app.get("/encode", function() while true do json.encode { 1, 2, 3 } end end)
  app.get("/sort", function()
    local list = {}
    for at = 1, 1000 do list[at] = at end
    while true do table.sort(list, function(a, b) return a > b end) end
  end)
  app.get("/load", function() load("while true do end")() end)
  app.get("/stream", function()
    local is_first = true
    return function()
      while not is_first do end
      is_first = false
      return { a = 1 }
    end
  end)
  app.get("/sleep", function()
    for at = 1, 8 do app.sleep(0.05) end
    return "slept"
  end)
  local is_spun = false
  app.after(0.001, function()
    if not is_spun then is_spun = true while true do end end
  end)
]]

describe("handler_ms", function()
  after_each(server.stop_all)

  it("ends what computes, with 504, and the worker goes on", function()
    local directory = server.make_directory()
    local file = assert(io.open(directory .. "/spin.lua", "w"))
    file:write("return function() while true do end end")
    file:close()
    local s = server.start { app = APP, directory = directory,
      flags = "--handler-ms 100ms --durability os" }

    for _, target in ipairs { "/loop", "/pcall", "/module", "/coroutine", "/rows", "/encode",
      "/sort", "/load" } do
      local made = s:request("GET", target)

      local told = json.decode(made.body)
      assert.same({ 504, "BUDGET", "handler_ms", 100 },
        { made.status, told.code, told.limit, told.value }, target)
      assert.equal("slept", s:request("GET", "/sleep").body)
    end
    assert.matches("GET /loop %(request [^)]+%) failed: [^ ]*app%.lua:2: ended", s:log())
    assert.matches("GET /module %(request [^)]+%) failed: [^ ]*spin%.lua:1: ended", s:log())
    assert.matches("timer failed: [^ ]*app%.lua:%d+: ended", s:log())
    local connection = s:connect()
    assert(connection:send(server.request_text("GET", "/stream")))
    local whole, _, part = connection:receive("*a")
    assert.matches("^HTTP/1%.1 200 ", whole or part)
    assert.is_nil((whole or part):find("\r\n0\r\n\r\n$"))
    connection:close()
    assert.equal(201, s:request("PUT", "/v1/kv/default/x", "1").status)
    assert.equal("b", s:request("GET", "/v1/kv/default/a").body)
    assert.equal(404, s:request("GET", "/v1/kv/default/c").status)
    assert.equal(0, s:stop())
  end)
end)
