-- The handlers of all routes but kv and scan by fake requests on a real store: good answers, bad
-- input, edge cases.
local json = require "loam.json"
local served_store = require "spec.support.served"

describe("loam.routes (many keys, buckets, blobs, health, admin)", function()
  local served

  before_each(function() served = served_store.open() end)
  after_each(function() served:close() end)

  local function call(method, target, body, headers)
    return served:request { method = method, target = target, body = body, headers = headers }
  end

  local function decoded(made)
    return assert(json.decode(made.body))
  end

  local function put(key, value, headers)
    return call("PUT", "/v1/kv/default/" .. key, value, headers)
  end

  describe("mget", function()
    it("answers in order, in the form it was asked", function()
      put("a", "1")
      put("b", "\255")

      local list = decoded(call("POST", "/v1/mget",
        '[{"k":"b"},{"k":"x"},{"b":"default","k64":"YQ"}]'))
      local text = call("POST", "/v1/mget", '{"k":"a"}\n{"k":"x"}\n')

      assert.same({ "_w", false, "1" }, { list[1].v64, list[2].found, list[3].v })
      assert.matches('^{"found":true,"k":"a","seq":%d+,"v":"1"}\n{"found":false,"k":"x"}\n$',
        text.body)
      assert.equal("[]\n", call("POST", "/v1/mget", "[]").body)
    end)

    it("names what is wrong with an item", function()
      served.ctx.config.mget_keys_max = 2
      for body, word in pairs {
        ["nonsense"] = "line 1", ["[1]"] = "item 0 is no object",
          ['[{"q":1}]'] = "unknown member 'q'",
        ['[{"b":"default"}]'] = "k or k64 is missing", ['[{"k":1}]'] = "k is a string",
        ['[{"k64":"!"}]'] = "base64url", ['[{"k":"a","k64":"YQ"}]'] = "exclude",
        ['[{"b":7,"k":"a"}]'] = "name of a bucket", ["[[1]]"] = "no object",
      } do
        local made = call("POST", "/v1/mget", body)
        assert.equal(400, made.status)
        assert.matches(word, decoded(made).error)
      end
      assert.equal(404, call("POST", "/v1/mget", '[{"b":"none","k":"a"}]').status)
      local many = call("POST", "/v1/mget", '[{"k":"a"},{"k":"b"},{"k":"c"}]')
      assert.same({ 413, "mget_keys_max" }, { many.status, decoded(many).limit })
    end)
  end)

  describe("batch", function()
    it("commits all of it at consecutive numbers", function()
      put("gone", "1")
      local made = call("POST", "/v1/batch",
        '[{"op":"put","k":"a","v":"1"},{"op":"delete","k":"gone"},'
        .. '{"op":"put","k64":"_w","v64":"_w","ttl":50},{"op":"incr","k":"n","by":2,"init":1}]')

      assert.same({ 200, 4 }, { made.status, decoded(made).count })
      assert.equal("\255", call("GET", "/v1/kv/default/%FF").body)
      assert.equal(404, call("GET", "/v1/kv/default/gone").status)
      assert.equal(200, call("POST", "/v1/batch",
        '{"op":"del","k":"a"}\n{"op":"put","k":"b","v":""}').status)
    end)

    it("applies nothing when a condition fails, and names the operation", function()
      put("a", "1")
      local made = call("POST", "/v1/batch",
        '[{"op":"put","k":"new","v":"1"},{"op":"put","k":"a","v":"2","if_seq":99999}]')

      assert.same({ 412, 1, "MISMATCH" }, { made.status, decoded(made).index, decoded(made).code })
      assert.equal(404, call("GET", "/v1/kv/default/new").status)
      assert.equal(200, call("POST", "/v1/batch",
        '[{"op":"put","k":"new","v":"1","if_seq":0}]').status)
    end)

    it("names what is wrong with an operation", function()
      for body, word in pairs {
        ['[{"op":"zap","k":"a"}]'] = "item 0: op is one of",
          ['[{"op":"put","k":"a"}]'] = "v or v64",
        ['[{"op":"delete","k":"a","v":"1"}]'] = "only put takes v",
        ['[{"op":"put","k":"a","v":"1","ttl":-1}]'] = "ttl",
        ['[{"op":"put","k":"a","v":"1","if_seq":1.5}]'] = "if_seq is a whole number",
        ['[{"op":"put","k":"a","v":"1","tll":1}]'] = "unknown member 'tll'",
        ['[{"op":"put","k":"a","v":"1"},{"k":"b"}]'] = "item 1",
      } do
        local made = call("POST", "/v1/batch", body)
        assert.equal(400, made.status)
        assert.matches(word, decoded(made).error)
      end
      put("text", "abc")
      local made = call("POST", "/v1/batch", '[{"op":"incr","k":"text"}]')
      assert.equal(422, made.status)
    end)
  end)

  describe("buckets", function()
    it("makes, shows, lists and drops them", function()
      assert.equal(201, call("PUT", "/v1/buckets/b1?ttl=60&merge=add").status)
      assert.equal(200, call("PUT", "/v1/buckets/b1", '{"ttl":60,"merge":"add"}').status)
      assert.equal(409, call("PUT", "/v1/buckets/b1").status)
      assert.same({ name = "b1", ttl = 60, merge = "add" }, decoded(call("GET", "/v1/buckets/b1")))
      assert.equal(2, #decoded(call("GET", "/v1/buckets")).buckets)
      assert.equal(201, call("PUT", "/v1/kv/b1/k", "v").status)
      assert.equal(204, call("DELETE", "/v1/buckets/b1").status)
      assert.equal(404, call("GET", "/v1/kv/b1/k").status)
      assert.equal(404, call("DELETE", "/v1/buckets/b1").status)
    end)

    it("keeps default, the system's names, and its own rules", function()
      assert.equal(409, call("DELETE", "/v1/buckets/default").status)
      assert.equal(403, call("PUT", "/v1/buckets/_x").status)
      assert.equal(400, call("PUT", "/v1/buckets/a%2Fb").status)
      assert.equal(400, call("PUT", "/v1/buckets/" .. ("x"):rep(65)).status)
      assert.equal(400, call("PUT", "/v1/buckets/b", '{"tll":1}').status)
      assert.equal(400, call("PUT", "/v1/buckets/b", "{").status)
    end)
  end)

  describe("blobs", function()
    it("stores bytes under the CRC-32 as ETag", function()
      local made = call("POST", "/blobs/dir/k", "123456789")

      assert.equal(201, made.status)
      assert.same({ key = "dir/k", etag = "cbf43926", size = 9, volume_id = "volume" },
        decoded(made))
      local found = call("GET", "/blobs/dir/k")
      assert.same({ "123456789", '"cbf43926"' }, { found.body, found.headers.ETag })
      assert.equal(304, call("GET", "/blobs/dir/k", nil,
        { ["If-None-Match"] = '"cbf43926"' }).status)
    end)

    it("answers 404 in the words of the contract, and 204 to every delete", function()
      local made = call("GET", "/blobs/none")
      assert.same({ 404, "Blob not found" }, { made.status, decoded(made).error })
      assert.equal(204, call("DELETE", "/blobs/none").status)
      assert.equal(400, call("GET", "/blobs/").status)
    end)

    it("lists keys as plain strings, bounded by limit, prefix and after", function()
      assert.equal("[]\n", call("GET", "/blobs").body)
      for _, key in ipairs { "a", "b", "c%FF" } do
        call("POST", "/blobs/" .. key, "x")
      end

      assert.equal('["a","b",{"k64":"Y_8"}]\n', call("GET", "/blobs").body)
      assert.equal('["a"]\n', call("GET", "/blobs?limit=1").body)
      assert.equal('["b"]\n', call("GET", "/blobs?prefix=b").body)
      assert.equal('["b"]\n', call("GET", "/blobs?after=a&limit=1").body)
    end)
  end)

  describe("health and metrics", function()
    it("tells state and size", function()
      put("a", "1")
      local body = decoded(call("GET", "/health"))

      assert.same({ "ok", "volume", {} }, { body.status, body.volume_id, body.reasons })
      for _, name in ipairs { "keys", "segments", "total_mb", "uptime_secs" } do
        assert.equal("number", type(body[name]))
      end
      assert.equal(200, call("GET", "/livez").status)
      assert.equal(200, call("GET", "/readyz").status)
    end)

    it("is not ready while it stops", function()
      served.is_stopping = true
      local made = call("GET", "/readyz")
      assert.same({ 503, "1" }, { made.status, made.headers["Retry-After"] })
      assert.equal(200, call("GET", "/livez").status)
    end)

    it("gives the JSON fields on Accept, else Prometheus text", function()
      local body = decoded(call("GET", "/metrics", nil, { Accept = "application/json" }))
      for _, name in ipairs { "total_keys", "total_segments", "total_bytes", "total_mb",
        "volume_id",
        "active_segment_id", "oldest_segment_id", "uptime_secs", "avg_value_size_bytes" } do
        assert.is_not_nil(body[name])
      end

      local text = call("GET", "/metrics").body
      local types = {}
      for line in text:gmatch("[^\n]+") do
        local name = line:match("^# TYPE (%S+) %a+$")
        if name then
          assert.is_nil(types[name])
          types[name] = true
        elseif line:sub(1, 1) ~= "#" then
          assert.matches("^[%a_:][%w_:]*%S* [%-%d.e+]+$", line)
        end
      end
      assert.is_true(types.loam_puts_total)
    end)
  end)

  describe("admin", function()
    it("answers stats, levels, flush, compaction and its job", function()
      put("a", "1")
      assert.equal(200, call("POST", "/v1/admin/flush").status)
      assert.equal("number", type(decoded(call("GET", "/v1/admin/stats")).puts))
      local made = call("POST", "/v1/admin/compact?wait=1")
      assert.same({ 200, "done" }, { made.status, decoded(made).job.state })
      local id = decoded(made).job.id
      assert.equal(id, decoded(call("GET", "/v1/admin/jobs/" .. id)).job.id)
      assert.equal(404, call("GET", "/v1/admin/jobs/999999").status)
      assert.equal(404, call("DELETE", "/v1/admin/jobs/x").status)
      assert.equal("table", type(decoded(call("GET", "/v1/admin/levels")).runs))
      assert.equal(200, call("GET", "/v1/admin/config").status)
    end)
  end)

  describe("every route", function()
    it("has 404, 405 with Allow, HEAD and OPTIONS", function()
      assert.equal(404, call("GET", "/nope").status)
      local made = call("DELETE", "/health")
      assert.same({ 405, "GET, HEAD, OPTIONS" }, { made.status, made.headers.Allow })
      assert.same({ 204, "DELETE, GET, HEAD, OPTIONS, POST, PUT" }, (function()
        local options = call("OPTIONS", "/v1/kv/default/a")
        return { options.status, options.headers.Allow }
      end)())
      assert.equal(204, call("OPTIONS", "*").status)
      assert.equal(200, call("HEAD", "/v1/kv/default").status)
    end)

    it("carries code and request_id in every error", function()
      for _, made in ipairs { call("GET", "/nope"), call("DELETE", "/health"),
        call("GET", "/v1/kv/default/x"), call("GET", "/v1/kv/default/x?y=1") } do
        local body = decoded(made)
        assert.same({ "string", "string", "fake-1" },
          { type(body.error), type(body.code), body.request_id })
      end
    end)

    it("stands in /openapi.json with parameters and answers", function()
      local routes = require("loam.routes").list
      local document = decoded(call("GET", "/openapi.json"))

      for _, route in ipairs(routes) do
        local path = document.paths[(route.path:gsub("%*}", "}"))]
        local operation = path and path[route.method:lower()]
        assert.is_table(operation)
        assert.equal(route.name, operation.operationId)
        assert.is_true(#operation.parameters >= #route.params)
        assert.is_not_nil(next(operation.responses))
      end
      assert.is_true(#routes >= 25)
    end)
  end)
end)
