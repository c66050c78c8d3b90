-- Workers that do not come back to their poll: what is logged when, and, end to end, what the
-- others tell of them.
local json = require "loam.json"
local log = require "loam.log"
local server = require "spec.support.server"
local watch = require "loam.watch"

describe("loam.watch", function()
  local lines

  before_each(function()
    lines = {}
    log.configure { write = function(line) lines[#lines + 1] = line end }
  end)
  after_each(function()
    log.configure { write = function(line) io.stderr:write(line) end }
    server.stop_all()
  end)

  it("tells the beginning, each doubling and the end of a stall", function()
    local now, stalls = {}, 0
    local watching = watch.new(function() return now end, function() stalls = stalls + 1 end)
    local function look(...)
      now = {}
      for worker, ms in pairs { ... } do
        now[#now + 1] = ms and { worker = worker, ms = ms, what = "/loop (request 1-2)" } or nil
      end
      local before = #lines
      watching:look()
      return #lines - before
    end

    assert.equal(0, look())
    assert.equal(1, look(1000))
    assert.same({ 0, 0, 1, 0 }, { look(1500), look(1999), look(2000), look(3000) })
    assert.equal(1, look(3500, 1000))
    assert.equal(1, look(false, 1500))
    assert.equal(1, look())
    assert.equal(2, stalls)
    assert.matches("ERROR.*worker 1 has not turned for 1%.0 s: /loop %(request 1%-2%)", lines[1])
    assert.matches("WARN.*worker 1 turns again, after 3%.5 s", lines[#lines - 1])
  end)

  -- Connections that are open already, one to each of two workers: later ones may wait for ever.
  local function two_connections(s)
    local seen = {}
    server.wait_for("a connection to each worker", function()
      local connection = s:connect()
      assert(connection:send(server.request_text("GET", "/which")))
      local id = server.read_answer(connection).body
      if seen[id] then
        connection:close()
      else
        seen[id] = connection
        seen[#seen + 1] = connection
      end
      return #seen == 2
    end)
    return seen[1], seen[2]
  end

  local function ask(connection, target)
    assert(connection:send(server.request_text("GET", target)))
    return server.read_answer(connection)
  end

  it("finds a handler that computes, and the server tells of it by its other workers", function()
    local s = server.start { workers = 2, flags = "--worker-stall-ms 200ms", app = [[
      local id = tostring({})
      app.get("/which", function() return id end)
      app.get("/loop", function(req)
        while not io.open(req.query.until_there) do end
        return "done"
      end)
    ]] }
    local busy, other = two_connections(s)
    local flag = s.directory .. "/flag"
    assert.equal("ok", json.decode(ask(other, "/health").body).status)
    assert.matches('loam_worker_stalled_seconds{worker="2"} 0\n', ask(other, "/metrics").body)
    assert(busy:send(server.request_text("GET", "/loop?until_there=" .. flag)))

    local health = server.wait_for("the stall", function()
      local made = ask(other, "/health")
      local found = json.decode(made.body)
      return found.status == "degraded" and found
    end)

    assert.matches("^worker %d has not turned for [%d.]+ s: /loop%?until_there=[^ ]+ "
      .. "%(request %x+%-%d+%)$", health.reasons[1])
    assert.equal(503, ask(other, "/readyz").status)
    assert.equal(200, ask(other, "/livez").status)
    assert.matches('loam_worker_stalled_seconds{worker="%d"} [%d.]*[1-9]',
      ask(other, "/metrics").body)
    server.wait_for("the log", function() return s:log():find("has not turned for", 1, true) end)
    assert.matches("loam_worker_stalls_total 1\n", ask(other, "/metrics").body)

    assert(io.open(flag, "w")):close()

    assert.equal("done", server.read_answer(busy).body)
    server.wait_for("the end of it", function() return s:log():find("turns again", 1, true) end)
    assert.equal(200, ask(other, "/readyz").status)
    assert.equal(0, #json.decode(ask(busy, "/health").body).reasons)
    busy:close()
    other:close()
    assert.equal(0, s:stop())
  end)
end)
