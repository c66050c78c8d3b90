-- End to end: bodies that go through a handler in pieces, whole, cut, refused and ended.
local client = require "loam.client"
local json = require "loam.json"
local server = require "spec.support.server"

local MIB = 1024 * 1024
local HEAD = "POST /v1/kv/default HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"

-- A sanitizer keeps freed memory for a while: only a plain run tells what is in use.
local is_plain = os.getenv("LD_PRELOAD") == nil

describe("uploads", function()
  after_each(server.stop_all)

  local function rows_text(first, last, size)
    local value, lines = ("x"):rep(size or 10), {}
    for at = first, last do
      lines[#lines + 1] = ('{"k":"k%07d","v":"%s"}\n'):format(at, value)
    end
    return table.concat(lines)
  end

  local function chunk(text)
    return ("%x\r\n%s\r\n"):format(#text, text)
  end

  local function count_of(s)
    return json.decode(s:request("GET", "/v1/kv/default?count_only=1").body).count
  end

  local function running(s, method)
    for _, call in ipairs(json.decode(s:request("GET", "/v1/admin/calls").body).calls) do
      if call.method == method then
        return call
      end
    end
  end

  -- A connection that has sent 3500 rows of a body that is to go on.
  local function begin(s)
    local connection = s:connect()
    assert(connection:send(HEAD))
    for first = 1, 3500, 500 do
      assert(connection:send(chunk(rows_text(first, first + 499))))
    end
    server.wait_for("three batches", function()
      local call = running(s, "POST")
      return call and call.rows_done == 3000
    end)
    return connection
  end

  local function peak_bytes(s)
    local file = assert(io.open(("/proc/%d/status"):format(s.pid)))
    local kib = tonumber(file:read("*a"):match("VmHWM:%s*(%d+)"))
    file:close()
    return kib * 1024
  end

  it("of any size go through in flat memory", function()
    local s = server.start { flags = "--memory-bytes 48MiB --durability os" }
    local c = assert(client.new(s.url))
    local last = 0

    local count = assert(c:load("default", function()
      if last < 120000 then
        last = last + 500
        return rows_text(last - 499, last, 2000)
      end
    end))

    assert.same({ 120000, 120000 }, { count, count_of(s) })
    assert.is_true(peak_bytes(s) < 160 * MIB or not is_plain,
      ("%.0f MiB at most"):format(peak_bytes(s) / MIB))
    c:close()
    assert.equal(0, s:stop())
  end)

  it("come as a whole body or in pieces of any size", function()
    local s = server.start { flags = "--durability os" }
    assert.equal(1, json.decode(s:request("POST", "/v1/kv/default", rows_text(1, 1)).body).count)
    assert.equal(9000, json.decode(s:request("POST", "/v1/kv/default",
      rows_text(1, 9000)).body).count)
    assert.equal(0, json.decode(s:request("POST", "/v1/kv/default", "").body).count)
    local connection = s:connect()
    assert(connection:send(HEAD))
    for at = 1, 3 do
      for byte in rows_text(at + 20000, at + 20000):gmatch(".") do
        assert(connection:send(chunk(byte)))
      end
    end
    assert(connection:send(chunk("\n") .. "0\r\n\r\n" .. server.request_text("GET", "/livez")))

    assert.equal(3, json.decode(server.read_answer(connection).body).count)
    assert.equal(200, server.read_answer(connection).status)
    assert.equal(9003, count_of(s))
    connection:close()
  end)

  it("whose client leaves keep what was committed and end", function()
    local s = server.start { flags = "--durability os" }
    local connection = begin(s)

    connection:close()

    server.wait_for("its end", function() return not running(s, "POST") end)
    assert.equal(3000, count_of(s))
    assert.equal(0, s:stop())
  end)

  it("that are malformed in the middle end there", function()
    local s = server.start { flags = "--durability os" }
    local connection = begin(s)
    assert(connection:send("no chunk\r\n"))

    assert.equal(400, server.read_answer(connection).status)
    server.wait_for("its end", function() return not running(s, "POST") end)
    assert.equal(3000, count_of(s))
    connection:close()
  end)

  it("are answered at the line that is no row, and the rest is not waited for", function()
    local s = server.start { flags = "--durability os" }
    local connection = begin(s)
    assert(connection:send(chunk("nonsense\n")))

    local made = server.read_answer(connection)

    local told = json.decode(made.body)
    assert.same({ 400, 3501, 3000, 3000 }, { made.status, told.line, told.count, count_of(s) })
    connection:close()
    local c = assert(client.new(s.url))
    local pieces = 0
    local count, err = c:load("default", function()
      pieces = pieces + 1
      return pieces == 1 and "nonsense\n" or pieces < 100000 and rows_text(1, 100, 100) or nil
    end)
    assert.is_nil(count)
    assert.same({ 400, 0, 1 }, { err.status, err.count, err.line })
    assert.is_true(pieces < 100000)
    assert.equal(0, assert(c:load("default", function() end)))
    c:close()
    assert.equal(404, s:request("POST", "/v1/kv/none", rows_text(1, 9)).status)
  end)

  it("can be ended while their client is waited for", function()
    local s = server.start { flags = "--durability os" }
    local connection = begin(s)

    assert.equal(202, s:request("DELETE", "/v1/admin/calls/" .. running(s, "POST").id).status)

    local made = server.read_answer(connection)
    local told = json.decode(made.body)
    assert.same({ 503, "CANCELLED", 3000 }, { made.status, told.code, told.count })
    connection:close()
    assert.equal(3000, count_of(s))
    assert.equal(0, s:stop())
  end)

  it("reach handlers of app.lua piece by piece", function()
    local s = server.start { app = [[
      local app = require "loam.app"
      app.put("/size", function(req)
        local size, pieces = 0, 0
        for piece in req.read do
          size, pieces = size + #piece, pieces + 1
          kv.put("size", tostring(size), { durability = "os" })
        end
        return { size = size, pieces = pieces, body = #req.body }
      end, { is_stream = true })
      app.put("/early", function() return 200, "no need" end, { is_stream = true })
      app.put("/whole", function(req) return { size = #req.read(), body = #req.body } end)
    ]] }
    local body = ("x"):rep(20 * MIB)

    local made = json.decode(s:request("PUT", "/size", body).body)

    assert.same({ 20 * MIB, 0 }, { made.size, made.body })
    assert.is_true(made.pieces > 100)
    assert.equal(tostring(20 * MIB), s:request("GET", "/v1/kv/default/size").body)
    assert.equal('{"body":0,"pieces":1,"size":5}\n',
      (s:request("PUT", "/size", "hello").body:gsub('"body":5', '"body":0')))
    assert.equal(200, s:request("PUT", "/early", "hello").status)
    assert.equal('{"body":70000,"size":70000}\n', s:request("PUT", "/whole",
      ("x"):rep(70000)).body)
    assert.equal(0, s:stop())
  end)
end)
