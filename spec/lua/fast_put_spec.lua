-- Plain PUTs that come with one poll are one commit: what each is answered, and what may not be
-- overtaken. Pipelined over one socket, so that they do come with one poll.
local server = require "spec.support.server"
local socket = require "socket"

describe("PUTs of one poll", function()
  after_each(server.stop_all)

  local function message(method, target, body)
    return ("%s %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%s"):format(method,
      target, #(body or ""), body or "")
  end

  local function receive(client)
    local status = assert(client:receive("*l")):match(" (%d+) ")
    local answer = { status = tonumber(status), headers = {} }
    for line in function() return assert(client:receive("*l")) end do
      if line == "" then
        break
      end
      local name, value = line:match("^([^:]+): (.*)$")
      answer.headers[name:lower()] = value
    end
    local size = tonumber(answer.headers["content-length"] or 0)
    answer.body = size > 0 and assert(client:receive(size)) or ""
    return answer
  end

  -- Sends all requests at once and returns their answers.
  local function pipeline(s, requests)
    local client = assert(socket.connect("127.0.0.1", s.port))
    client:settimeout(30)
    assert(client:send(table.concat(requests)))
    local answers = {}
    for at = 1, #requests do
      answers[at] = receive(client)
    end
    client:close()
    return answers
  end

  local function start(durability)
    local s = server.start { flags = "--durability " .. durability }
    s:request("PUT", "/v1/kv/default/warm", "1")
    s:request("PUT", "/v1/buckets/other")
    s:request("GET", "/v1/kv/default/warm")
    s:request("GET", "/v1/kv/other/warm")
    return s
  end

  for _, durability in ipairs { "os", "interval", "sync" } do
    it("are answered one by one, durability " .. durability, function()
      local s = start(durability)
      local requests = {}
      for at = 1, 30 do
        requests[at] = message("PUT", "/v1/kv/default/k" .. (at + 1) % 20, "v" .. at)
      end
      local answers = pipeline(s, requests)

      for at, answer in ipairs(answers) do
        assert.equal(at <= 20 and 201 or 204, answer.status)
        assert.equal('"' .. answer.headers["x-kv-seq"] .. '"', answer.headers.etag)
        assert.equal(tonumber(answers[1].headers["x-kv-seq"]) + at - 1,
          tonumber(answer.headers["x-kv-seq"]))
      end
      assert.equal("v30", s:request("GET", "/v1/kv/default/k11").body)
      assert.equal("v11", s:request("GET", "/v1/kv/default/k12").body)
      local row = s:request("GET", "/v1/kv/default/k11")
      assert.equal(answers[30].headers.etag, row.headers.etag)
    end)
  end

  it("are seen by a GET behind them on the same connection", function()
    local s = start("os")
    local answers = pipeline(s, {
      message("PUT", "/v1/kv/default/a", "1"), message("GET", "/v1/kv/default/a"),
      message("PUT", "/v1/kv/default/a", "2"), message("GET", "/v1/kv/default/a?meta=1"),
      message("PUT", "/v1/kv/default/a", "3"), message("DELETE", "/v1/kv/default/a"),
      message("GET", "/v1/kv/default/a"),
    })

    assert.same({ 201, "1" }, { answers[1].status, answers[2].body })
    assert.equal(answers[3].headers.etag, answers[4].headers.etag)
    assert.same({ 204, 204, 404 }, { answers[5].status, answers[6].status, answers[7].status })
  end)

  it("may differ in bucket, durability and size", function()
    local s = start("os")
    local large = ("x"):rep(200000)
    local answers = pipeline(s, {
      message("PUT", "/v1/kv/default/a", "1"), message("PUT", "/v1/kv/other/a", "2"),
      message("PUT", "/v1/kv/default/b?durability=sync", "3"),
      message("PUT", "/v1/kv/default/c?durability=os", large),
      message("PUT", "/v1/kv/default/d?durability=interval", "4"),
      message("PUT", "/v1/kv/default/e?durability=never", "5"),
      message("PUT", "/v1/kv/default/f%20", "6"),
    })

    for at, status in ipairs { 201, 201, 201, 201, 201, 400, 201 } do
      assert.equal(status, answers[at].status)
    end
    assert.equal("2", s:request("GET", "/v1/kv/other/a").body)
    assert.equal("3", s:request("GET", "/v1/kv/default/b").body)
    assert.equal(large, s:request("GET", "/v1/kv/default/c").body)
    assert.equal("6", s:request("GET", "/v1/kv/default/f%20").body)
  end)

  it("are counted", function()
    local s = start("os")
    local requests = {}
    for at = 1, 5 do
      requests[at] = message("PUT", "/v1/kv/default/k", "v" .. at)
    end
    pipeline(s, requests)

    local text = s:request("GET", "/metrics").body
    assert.matches('route="kv_put",status="201"} 2\n', text)
    assert.matches('route="kv_put",status="204"} 4\n', text)
  end)
end)
