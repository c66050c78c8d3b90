-- The handlers of one key and of ranges by fake requests on a real store: good answers, bad input,
-- edge cases.
local json = require "loam.json"
local served_store = require "spec.support.served"

describe("loam.routes.kv and scan", function()
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
      assert.equal(412, put("a", "2", { ["If-Match"] = tag, ["If-None-Match"] = "*" }).status)
      assert.equal("2", call("GET", "/v1/kv/default/a").body)
    end)

    it("tells expiry and meta", function()
      local before = os.time()
      call("PUT", "/v1/kv/default/a?ttl=100", "12345")
      local after = os.time() + 2 -- os.time() may be a tick late.

      local meta = decoded(call("GET", "/v1/kv/default/a?meta=1"))
      local found = call("GET", "/v1/kv/default/a")

      assert.same({ "a", 5 }, { meta.k, meta.size })
      assert.equal(meta.expires_at_ms, tonumber(found.headers["X-KV-Expires-At"]))
      local expires_at = meta.expires_at_ms / 1000
      assert.is_true(expires_at >= before + 100 and expires_at <= after + 100)
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

    it("appends, touches, swaps and takes values in one step", function()
      local function post(query, body, headers)
        return call("POST", "/v1/kv/default/k?op=" .. query, body, headers)
      end
      local function value()
        return call("GET", "/v1/kv/default/k").body
      end
      assert.equal(200, post("append", "ab").status)
      local appended = post("append", "\255c")
      assert.equal("ab\255c", value())
      assert.equal('"' .. decoded(appended).seq .. '"', appended.headers.ETag)

      assert.equal(200, post("touch&ttl=100").status)
      assert.is_not_nil(call("GET", "/v1/kv/default/k").headers["X-KV-Expires-At"])
      assert.equal(200, post("touch&ttl=0").status)
      assert.is_nil(call("GET", "/v1/kv/default/k").headers["X-KV-Expires-At"])

      local swapped = decoded(post("getset", "new", { ["Content-Type"] = "text/x" }))
      assert.same({ true, "YWL_Yw" }, { swapped.found, swapped.v64 })
      assert.equal("text/x", call("GET", "/v1/kv/default/k").headers["Content-Type"])
      assert.equal(412, post("getset", "x", { ["If-Match"] = '"1"' }).status)
      assert.equal(412, post("getdel", nil, { ["If-Match"] = '"1"' }).status)

      local taken = post("getdel")
      assert.same({ true, "new" }, { decoded(taken).found, decoded(taken).v })
      assert.is_nil(taken.headers.ETag)
      for _, query in ipairs { "getdel", "touch&ttl=5" } do
        assert.equal(404, post(query).status, query)
      end
      local fresh = decoded(post("getset", ""))
      assert.same({ false, nil }, { fresh.found, fresh.v })
      assert.equal("", decoded(post("getset", "x")).v)
    end)

    it("refuses what an op does not take", function()
      put("k", "1")
      for query, text in pairs {
        ["append&by=2"] = "by goes with op=incr", ["touch&ttl=5&init=1"] = "init goes with op=incr",
        ["touch"] = "wants ttl", ["getdel&ttl=5"] = "takes no ttl", ["zap"] = "op is one of incr",
      } do
        local made = call("POST", "/v1/kv/default/k?op=" .. query)
        assert.equal(400, made.status)
        assert.matches(text, decoded(made).error)
      end
      for _, query in ipairs { "incr", "touch&ttl=5", "getdel" } do
        assert.matches("takes no body", call("POST", "/v1/kv/default/k?op=" .. query, "x").body)
      end
      served.ctx.config.value_bytes_max = 3
      assert.equal(413, call("POST", "/v1/kv/default/k?op=getset", "1234").status)
      assert.equal("1", call("GET", "/v1/kv/default/k").body)
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
end)
