-- /v1/explain, /v1/admin/files, space, handles and log-level.
local json = require "loam.json"
local served_store = require "spec.support.served"
local server = require "spec.support.server"

describe("loam.routes.look", function()
  local served
  before_each(function() served = served_store.open() end)
  after_each(function() served:close() end)

  local function get(target)
    local made = served:request { method = "GET", target = target }
    return made.status, json.decode(made.body)
  end

  it("explains a key, however it is written", function()
    served:request { method = "PUT", target = "/v1/kv/default/a%2Fb", body = "1" }

    local status, body = get "/v1/explain/default/a%2Fb"
    local _, same = get "/v1/explain/default/YS9i?enc=b64u"

    assert.equal(200, status)
    assert.same({ "memory", "value", 1, 1 },
      { body.steps[1].place, body.steps[1].outcome, body.steps[1].seq, body.steps[1].size })
    assert.same(body, same)
    assert.equal(404, (get "/v1/explain/none/a"))
    assert.equal(403, (get "/v1/explain/_blobs/a"))
    assert.equal(400, (get "/v1/explain/default/a?x=1"))
  end)

  it("lists files, space and handles", function()
    served:request { method = "PUT", target = "/v1/kv/default/a", body = "1" }
    served:request { method = "POST", target = "/v1/admin/flush" }

    local _, files = get "/v1/admin/files"
    local _, space = get "/v1/admin/space"
    local made = served:request { method = "GET", target = "/v1/admin/handles" }

    local is_table = false
    for _, file in ipairs(files.files) do
      is_table = is_table or file.kind == "table" and file.is_live and file.bytes > 0
    end
    assert.is_true(is_table)
    assert.is_true(space.tables > 0)
    assert.equal('{"handles":[]}\n', made.body)
  end)

  it("tells the level of the log, and takes another one", function()
    assert.same({ level = "info" }, select(2, get "/v1/admin/log-level"))
    local made = served:request { method = "PUT", target = "/v1/admin/log-level?level=loud" }
    assert.equal(400, made.status)
    assert.matches("level is one of debug, info, warn, error, got 'loud'", made.body)
    made = served:request { method = "PUT", target = "/v1/admin/log-level" }
    assert.matches("level is missing", made.body)
  end)

  it("changes the level in every worker", function()
    finally(server.stop_all)
    local running = server.start { workers = 2, flags = "--log-level error" }

    assert.equal(200, running:request("PUT", "/v1/admin/log-level?level=debug").status)

    for _ = 1, 8 do
      assert.equal('{"level":"debug"}\n', running:request("GET", "/v1/admin/log-level").body)
    end
    assert.equal(0, running:stop())
    assert.matches("INFO %[0%] stopping", running:log())
  end)
end)
