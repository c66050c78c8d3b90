-- What a token with a scope, or without a role, can write by routes that take ranges, rows or
-- several roles. Beside gate_spec.lua, which goes over the whole table.
local gated_store = require "spec.support.gated"
local json = require "loam.json"

describe("loam.gate, writes", function()
  local gated, token

  local function call(method, target, by, body)
    return gated:request({ method = method, target = target, body = body }, by)
  end

  local function status(...)
    return call(...).status
  end

  before_each(function()
    gated = gated_store.open()
    token = gated:scoped_token()
  end)
  after_each(function() gated:close() end)

  it("removes ranges that lie within its prefix", function()
    for _, query in ipairs { "prefix=user", "prefix=a", "from=user:&to=z", "from=a&to=user:2",
      "from=&to=%FF" } do
      assert.equal(403, status("DELETE", "/v1/kv/mine?confirm=1&" .. query, token), query)
      assert.equal(403, status("DELETE", "/v1/kv/mine?dry_run=1&" .. query, token), query)
    end
    assert.equal(403, status("DELETE", "/v1/kv/other?confirm=1&prefix=user:", token))
    assert.equal(403, status("DELETE", "/v1/kv/none?confirm=1&prefix=user:", token))
    local reader = gated:token { roles = { "read" } }
    assert.equal(403, status("DELETE", "/v1/kv/mine?dry_run=1&prefix=user:", reader))

    assert.equal('{"count":1,"seq":', call("DELETE",
      "/v1/kv/mine?confirm=1&from=user:&to=user:2", token).body:sub(1, 17))
    assert.equal('{"count":1,"seq":',
      call("DELETE", "/v1/kv/mine?confirm=1&prefix=user:", token).body:sub(1, 17))
    assert.equal("v", call("GET", "/v1/kv/mine/user;", gated.first).body)
    assert.equal("v", call("GET", "/v1/kv/other/user:1", gated.first).body)
  end)

  it("needs read beside write to swap or take a value", function()
    local writer = gated:token { roles = { "write" } }
    for op, wanted in pairs { getset = 403, getdel = 403, append = 200, incr = 422 } do
      assert.equal(wanted, status("POST", "/v1/kv/mine/a?op=" .. op, writer), op)
      local _ = wanted == 403
        and assert.equal(403, status("POST", "/v1/kv/mine/none?op=" .. op, writer), op)
    end
    assert.equal("v", call("GET", "/v1/kv/mine/a", gated.first).body)
    assert.equal(200, status("POST", "/v1/kv/mine/user:1?op=getset", token, "x"))
    assert.equal(403, status("POST", "/v1/kv/mine/a?op=getdel", token))
  end)

  it("loads rows within its prefix, and stops at the first outside", function()
    assert.equal(200, status("POST", "/v1/kv/mine", token, '{"k":"user:8","v":"1"}'))
    local made = call("POST", "/v1/kv/mine", token, '{"k":"user:9","v":"1"}\n{"k":"b","v":"1"}\n')
    local told = json.decode(made.body)
    assert.same({ 403, 2, 0 }, { made.status, told.line, told.count })
    assert.equal(404, status("GET", "/v1/kv/mine/user:9", token))
    assert.equal(403, status("POST", "/v1/kv/other", token, '{"k":"user:9","v":"1"}'))
    assert.equal(403, status("POST", "/v1/kv/none", token, '{"k":"user:9","v":"1"}'))
    local reader = gated:token { roles = { "read" } }
    assert.equal(403, status("POST", "/v1/kv/mine", reader, '{"k":"user:9","v":"1"}'))
  end)
end)
