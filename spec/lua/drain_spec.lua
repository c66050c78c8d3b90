-- End to end: SIGTERM while clients write as fast as they can. What was acknowledged is there after
-- a restart, each request that was taken is answered, and the process ends with status 0.
local server = require "spec.support.server"

local CONNECTIONS, PIPELINED, ROUNDS = 8, 4, 15

describe("a stop under load", function()
  after_each(server.stop_all)

  local function put_text(key, value, durability)
    return server.request_text("PUT", ("/v1/kv/default/%s?durability=%s"):format(key, durability),
      value)
  end

  -- Sends some PUTs at once and takes their answers. Returns false when the connection has ended.
  local function write_round(writer, round, acked)
    local parts = {}
    for at = 1, PIPELINED do
      parts[at] = put_text(("%d.%d.%d"):format(writer.id, round, at), "v" .. round,
        writer.durability)
    end
    if not writer.connection:send(table.concat(parts)) then
      return false
    end
    for at = 1, PIPELINED do
      local is_read, answer = pcall(server.read_answer, writer.connection)
      if not is_read then
        return false
      elseif answer.status == 201 or answer.status == 204 then
        acked[("%d.%d.%d"):format(writer.id, round, at)] = "v" .. round
      end
      writer.is_told = writer.is_told or answer.headers.connection == "close"
      if writer.is_told then
        return false
      end
    end
    return true
  end

  for _, workers in ipairs { 1, 2 } do
    it("loses no acknowledged write, with workers: " .. workers, function()
      local s = server.start { workers = workers }
      local writers, acked, round = {}, {}, 0
      for id = 1, CONNECTIONS do
        writers[id] = { id = id, connection = s:connect(),
          durability = id % 2 == 0 and "sync" or "os" }
      end
      local open = CONNECTIONS
      while open > 0 do
        round = round + 1
        if round == ROUNDS then
          s:signal("TERM")
        end
        for _, writer in ipairs(writers) do
          if not writer.is_over and not write_round(writer, round, acked) then
            writer.is_over = true
            open = open - 1
          end
        end
      end
      assert.equal(0, s:stop())
      for _, writer in ipairs(writers) do
        writer.connection:close()
      end

      local again = server.start { directory = s.directory }
      local connection, count = again:connect(), 0
      for key, value in pairs(acked) do
        assert(connection:send(server.request_text("GET", "/v1/kv/default/" .. key)))
        assert.equal(value, server.read_answer(connection).body, key)
        count = count + 1
      end
      connection:close()
      assert.is_true(count >= (ROUNDS - 1) * CONNECTIONS * PIPELINED)
    end)
  end

  -- The kernel spreads connections over the workers as it likes: a limit is one for all of them.
  for _, limit in ipairs { "connections-per-ip-max", "connections-max" } do
    it("has " .. limit .. " once, however many workers there are", function()
      local s = server.start { workers = 3, flags = "--" .. limit .. " 8" }
      local connections, counts = {}, { [200] = 0, [503] = 0 }
      for at = 1, 20 do
        connections[at] = s:connect()
        connections[at]:send(server.request_text("GET", "/livez"))
        local status = server.read_answer(connections[at]).status
        counts[status] = counts[status] + 1
      end

      assert.same({ [200] = 8, [503] = 12 }, counts)
      for _, connection in ipairs(connections) do
        connection:close()
      end
    end)
  end

  it("follows on one that refuses what is too much, with Retry-After", function()
    local s = server.start { flags = "--connections-per-ip-max 2" }
    local first, second = s:connect(), s:connect()
    for _, connection in ipairs { first, second } do
      assert(connection:send(server.request_text("GET", "/livez")))
      assert.equal(200, server.read_answer(connection).status)
    end

    local third = s:connect()
    local answer = server.read_answer(third)

    assert.equal(503, answer.status)
    assert.matches("connections_per_ip_max", answer.body)
    assert.is_true(tonumber(answer.headers["retry-after"]) >= 1)
    assert.equal("close", answer.headers.connection)
    for _, connection in ipairs { first, second, third } do
      connection:close()
    end
    assert.equal(0, s:stop())
  end)
end)
