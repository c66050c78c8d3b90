-- The client's side of HTTP/1.1 against a listener in the same process: requests wait in the
-- kernel's buffers until this spec answers them.
local connection = require "loam.client.connection"
local socket = require "socket"
local urls = require "loam.client.url"

local OK = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

local listener, link, peer

before_each(function()
  listener = assert(socket.bind("127.0.0.1", 0))
  local _, port = listener:getsockname()
  link = connection.new({ host = "127.0.0.1", port = tonumber(port) }, 30)
end)

after_each(function()
  link:close()
  listener:close()
  if peer then
    peer:close()
    peer = nil
  end
end)

local function accept()
  peer = assert(listener:accept())
  peer:settimeout(30)
end

-- What came from the client so far: `count` heads.
local function read_heads(count)
  local heads = {}
  for at = 1, count do
    local lines = {}
    repeat
      lines[#lines + 1] = assert(peer:receive("*l"))
    until lines[#lines] == ""
    heads[at] = table.concat(lines, "\n")
  end
  return heads
end

-- Sends GET /, lets the peer answer with bytes and perhaps close.
local function answer(bytes, is_closed)
  assert(link:send("GET", "/"))
  if not peer then
    accept()
  end
  read_heads(1)
  peer:send(bytes)
  if is_closed then
    peer:close()
  end
end

describe("client.connection", function()
  it("parses URLs of servers and refuses others", function()
    local function place(text)
      local found = assert(urls.parse(text))
      return { found.host, found.port, found.is_tls }
    end
    assert.are.same({ "a.example", 80, false }, place("http://a.example"))
    assert.are.same({ "127.0.0.1", 8080, false }, place("http://127.0.0.1:8080/"))
    assert.are.same({ "::1", 81, false }, place("http://[::1]:81"))
    assert.are.same({ "a.example", 443, true }, place("https://a.example"))
    assert.are.same({ "::1", 8443, true }, place("https://[::1]:8443/"))
    assert.are.same({ "unix:/a", 0, false }, place("unix:/a"))
    for _, text in ipairs { "ftp://a", "a:80", "http://", "http://a:99999", "http://a/b",
      "https://u@a", "https:a" } do
      assert.is_nil((urls.parse(text)), text)
    end
  end)

  it("sends a request and reads bodies of every kind", function()
    local bodies = {
      { "Content-Length: 5\r\n\r\nhello", "hello" },
      { "Content-Length: 0\r\n\r\n", "" },
      { "Transfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3;x=1\r\nllo\r\n0\r\nT: 1\r\n\r\n", "hello" },
    }
    for _, body in ipairs(bodies) do
      answer("HTTP/1.1 200 OK\r\n" .. body[1])
      local response = assert(link:receive())

      assert.are.equal(200, response.status)
      assert.are.equal(body[2], link:read_all(response))
    end
    answer("HTTP/1.1 200 OK\r\n\r\nuntil the end", true)
    assert.are.equal("until the end", link:read_all(assert(link:receive())))
  end)

  it("takes no body of a 204 and skips interim answers", function()
    answer("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\nX-KV-Seq: 7\r\n\r\n")

    local response = assert(link:receive())

    assert.are.equal(204, response.status)
    assert.are.equal("7", response.headers["x-kv-seq"])
    assert.are.equal("", link:read_all(response))
  end)

  it("keeps several requests on their way, answers in order", function()
    assert(link:send("GET", "/a"))
    assert(link:send("PUT", "/b", { ["Content-Type"] = "text/plain" }, ""))
    accept()
    local heads = read_heads(2)
    peer:send(OK .. "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")

    local first = assert(link:receive())
    link:read_all(first)
    local second = assert(link:receive())

    assert.matches("^GET /a HTTP/1.1\nHost: 127.0.0.1:%d+\n$", heads[1])
    assert.matches("\nContent%-Length: 0\n$", heads[2])
    assert.are.same({ 200, 404 }, { first.status, second.status })
    assert.are.equal(0, link.pending_count)
  end)

  it("connects again when the server has closed an idle connection", function()
    answer(OK)
    link:read_all(assert(link:receive()))
    peer:close()
    peer = nil

    local is_there, is_old = link:ensure()

    assert.is_true(is_there)
    assert.is_false(is_old)
  end)

  -- Error paths of connection.lua
  it("never takes half an answer for a whole one", function()
    local cut = {
      "", "HTTP/1.1 200", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhal",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhe",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
      "SSH-2.0-x\r\n", "HTTP/1.1 200 OK\r\nno header\r\n\r\n",
    }
    for _, bytes in ipairs(cut) do
      answer(bytes, true)
      local response, err, code = link:receive()
      local body
      if response then
        body, err, code = link:read_all(response)
      end

      assert.is_nil(body, bytes)
      assert.are.equal("IO", code)
      assert.matches("^127.0.0.1:%d+: ", err.text)
      peer = nil
    end
  end)

  it("gives up on a silent server", function()
    local _, port = listener:getsockname()
    link = connection.new({ host = "127.0.0.1", port = tonumber(port) }, 0.05)
    assert(link:send("GET", "/"))

    assert.are.equal("TIMEOUT", select(3, link:receive()))
  end)

  it("tells that nobody listens", function()
    listener:close()

    local is_sent, err, code = link:send("GET", "/")

    assert.is_nil(is_sent)
    assert.are.equal("IO", code)
    assert.matches("^cannot connect to 127.0.0.1:%d+: connection refused$", err.text)
  end)

  it("loses the requests behind an answer that closes, and sends nothing after them", function()
    for _, head in ipairs { "204 No Content", "200 OK\r\nContent-Length: 0" } do
      assert(link:ensure())
      assert(link:send("PUT", "/1", nil, ""))
      assert(link:send("PUT", "/2", nil, ""))
      accept()
      read_heads(2)
      peer:send("HTTP/1.1 " .. head .. "\r\nConnection: close\r\n\r\n")

      assert.are.equal("", link:read_all(assert(link:receive())))
      assert.are.equal("IO", select(3, link:send("PUT", "/3", nil, "")))
      assert.are.equal("IO", select(3, link:receive()))
      peer:close()
      peer = nil
    end
  end)
end)
