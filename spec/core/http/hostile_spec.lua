-- Every case of the parser's tables over a real connection, whole, one byte at a time and in random
-- pieces: what is ambiguous is never answered twice nor taken for a second request, and what is
-- refused ends the connection with an answer that gives nothing away.
local cases_of = require "spec.support.http_cases"
local http_server = require "spec.support.http_server"

local TABLES = { "request_line", "target", "host", "fields", "framing", "chunked", "limits",
  "pipeline" }
-- As in parser_spec.
local LIMITS = {
  request_line_bytes_max = 200,
  header_line_bytes_max = 100,
  headers_bytes_max = 300,
  headers_count_max = 8,
  query_params_max = 4,
  body_bytes_max = 64,
  chunk_extension_bytes_max = 16,
  linger_ms = 20,
}

describe("http, hostile input", function()
  local server

  before_each(function()
    server = http_server.new { limits = LIMITS }
    server.handle = function(request) request:respond(200, "answered " .. #request.body) end
  end)

  after_each(function()
    server:close()
  end)

  -- Sends `input` in pieces of `step` bytes (0: of random sizes) and the end of the stream. Returns
  -- the statuses of the answers, the number of requests that reached the handler, and all that was
  -- received.
  local function exchange(input, step)
    local client = server:connect()
    local before = #server.requests
    local at = 1
    while at <= #input do
      local size = step > 0 and step or math.random(1, 40)
      client.socket:send(input:sub(at, at + size - 1))
      at = at + size
      server:poll()
      client:receive()
    end
    client.socket:shutdown("send")
    local text = client:expect_closed()
    client:close()
    local statuses = {}
    for status in text:gmatch("HTTP/1%.1 (%d+) ") do
      if status ~= "100" then -- Sent only to those who wait for it.
        statuses[#statuses + 1] = status
      end
    end
    return table.concat(statuses, " "), #server.requests - before, text
  end

  for _, name in ipairs(TABLES) do
    it("ends each case of " .. name .. " the same way in any pieces", function()
      for _, case in ipairs(cases_of.read(name)) do
        local statuses, requests = exchange(case.input, math.max(#case.input, 1))
        for _, step in ipairs { 1, 0 } do
          local in_pieces, requests_in_pieces = exchange(case.input, step)

          assert.equal(statuses, in_pieces, case.name)
          assert.equal(requests, requests_in_pieces, case.name)
        end
        local refused = case.expected:match("error (%d+)[^\n]*$")
        if refused then
          assert.equal(refused, statuses:match("%d+$"), case.name)
          assert.equal(requests + 1, select(2, statuses:gsub("%d+", "")), case.name)
        end
      end
    end)
  end

  it("H09 goes no further after a refusal, whatever follows", function()
    local good = "GET /%s HTTP/1.1\r\nHost: a\r\n\r\n"
    for _, name in ipairs(TABLES) do
      for _, case in ipairs(cases_of.read(name)) do
        if case.expected:find("error (%d+)[^\n]*$") then
          local first = #server.requests + 1
          exchange(case.input .. good:format("smuggled"):rep(3), 7)

          for index = first, #server.requests do
            assert.is_nil(server.requests[index].path:find("smuggled"), case.name)
          end
        end
      end
    end
  end)

  it("H20 answers refusals without a byte of the request, a path or an address", function()
    for _, name in ipairs(TABLES) do
      for _, case in ipairs(cases_of.read(name)) do
        local marked = case.input:gsub("\r\n", "\r\nX-Mark: TELLTALE\r\n", 1)
        local _, _, text = exchange(marked, #marked)
        local body = text:match("HTTP/1%.1 [45]%d%d [^{]-\r\n\r\n(.*)$")
        if body then
          assert.matches("^{\"error\":\"[%w%s:,/_%.%-]+\",\"code\":\"%u[%u_]+\",\"request_id\":"
            .. "\"%x+%-%d+\"[%w\",:_]*}\n$", body)
          assert.is_nil(body:find("TELLTALE", 1, true))
          assert.is_nil(body:find("%.[ch]:") or body:find("0x%x%x") or body:find("/core/"))
        end
      end
    end
  end)

  it("H11 answers bombs at once and keeps nothing of them", function()
    local before = collectgarbage("count")
    local bombs = {
      ["414"] = "GET /" .. ("a"):rep(1048576),
      ["431"] = "GET / HTTP/1.1\r\nHost: a\r\n" .. ("X: y\r\n"):rep(100000),
      ["400"] = "GET /?" .. ("a&"):rep(90) .. " HTTP/1.1\r\nHost: a\r\n\r\n",
    }
    for status, bomb in pairs(bombs) do
      local client = server:connect()
      client.socket:send(bomb)

      client:expect("HTTP/1.1 " .. status)

      client:close()
    end
    assert.is_true(server:counters().bytes_in < 200000)
    assert.is_true(collectgarbage("count") - before < 8192)
  end)

  it("H16 finds a header among many that differ in the last byte", function()
    local text = "GET / HTTP/1.1\r\nHost: a\r\n"
    for index = 1, 6 do
      text = text .. ("x-aaaaaaaaaaaaaaaa%d: %d\r\n"):format(index, index)
    end
    local found
    server.handle = function(request)
      found = request:header("X-AAAAAAAAAAAAAAAA6")
      request:respond(200, "")
    end

    exchange(text .. "\r\n", 5)

    assert.equal("6", found)
  end)
end)
