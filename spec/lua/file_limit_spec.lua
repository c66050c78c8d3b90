-- A server whose files may not grow any further (D12): no signal ends it, a write that needs a
-- larger log is 507 for the reason, also as one of a group of PUTs, and the others go on.
local json = require "loam.json"
local server = require "spec.support.server"
local socket = require "socket"

local LIMIT_BLOCKS = 8192 -- Of 512 bytes: 4 MiB, more than a log of a small memtable.

local function receive(client)
  local status, size = assert(client:receive("*l")):match(" (%d+) "), 0
  for line in function() return assert(client:receive("*l")) end do
    if line == "" then
      break
    end
    size = tonumber(line:lower():match("^content%-length: (%d+)$")) or size
  end
  return tonumber(status), size > 0 and assert(client:receive(size)) or ""
end

describe("a server at the limit of a file's size", function()
  after_each(server.stop_all)

  it("refuses what does not fit, with the reason, and serves everything else", function()
    local s = server.start {
      environment = ("ulimit -f %d;"):format(LIMIT_BLOCKS),
      flags = "--memtable-bytes 1MiB --memory-bytes 64MiB",
    }
    assert.equal(201, s:request("PUT", "/v1/kv/default/a", "1").status)
    local big = ("x"):rep(6 * 2 ^ 20)
    local client = assert(socket.connect("127.0.0.1", s.port))
    client:settimeout(30)

    for at = 1, 3 do
      local body = at == 2 and big or "small"
      assert(client:send(("PUT /v1/kv/default/k%d HTTP/1.1\r\nHost: localhost\r\n"
        .. "Content-Length: %d\r\n\r\n%s"):format(at, #body, body)))
    end

    assert.equal(201, (receive(client)))
    local status, text = receive(client)
    local told = json.decode(text)
    assert.same({ 507, "NO_SPACE", "not_committed" }, { status, told.code, told.outcome })
    assert.matches("^not committed: .*File too large", told.error)
    assert.equal(201, (receive(client)))
    client:close()
    assert.equal(404, s:request("GET", "/v1/kv/default/k2").status)
    assert.equal("small", s:request("GET", "/v1/kv/default/k3").body)
    assert.equal(0, s:stop())
    s = server.start { directory = s.directory }
    assert.equal("1", s:request("GET", "/v1/kv/default/a").body)
    assert.equal("small", s:request("GET", "/v1/kv/default/k3").body)
    assert.equal(404, s:request("GET", "/v1/kv/default/k2").status)
  end)
end)
