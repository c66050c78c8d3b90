-- End to end: values, uploads and scans that are larger than what a server should hold in memory.
local json = require "loam.json"
local server = require "spec.support.server"

local MIB = 1024 * 1024
local KEY = "/v1/kv/default/large"

-- A sanitizer keeps freed memory for a while: only a plain run tells what is in use.
local is_plain = os.getenv("LD_PRELOAD") == nil

describe("large values and streams", function()
  local start = server.start

  after_each(server.stop_all)

  local function resident_bytes(s)
    local file = assert(io.open(("/proc/%d/statm"):format(s.pid)))
    local pages = tonumber(file:read("*a"):match("^%d+ (%d+)"))
    file:close()
    return pages * 4096
  end

  local function stats(s)
    return assert(json.decode(s:request("GET", "/v1/admin/stats").body))
  end

  local function put(s, size, query)
    local answer = s:request("PUT", KEY .. (query or ""), ("0123456789abcdef"):rep(size / 16))
    assert.is_true(answer.status == 201 or answer.status == 204, answer.body)
  end

  it("of 64 MiB come in and go out unchanged", function()
    local s = start()
    local size = 64 * MIB

    put(s, size, "?durability=sync")
    local answer = s:request("GET", KEY)

    assert.equal(200, answer.status)
    assert.equal(tostring(size), answer.headers["content-length"])
    assert.is_true(answer.body == ("0123456789abcdef"):rep(size / 16))
  end)

  it("of 64 MiB are in memory twice while they are committed and flushed", function()
    local s = start { flags = "--memory-bytes 32MiB" }
    s:request("GET", KEY)
    local function peak_mib()
      local file = assert(io.open(("/proc/%d/status"):format(s.pid)))
      local kib = tonumber(file:read("*a"):match("VmHWM:%s*(%d+) kB"))
      file:close()
      return kib / 1024
    end

    put(s, 64 * MIB)
    local committed = peak_mib()
    assert.equal(200, s:request("POST", "/v1/admin/flush").status)

    print(("PUT of 64 MiB: peak %d MiB, %d MiB with its flush"):format(committed, peak_mib()))
    assert.is_true(not is_plain or committed < 170)
    assert.is_true(not is_plain or peak_mib() < 170)
  end)

  it("become no Lua strings, also on the general way", function()
    -- The collector is off, so what a request makes can be counted. An access log has all requests
    -- take the general way.
    local s = start { flags = "--access-log /dev/null", app = [[
      collectgarbage("stop")
      require("loam.app").get("/lua_kib", function()
        return tostring(collectgarbage("count"))
      end)]] }
    put(s, 8 * MIB)
    assert.equal(201, s:request("POST", "/blobs/large", ("b"):rep(8 * MIB)).status)
    local before = tonumber(s:request("GET", "/lua_kib").body)

    put(s, 8 * MIB, "?ttl=1000")
    assert.equal(8 * MIB, #s:request("GET", KEY).body)
    assert.equal(8 * MIB, #s:request("GET", "/blobs/large").body)
    assert.equal(206, s:request("GET", "/blobs/large", nil, { Range = "bytes=5-" }).status)
    assert.equal("8388608", s:request("HEAD", KEY).headers["content-length"])

    assert.is_true(tonumber(s:request("GET", "/lua_kib").body) - before < 1024)
  end)

  it("above the limit are refused by its name, with and without a length", function()
    local s = start { flags = "--value-bytes-max 1MiB --batch-body-bytes-max 100KiB" }
    for target, limit in pairs { [KEY] = "value_bytes_max",
      ["/v1/batch"] = "batch_body_bytes_max" } do
      local method = target == KEY and "PUT" or "POST"
      local size = limit == "value_bytes_max" and MIB or 102400
      local connection = s:connect()
      assert(connection:send(("%s %s HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked"
        .. "\r\n\r\n%x\r\n"):format(method, target, size + 1)))
      local chunked = server.read_answer(connection)
      connection:close()
      connection = s:connect()
      assert(connection:send(("%s %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n")
        :format(method, target, size + 1)))
      local sized = server.read_answer(connection)
      connection:close()

      for _, made in ipairs { chunked, sized } do
        local told = json.decode(made.body)
        assert.same({ 413, limit, size }, { made.status, told.limit, told.value })
        assert.matches(limit, told.error, 1, true)
      end
    end
  end)

  it("of 8 MiB for many clients that do not read are in memory once", function()
    local s = start()
    put(s, 8 * MIB, "?durability=os")
    assert.equal(200, s:request("POST", "/v1/admin/flush?wait=1").status)
    assert.equal(200, s:request("GET", KEY).status)
    local before, clients = resident_bytes(s), {}
    for index = 1, 40 do
      clients[index] = s:connect()
      assert(clients[index]:send(server.request_text("GET", KEY)))
      assert.matches("^HTTP/1.1 200", clients[index]:receive("*l"))
    end

    local grown = resident_bytes(s) - before

    assert.is_true(grown < 64 * MIB or not is_plain, ("%.0f MiB more"):format(grown / MIB))
    assert.equal(200, s:request("GET", "/livez").status)
    -- They are still served, from where the value is.
    local rest = assert(clients[40]:receive(8 * MIB))
    assert.matches("0123456789abcdef", rest:sub(-100), 1, true)
    for _, client in ipairs(clients) do
      client:close()
    end
    server.wait_for("the end of all of them", function()
      return stats(s).http.active == 1
    end)
    assert.equal(0, stats(s).http.refused_memory)
  end)

  it("in parts of a large value come from where it is", function()
    local s = start()
    put(s, 4 * MIB, "?durability=os")

    local answer = s:request("GET", KEY, nil, { Range = ("bytes=%d-"):format(2 * MIB + 3) })

    assert.equal(206, answer.status)
    assert.equal(2 * MIB - 3, #answer.body)
    assert.equal("3456789abcdef012", answer.body:sub(1, 16))
    assert.equal("", s:request("HEAD", KEY).body)
  end)

  it("are uploaded one after the other without leaving anything behind", function()
    local s = start { flags = "--memory-bytes 256MiB" }
    put(s, 16 * MIB, "?durability=sync")
    local most = 0
    for _ = 1, 12 do
      put(s, 16 * MIB, "?durability=sync")
      most = math.max(most, resident_bytes(s))
    end

    assert.is_true(most < 512 * MIB or not is_plain, ("%.0f MiB in use"):format(most / MIB))
  end)

  it("that are written over while a client reads them stay what they were", function()
    local s = start()
    put(s, 8 * MIB, "?durability=os")
    local slow = s:connect()
    assert(slow:send(server.request_text("GET", KEY)))
    assert.matches("^HTTP/1.1 200", slow:receive("*l"))

    assert.equal(204, s:request("PUT", KEY, "new").status)
    assert.equal(200, s:request("POST", "/v1/admin/flush?wait=1").status)
    assert.is_true(s:request("POST", "/v1/admin/compact?wait=1").status < 300)

    repeat
      local line = assert(slow:receive("*l"))
    until line == ""
    assert.is_true(slow:receive(8 * MIB) == ("0123456789abcdef"):rep(MIB / 2))
    slow:close()
    assert.equal("new", s:request("GET", KEY).body)
    assert.equal(0, s:stop())
  end)
end)
