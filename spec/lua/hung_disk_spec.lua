-- A disk that does not answer: no request waits for ever, and each is told the truth about its
-- write. strace holds the syncs of a real server up.
local json = require "loam.json"
local server = require "spec.support.server"
local shell = require "spec.support.shell"
local socket = require "socket"

local QUICK = 40 -- Syncs of one thread before the first that hangs.

local function send(s, method, target, body)
  local client = assert(socket.connect("127.0.0.1", s.port))
  client:settimeout(60)
  assert(client:send(("%s %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
    .. "Content-Length: %d\r\n\r\n%s"):format(method, target, #body, body)))
  return client
end

local function receive(client)
  local text = assert(client:receive("*a"))
  client:close()
  local told = json.decode(text:match("\r\n\r\n(.*)$")) or {}
  told.status = tonumber(text:match("^HTTP/1.1 (%d+)"))
  return told
end

describe("a server whose disk hangs #slow #plain", function()
  after_each(server.stop_all)

  it("tells those at the disk that nobody knows, and those behind that nothing is done", function()
    if shell.script("strace -D -f -qq -o /dev/null true").status ~= 0 then
      return pending "needs strace that may trace"
    end
    local s = server.start {
      environment = ("strace -D -f -qq -o /dev/null -e trace=fdatasync "
        .. "-e inject=fdatasync:delay_enter=8000000:when=%d+"):format(QUICK),
      flags = "--write-deadline-ms 300",
    }
    local at, unknown, stalled = 0, {}, {}
    local deadline = os.time() + 60
    while not stalled.code and os.time() < deadline do
      at = at + 1
      local first, second = send(s, "PUT", "/v1/kv/default/k" .. at, "1"), nil
      if not socket.select({ first }, nil, 1)[1] then
        second = send(s, "POST", "/v1/batch", '[{"op":"put","k":"behind' .. at .. '","v":"1"}]')
      end
      unknown = receive(first)
      stalled = second and receive(second) or stalled
      if unknown.code ~= "UNKNOWN_OUTCOME" then
        stalled = {} -- Only slow.
      end
    end

    assert.is_true(at >= QUICK / 2, at .. " writes until the disk hung")
    assert.same({ 503, "unknown" }, { unknown.status, unknown.outcome })
    assert.matches("the disk has not answered", unknown.error)
    assert.same({ 503, "STALLED", "not_committed" },
      { stalled.status, stalled.code, stalled.outcome })
    assert.equal(404, s:request("GET", "/v1/kv/default/behind" .. at).status)
    assert.equal(200, s:request("GET", "/livez").status)
  end)

  it("goes on with other requests while a compaction flushes first", function()
    if shell.script("strace -D -f -qq -o /dev/null true").status ~= 0 then
      return pending "needs strace that may trace"
    end
    local s = server.start {
      environment = "strace -D -f -qq -o /dev/null -e trace=fdatasync "
        .. "-e inject=fdatasync:delay_enter=500000",
      flags = "--workers 1 --durability os",
    }
    assert.equal(201, s:request("PUT", "/v1/kv/default/k", "1").status)

    local compaction = send(s, "POST", "/v1/admin/compact", "")
    local other = s:request("GET", "/v1/kv/default/k")
    local has_answer = socket.select({ compaction }, nil, 0)[1] ~= nil

    assert.equal("1", other.body)
    assert.is_false(has_answer, "the compaction was answered first")
    assert.equal(202, receive(compaction).status)
  end)
end)
