-- What a server writes down about requests: access log, slow log, audit log, failed handlers.
local json = require "loam.json"
local server = require "spec.support.server"
local tmpdir = require "spec.support.tmp"
local tokens = require "loam.tokens"

describe("the logs of loam serve", function()
  local start = server.start

  after_each(server.stop_all)

  local function read(path)
    local file = io.open(path, "rb")
    local text = file and file:read("*a") or ""
    if file then
      file:close()
    end
    return text
  end

  local function bearer(token)
    return { Authorization = "Bearer " .. token }
  end

  local function lines_of(path)
    local list = {}
    for line in read(path):gmatch("[^\n]+") do
      list[#list + 1] = assert(json.decode(line))
    end
    return list
  end

  local TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

  it("have a line per request, fast ways too, without secrets or control bytes", function()
    local dir = tmpdir()
    local token = assert(tokens.create(dir .. "/tokens", { roles = { "admin" } })).text
    local s = start { flags = ("--durability os --tokens %s/tokens --access-log %s/access "
      .. "--audit-log %s/audit"):format(dir, dir, dir) }
    for at = 1, 3 do
      s:request("PUT", "/v1/kv/default/k" .. at, "12345", bearer(token))
      s:request("GET", "/v1/kv/default/k" .. at, nil, bearer(token))
    end
    s:request("GET", '/v1/kv/default?prefix="%0a', nil,
      { Authorization = "Bearer " .. token, traceparent = TRACE })
    s:request("GET", "/none", nil, bearer("loam_wrong"))
    local absent = s:request("GET", "/v1/kv/default/absent", nil, bearer(token)).body
    s:request("HEAD", "/v1/kv/default/k1", nil, bearer(token))
    s:request("POST", "/v1/admin/flush", nil, bearer(token))
    s:request("DELETE", "/v1/buckets/none", nil, bearer(token))
    os.rename(dir .. "/access", dir .. "/rotated")
    s:signal("HUP")
    server.wait_for("the new file", function() return io.open(dir .. "/access") end)
    s:request("GET", "/livez")
    s:stop()

    local access, audit = lines_of(dir .. "/rotated"), lines_of(dir .. "/audit")
    assert.equal(12, #access)
    assert.same({ "PUT", "/v1/kv/default/k1", "kv_put", 201 }, { access[1].method,
      access[1].target, access[1].route, access[1].status })
    assert.same({ "kv_get", 200, 5, token:match("^loam_(%x+)") }, { access[6].route,
      access[6].status, access[6].bytes, access[6].token })
    assert.equal("0af7651916cd43dd8448eb211c80319c", access[7].trace_id)
    assert.same({ 401, "none" }, { access[8].status, access[8].route })
    assert.same({ 404, #absent, 200, 0 }, { access[9].status, access[9].bytes,
      access[10].status, access[10].bytes })
    assert.matches("^127%.0%.0%.1:%d+$", access[1].peer)
    assert.matches("^%x+%-%d+$", access[1].request_id)
    assert.same({ "/livez" }, { lines_of(dir .. "/access")[1].target })
    assert.same({ 401, 200, 404 }, { audit[1].status, audit[2].status, audit[3].status })
    assert.same({ "wrong token", "admin_flush", "bucket_delete" }, { audit[1].why,
      audit[2].route, audit[3].route })
    local all = read(dir .. "/rotated") .. read(dir .. "/audit") .. s:log()
    assert.is_nil(all:find(token:sub(23), 1, true))
    assert.is_nil(all:find("Bearer", 1, true))
  end)

  it("find a failed handler by the id that its client was told", function()
    local s = start { app = [[
      app.get("/boom/:x", function() error("broken") end)
      app.get("/stream", function() return function() error("cut") end end)
      app.get("/header", function() return 200, "x", { ["X-A"] = "a\r\nB: c" } end)]] }
    for _, target in ipairs { "/boom/a%01", "/header" } do
      local made = s:request("GET", target)
      local id = json.decode(made.body).request_id

      assert.equal(500, made.status)
      assert.matches("GET " .. target .. " (request " .. id .. ")", s:log(), 1, true)
    end
    local connection = s:connect()
    assert(connection:send(server.request_text("GET", "/stream")))
    connection:receive("*a")
    connection:close()
    assert.matches("GET /stream %(request %x+%-%d+%) failed: ", s:log())
  end)

  it("have a line per request that was never understood", function()
    for format, pattern in pairs { json = '"peer":"127%.0%.0%.1:%d+","request_id":"%x+%-%d+",'
      .. '"route":"none","status":400,.*"why":"malformed header name"}\n$',
      common = '^127%.0%.0%.1 %- %- %[%d+/%a+/%d+:%d+:%d+:%d+ %+0000%] "%-" 400 %-\n$' } do
      local path = tmpdir() .. "/access"
      local s = start { flags = ("--access-log %s --access-log-format %s"):format(path, format) }
      local connection = s:connect()
      assert(connection:send("GET / HTTP/1.1\r\nHost: a\r\nB\1ad: secret\r\n\r\n"))
      assert.equal(400, server.read_answer(connection).status)
      connection:close()
      server.wait_for("the line", function() return read(path) ~= "" end)

      assert.matches(pattern, read(path))
      assert.is_nil(read(path):find("secret", 1, true))
      assert.equal(0, s:stop())
    end
  end)

  it("take one request in N, and all that are slow", function()
    local dir = tmpdir()
    local s = start { flags = ("--access-log %s/access --access-log-format common "
      .. "--access-log-sample 5 --slow-log-ms 50"):format(dir),
      app = [[app.get("/slow", function() app.sleep(0.06) return "x" end)]] }
    for _ = 1, 10 do
      s:request("GET", "/v1/kv/default/none")
    end
    s:request("GET", "/slow", nil, { traceparent = TRACE })
    s:stop()

    local text = read(dir .. "/access")
    local _, count = text:gsub("\n", "")
    -- A machine that is busy makes others slow too: the log of the server tells.
    local _, slow_others = s:log():gsub("slow request GET /v1/kv/default/none ", "")
    assert.is_true(count >= 3 and count <= 3 + slow_others, text)
    assert.matches('^127%.0%.0%.1 %- %- %[%d%d/%a%a%a/%d%d%d%d:%d%d:%d%d:%d%d %+0000%] '
      .. '"GET /v1/kv/default/none HTTP/1%.1" 404 %d+\n', text)
    assert.matches('"GET /slow HTTP/1%.1" 200 1\n$', text)
    assert.matches("WARN %[1%] slow request GET /slow ", s:log())
    assert.matches("trace_id=0af7651916cd43dd8448eb211c80319c", s:log())
  end)
end)
