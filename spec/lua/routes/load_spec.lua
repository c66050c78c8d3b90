-- POST of rows to a bucket by fake requests on a real store: what is stored, how pieces are put
-- together, every refusal with what is there by then.
local json = require "loam.json"
local served_store = require "spec.support.served"

describe("loam.routes.load", function()
  local served

  before_each(function() served = served_store.open() end)
  after_each(function() served:close() end)

  local function call(method, target, body, headers)
    return served:request { method = method, target = target, body = body, headers = headers }
  end

  local function decoded(made)
    return assert(json.decode(made.body))
  end

  local function load(body, query)
    return call("POST", "/v1/kv/default" .. (query or ""), body)
  end

  -- The same with a body that comes in these pieces.
  local function load_pieces(pieces)
    local at = 0
    return served:request { method = "POST", target = "/v1/kv/default", read = function()
      at = at + 1
      return pieces[at]
    end }
  end

  local function count_of(query)
    return decoded(call("GET", "/v1/kv/default?count_only=1&" .. (query or ""))).count
  end

  local function rows_text(count)
    local lines = {}
    for at = 1, count do
      lines[at] = ('{"k":"k%05d","v":"v%d"}\n'):format(at, at)
    end
    return table.concat(lines)
  end

  it("stores every row, with its time to live and content type", function()
    local made = load('{"k":"a","v":"1"}\n\r\n{"k64":"_w","v64":"AAE","ttl":60}\r\n'
      .. '{"k":"t","v":"","expires_at_ms":4102444800123,"content_type":"text/plain","seq":7}')

    assert.same({ 200, 3 }, { made.status, decoded(made).count })
    assert.is_true(decoded(made).seq >= 3)
    local typed = call("GET", "/v1/kv/default/t")
    assert.same({ "4102444800123", "text/plain" },
      { typed.headers["X-KV-Expires-At"], typed.headers["Content-Type"] })
    assert.equal("\0\1", call("GET", "/v1/kv/default/%FF").body)
    assert.is_not_nil(call("GET", "/v1/kv/default/%FF").headers["X-KV-Expires-At"])
    assert.same({ count = 0 }, decoded(load("")))
    assert.same({ count = 0 }, decoded(load("\n \n")))
  end)

  it("takes what a scan of the same path gives", function()
    load(rows_text(700))
    call("PUT", "/v1/kv/default/%FF", "\254", { ["Content-Type"] = "image/png" })
    call("PUT", "/v1/buckets/copy")

    local dump = call("GET", "/v1/kv/default?meta=1").body
    local made = call("POST", "/v1/kv/copy", dump)

    assert.equal(701, decoded(made).count)
    assert.equal("image/png", call("GET", "/v1/kv/copy/%FF").headers["Content-Type"])
    assert.equal(call("GET", "/v1/kv/default").body, call("GET", "/v1/kv/copy").body)
  end)

  it("puts lines together, however the body is cut", function()
    local text = rows_text(2500)
    for _, size in ipairs { 1, 7, 1000, 65536, #text } do
      local pieces = {}
      for at = 1, #text, size do
        pieces[#pieces + 1] = text:sub(at, at + size - 1)
      end

      assert.same({ 200, 2500 }, { load_pieces(pieces).status, count_of() })

      call("DELETE", "/v1/kv/default?prefix=k&confirm=1")
    end
    assert.equal(1, decoded(load_pieces { '{"k":"a",', '"v":"1"}', "\n" }).count)
    assert.equal(2, decoded(load_pieces { '{"k":"a","v":"1"}\n{"k":', '"b","v":"1"}' }).count)
  end)

  it("names the line that is no row, and how many rows in front of it are stored", function()
    for text, word in pairs {
      ["nonsense"] = "at byte", ["[1]"] = "a row is an object", ["7"] = "a row is an object",
      ["null"] = "a row is an object", ['{"k":"a"}'] = "v or v64 is missing",
      ['{"v":"a"}'] = "k or k64 is missing", ['{"k":1,"v":"1"}'] = "k is a string",
      ['{"k64":"!","v":"1"}'] = "base64url", ['{"k":"a","k64":"YQ","v":"1"}'] = "exclude",
      ['{"k":"a","v":"1","tll":5}'] = "unknown member 'tll'",
      ['{"k":"a","v":"1","ttl":-1}'] = "ttl is a number",
      ['{"k":"a","v":"1","ttl":"1"}'] = "ttl is a number",
      ['{"k":"a","v":"1","ttl":1,"expires_at_ms":5}'] = "exclude each other",
      ['{"k":"a","v":"1","expires_at_ms":0}'] = "expires_at_ms is a number",
      ['{"k":"a","v":"1","content_type":5}'] = "content_type is a string",
      ['{"error":"corrupt data","code":"CORRUPT"}'] = "ended with an error: corrupt data",
      ['{"end":true,"count":1,"next":null}\n{"k":"a","v":"1"}'] = "more follows the last line",
      ['{"k":"a\255","v":"1"}'] = "UTF%-8",
    } do
      local made = load(rows_text(1500) .. text .. "\n" .. rows_text(10))
      local told = decoded(made)
      assert.equal(400, made.status)
      assert.matches(word, told.error)
      local line = word:find("^more") and 1502 or 1501
      assert.same({ line, 1000, 1000 }, { told.line, told.count, count_of() })
      call("DELETE", "/v1/kv/default?prefix=k&confirm=1")
    end
  end)

  it("names limits that a line, key, value or content type is over", function()
    served.ctx.config.batch_body_bytes_max = 1000
    served.ctx.config.value_bytes_max = 500
    served.ctx.config.key_bytes_max = 100
    local long = ("x"):rep(2000)
    for line, limit in pairs {
      ['{"k":"a","v":"' .. long .. '"}\n'] = "batch_body_bytes_max",
      ['{"k":"a","v":"' .. long] = "batch_body_bytes_max",
      ['{"k":"a","v":"' .. long:sub(1, 600) .. '"}'] = "value_bytes_max",
      ['{"k":"' .. long:sub(1, 101) .. '","v":""}'] = "key_bytes_max",
    } do
      for _, pieces in ipairs { { line }, { line:sub(1, 50), line:sub(51) } } do
        local made = load_pieces(pieces)
        assert.same({ 413, limit, 0 },
          { made.status, decoded(made).limit, decoded(made).count })
      end
    end
    assert.equal(413, load('{"k":"a","v":"","content_type":"' .. long:sub(1, 200) .. '"}').status)
    assert.equal(0, count_of())
  end)

  it("tells what is stored when a commit fails", function()
    local write, calls = served.store.write, 0
    served.store.write = function(...)
      calls = calls + 1
      if calls == 3 then
        return { code = "UNKNOWN_OUTCOME", text = "who knows", outcome = "unknown" }
      end
      return write(...)
    end

    local made = load(rows_text(5000))

    local told = decoded(made)
    assert.same({ 503, "UNKNOWN_OUTCOME", "unknown", 2000 },
      { made.status, told.code, told.outcome, told.count })
    assert.is_nil(told.line)
    assert.equal(2000, count_of())
  end)

  it("refuses what it does not know", function()
    assert.equal(404, call("POST", "/v1/kv/none", rows_text(1)).status)
    assert.equal(403, call("POST", "/v1/kv/_blobs", rows_text(1)).status)
    assert.equal(400, load(rows_text(1), "?ttl=5").status)
    assert.equal(400, load(rows_text(1), "?durability=none").status)
    assert.equal(415, call("POST", "/v1/kv/default", rows_text(1),
      { ["Content-Encoding"] = "gzip" }).status)
    assert.equal(415, call("POST", "/v1/kv/default", rows_text(1),
      { ["Content-Type"] = "text/plain", ["User-Agent"] = "Mozilla/5.0" }).status)
    assert.equal(0, count_of())
    assert.equal(200, load(rows_text(1), "?durability=os&deadline_ms=5").status)
  end)
end)
