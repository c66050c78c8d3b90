-- The handlers of every route by fake requests on a real store: good answers, bad input, edge
-- cases.
local json = require "loam.json"
local served_store = require "spec.support.store"

describe("loam.routes", function()
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

  describe("kv", function()
    it("creates, replaces, reads and removes a key", function()
      assert.equal(201, put("a", "1").status)
      local replaced = put("a", "2", { ["Content-Type"] = "text/plain" })
      local found = call("GET", "/v1/kv/default/a")

      assert.equal(204, replaced.status)
      assert.same({ 200, "2", "text/plain", replaced.headers.ETag },
        { found.status, found.body, found.headers["Content-Type"], found.headers.ETag })
      assert.equal('"' .. found.headers["X-KV-Seq"] .. '"', found.headers.ETag)
      assert.equal(204, call("DELETE", "/v1/kv/default/a").status)
      assert.equal(204, call("DELETE", "/v1/kv/default/a").status)
      assert.equal(404, call("GET", "/v1/kv/default/a").status)
    end)

    it("takes any bytes as a key, also none", function()
      for _, key in ipairs { "", "a/b//c/..", "%00%FF", "+", "%2525", "%E2%82%AC" } do
        assert.equal(201, put(key, key).status)
        assert.equal(key, call("GET", "/v1/kv/default/" .. key).body)
      end
      assert.equal(6, decoded(call("GET", "/v1/kv/default?count_only=1")).count)
    end)

    it("reads keys as base64url under enc=b64u", function()
      put("%00%FF", "x")

      assert.equal("x", call("GET", "/v1/kv/default/AP8?enc=b64u").body)
      assert.equal(400, call("GET", "/v1/kv/default/A*?enc=b64u").status)
      assert.matches('"k64":"AP8"', call("GET", "/v1/kv/default?enc=b64u").body)
    end)

    it("answers 304 for the present ETag only", function()
      local tag = put("a", "1").headers.ETag

      assert.equal(304, call("GET", "/v1/kv/default/a", nil, { ["If-None-Match"] = tag }).status)
      assert.equal(304, call("GET", "/v1/kv/default/a", nil,
        { ["If-None-Match"] = '"x", W/' .. tag }).status)
      assert.equal(304, call("GET", "/v1/kv/default/a", nil, { ["If-None-Match"] = "*" }).status)
      assert.equal(200, call("GET", "/v1/kv/default/a", nil,
        { ["If-None-Match"] = '"999"' }).status)
    end)

    it("holds writes to If-Match and If-None-Match", function()
      local tag = put("a", "1").headers.ETag

      local exists = put("a", "2", { ["If-None-Match"] = "*" })
      assert.same({ 412, "EXISTS", tag }, { exists.status, decoded(exists).code,
        exists.headers.ETag })
      local other = put("a", "2", { ["If-Match"] = '"9999"' })
      assert.same({ 412, "MISMATCH", tag }, { other.status, decoded(other).code,
        other.headers.ETag })
      assert.equal(412, put("absent", "2", { ["If-Match"] = "*" }).status)
      assert.equal(412, call("DELETE", "/v1/kv/default/a", nil, { ["If-Match"] = '"9999"' }).status)
      assert.equal(204, put("a", "2", { ["If-Match"] = tag }).status)
      assert.equal(400, put("a", "2", { ["If-Match"] = "nonsense" }).status)
      assert.equal(400, put("a", "2", { ["If-Match"] = tag, ["If-None-Match"] = "*" }).status)
      assert.equal("2", call("GET", "/v1/kv/default/a").body)
    end)

    it("tells expiry and meta", function()
      call("PUT", "/v1/kv/default/a?ttl=100", "12345")

      local meta = decoded(call("GET", "/v1/kv/default/a?meta=1"))
      local found = call("GET", "/v1/kv/default/a")

      assert.same({ "a", 5 }, { meta.k, meta.size })
      assert.equal(meta.expires_at_ms, tonumber(found.headers["X-KV-Expires-At"]))
      assert.is_true(math.abs(meta.expires_at_ms / 1000 - os.time() - 100) < 5)
    end)

    it("names the limit that a key or a value exceeds", function()
      served.ctx.config.value_bytes_max = 3
      served.ctx.config.key_bytes_max = 2

      local value, key = put("a", "1234"), put("abc", "1")

      assert.same({ 413, "TOO_LARGE", "value_bytes_max", 3 },
        { value.status, decoded(value).code, decoded(value).limit, decoded(value).value })
      assert.same({ 413, "key_bytes_max", 2 }, { key.status, decoded(key).limit,
        decoded(key).value })
      assert.matches("4 bytes came", decoded(value).error)
    end)

    it("counts with incr, and says why it cannot", function()
      assert.equal(404, call("POST", "/v1/kv/default/n?op=incr").status)
      assert.equal(200, call("POST", "/v1/kv/default/n?op=incr&init=10").status)
      local before = tonumber(call("GET", "/v1/kv/default/n").body)
      assert.equal(before - 2, decoded(call("POST", "/v1/kv/default/n?op=incr&by=-2")).value)
      put("text", "abc")
      assert.equal(422, call("POST", "/v1/kv/default/text?op=incr").status)
      assert.equal(400, call("POST", "/v1/kv/default/n").status)
      assert.equal(400, call("POST", "/v1/kv/default/n?op=decr").status)
    end)

    it("refuses unknown and malformed parameters with their names", function()
      for target, word in pairs {
        ["/v1/kv/default/a?mta=1"] = "mta", ["/v1/kv/default/a?meta=2"] = "meta",
        ["/v1/kv/default/a?meta=1&meta=1"] = "twice", ["/v1/kv/default/a?enc=hex"] = "enc",
        ["/v1/kv/default?prefx=a"] = "prefx", ["/v1/kv/default?limit=0"] = "limit",
        ["/v1/kv/default?limit=1e99"] = "limit", ["/v1/kv/default?format=xml"] = "format",
        ["/v1/kv/default?a=%zz"] = "escape", ["/v1/kv/default?from=a&fromKey=b"] = "fromKey",
      } do
        local made = call("GET", target)
        assert.equal(400, made.status)
        assert.matches(word, decoded(made).error)
      end
      assert.equal(400, call("PUT", "/v1/kv/default/a?ttl=-1", "x").status)
      assert.equal(400, call("PUT", "/v1/kv/default/a?durability=never", "x").status)
      assert.equal(400, call("GET", "/v1/kv/default/a%zz").status)
    end)

    it("knows only buckets that exist, and keeps those of the system", function()
      assert.equal(404, call("PUT", "/v1/kv/other/a", "1").status)
      assert.equal(403, call("GET", "/v1/kv/_blobs/a").status)
      assert.equal(400, call("GET", "/v1/kv/a%20b/a").status)
    end)
  end)

  describe("scan", function()
    local function lines(target)
      local made = call("GET", target)
      assert.equal(200, made.status)
      local list = {}
      for line in made.body:gmatch("[^\n]+") do
        list[#list + 1] = assert(json.decode(line))
      end
      return list, made
    end

    local function keys_of(list)
      local found = {}
      for at = 1, #list - 1 do
        found[at] = list[at].k
      end
      return table.concat(found, " ")
    end

    before_each(function()
      for _, key in ipairs { "a", "b1", "b2", "b3", "c" } do
        put(key, "v" .. key)
      end
    end)

    it("streams rows and ends with a count and no cursor", function()
      local list, made = lines("/v1/kv/default")

      assert.same({ k = "a", v = "va" }, list[1])
      assert.same({ ["end"] = true, count = 5, next = json.null }, list[6])
      assert.equal("application/x-ndjson", made.headers["Content-Type"])
      assert.is_truthy(made.headers["X-KV-Seq"])
    end)

    it("bounds by from, to, prefix, after and limit, in both directions", function()
      local cases = {
        ["from=b1&to=c"] = "b1 b2 b3", ["fromKey=b2"] = "b2 b3 c", ["endKey=b2"] = "a b1",
        ["prefix=b"] = "b1 b2 b3", ["prefix=b&after=b1"] = "b2 b3", ["reverse=1"] = "c b3 b2 b1 a",
        ["reverse=1&after=b3&limit=1"] = "b2", ["prefix=x"] = "", ["from=c&to=a"] = "",
      }

      for query, expected in pairs(cases) do
        assert.equal(expected, keys_of((lines("/v1/kv/default?" .. query))))
      end
    end)

    it("gives a cursor exactly when more follows, and goes on behind it", function()
      local list = lines("/v1/kv/default?limit=2")
      assert.equal("b1", list[3].next)
      assert.equal("b2 b3", keys_of((lines("/v1/kv/default?limit=2&after=" .. list[3].next))))
      assert.equal(json.null, lines("/v1/kv/default?limit=5")[6].next)
    end)

    it("writes cursors of bytes that are not UTF-8 so that they come back", function()
      put("z%FF1", "1")
      put("z%FF2", "2")
      local list = lines("/v1/kv/default?prefix=z&limit=1")

      assert.same({ k64 = "ev8x", v = "1" }, list[1])
      assert.equal("b64u:ev8x", list[2].next)
      assert.same({ k64 = "ev8y", v = "2" },
        lines("/v1/kv/default?prefix=z&after=" .. list[2].next)[1])
      assert.equal(400, call("GET", "/v1/kv/default?after=b64u:!").status)
    end)

    it("leaves out values, counts, and answers as one JSON object", function()
      assert.same({ k = "a" }, (lines("/v1/kv/default?keys_only=1"))[1])
      assert.equal('{"count":3}\n', call("GET", "/v1/kv/default?prefix=b&count_only=1").body)
      local object = decoded(call("GET", "/v1/kv/default?format=json&limit=2"))
      assert.same({ rows = { { k = "a", v = "va" }, { k = "b1", v = "vb1" } }, count = 2,
        next = "b1" },
        object)
      assert.same({ rows = {}, count = 0, next = json.null },
        decoded(call("GET", "/v1/kv/default?format=json&prefix=x")))
    end)

    it("goes through blocks without losing or doubling a row", function()
      for at = 1, 700 do
        put(("n%04d"):format(at), tostring(at))
      end

      local list = lines("/v1/kv/default?prefix=n")

      assert.equal(701, #list)
      for at = 1, 700 do
        assert.equal(tostring(at), list[at].v)
      end
      assert.equal(700, #decoded(call("GET", "/v1/kv/default?prefix=n&format=json")).rows)
    end)
  end)

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
        assert.equal(#route.params, #operation.parameters)
        assert.is_not_nil(next(operation.responses))
      end
      assert.is_true(#routes >= 25)
    end)
  end)
end)
