-- RFC 9110 and 9112 over real sockets: methods, Host, Expect, conditions, ranges, what every answer
-- carries. One server for all tests; each has keys of its own. The bytes of requests and answers
-- are compared, so nothing here is what a client makes of them.
local json = require "loam.json"
local server = require "spec.support.server"

describe("loam serve speaks HTTP:", function()
  local s

  setup(function()
    s = server.start { flags = "--durability os" }
  end)
  teardown(server.stop_all)

  -- One request; returns {status, headers, body}.
  local function call(method, target, body, headers)
    return s:request(method, target, body, headers)
  end

  local function code_of(made)
    return assert(json.decode(made.body)).code
  end

  -- Both ways of a plain GET: a condition that the fast one passes on takes the general one.
  local function tag_of(key, value)
    return assert(call("PUT", "/v1/kv/default/" .. key, value).headers.etag)
  end

  local function raw(text)
    local connection = s:connect()
    assert(connection:send(text))
    local whole, _, part = connection:receive("*a")
    connection:close()
    return whole or part
  end

  describe("methods", function()
    it("405 with Allow where the path knows others, 501 where nobody does", function()
      for target, allow in pairs {
        ["/v1/kv/default/a"] = "DELETE, GET, HEAD, OPTIONS, POST, PUT",
        ["/v1/kv/default"] = "DELETE, GET, HEAD, OPTIONS, POST", ["/livez"] = "GET, HEAD, OPTIONS",
        ["/v1/batch"] = "OPTIONS, POST",
      } do
        local made = call("PATCH", target, "x")
        assert.same({ 405, allow }, { made.status, made.headers.allow })
        local options = call("OPTIONS", target)
        assert.same({ 204, allow }, { options.status, options.headers.allow })
      end
      for _, method in ipairs { "TRACE", "CONNECT", "PROPFIND", "BREW" } do
        assert.matches("^HTTP/1%.1 501 Not Implemented\r\n", raw(method .. " /livez HTTP/1.1\r\n"
          .. "Host: localhost\r\n\r\n"))
      end
    end)

    it("OPTIONS * is about the server, and 404 has no Allow", function()
      local made = call("OPTIONS", "*")
      assert.same({ 204, "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT" },
        { made.status, made.headers.allow })
      for _, method in ipairs { "GET", "OPTIONS", "DELETE" } do
        local absent = call(method, "/none")
        assert.same({ 404 }, { absent.status, absent.headers.allow })
      end
    end)

    it("HEAD is GET without its body, on every way", function()
      tag_of("head", "0123456789")
      for _, target in ipairs { "/v1/kv/default/head", "/v1/kv/default/head?meta=1",
        "/v1/kv/default/none", "/livez", "/openapi.json", "/v1/buckets/none", "/none" } do
        local get, head = call("GET", target), call("HEAD", target)
        assert.equal(get.status, head.status)
        assert.equal("", head.body)
        for _, name in ipairs { "content-length", "content-type", "etag", "x-kv-seq" } do
          if target ~= "/openapi.json" or name ~= "content-length" then
            local is_error = get.status >= 400 and name == "content-length"
            assert.is_true(is_error or get.headers[name] == head.headers[name], target .. name)
          end
        end
      end
      local scan = call("HEAD", "/v1/kv/default")
      assert.same({ 200, "" }, { scan.status, scan.body })
    end)
  end)

  describe("every answer", function()
    it("has a Date, and says how long it is", function()
      for _, made in ipairs { call("GET", "/livez"), call("GET", "/none"),
        call("GET", "/v1/kv/default"), call("PUT", "/v1/kv/default/date", "1"),
        call("GET", "/v1/kv/default/date"), call("GET", "/v1/kv/default/none") } do
        assert.matches("^%a%a%a, %d%d %a%a%a %d%d%d%d %d%d:%d%d:%d%d GMT$", made.headers.date)
        assert.is_true(made.status == 204 or made.headers["content-length"] ~= nil
          or made.headers["transfer-encoding"] == "chunked")
      end
      assert.matches("\r\nDate: [^\r]+\r\n", raw("BAD\r\n\r\n"))
    end)

    it("to HTTP/1.0 is not chunked and ends with the connection", function()
      tag_of("old", "1")
      local text = raw("GET /v1/kv/default HTTP/1.0\r\n\r\n")

      assert.matches("^HTTP/1%.1 200 OK\r\n", text)
      assert.matches("Connection: close\r\n", text)
      assert.is_nil(text:find("Transfer-Encoding", 1, true))
      assert.matches('"end":true', text)
    end)

    it("says Connection: close when that is so, and nothing follows", function()
      local text = raw("GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        .. "GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")

      assert.equal(1, select(2, text:gsub("HTTP/1%.1 200", "")))
      assert.matches("Connection: close\r\n", text)
    end)
  end)

  describe("requests", function()
    it("name a host that the server is called, once", function()
      for line, status in pairs { [""] = 400, ["Host: a\r\nHost: a\r\n"] = 400,
        ["Host: evil.example\r\n"] = 403, ["Host: localhost:1\r\n"] = 200,
        ["Host: LOCALHOST\r\n"] = 200, ["Host: 127.0.0.1\r\n"] = 200,
        ["Host: localhost.evil.example\r\n"] = 403 } do
        local text = raw("GET /livez HTTP/1.1\r\nConnection: close\r\n" .. line .. "\r\n")
        assert.equal(status, tonumber(text:match("^HTTP/1%.1 (%d+)")), line)
      end
    end)

    it("may be in the absolute form, to this host only", function()
      for target, status in pairs { ["http://localhost/livez"] = 200,
        ["http://other/livez"] = 400 } do
        local text = raw("GET " .. target .. " HTTP/1.1\r\nHost: localhost\r\n"
          .. "Connection: close\r\n\r\n")
        assert.equal(status, tonumber(text:match("^HTTP/1%.1 (%d+)")), target)
      end
    end)

    it("in the absolute form of HTTP/1.0 name their host there", function()
      for target, status in pairs { ["http://localhost/livez"] = 200,
        ["http://evil.example/livez"] = 403 } do
        local text = raw("GET " .. target .. " HTTP/1.0\r\n\r\n")
        assert.equal(status, tonumber(text:match("^HTTP/1%.1 (%d+)")), target)
      end
    end)

    it("OPTIONS without a path is about the server, as with *", function()
      for target, allow in pairs {
        ["http://localhost"] = "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT",
        ["http://localhost/livez"] = "GET, HEAD, OPTIONS" } do
        local text = raw("OPTIONS " .. target .. " HTTP/1.1\r\nHost: localhost\r\n"
          .. "Connection: close\r\n\r\n")
        assert.matches("^HTTP/1%.1 204 No Content\r\n", text)
        assert.matches("\r\nAllow: " .. allow .. "\r\n", text)
      end
    end)

    it("are asked for their body with 100, or get no other answer than 417 and 413", function()
      local connection = s:connect()
      assert(connection:send("PUT /v1/kv/default/expect HTTP/1.1\r\nHost: localhost\r\n"
        .. "Expect: 100-continue\r\nContent-Length: 3\r\n\r\n"))
      assert.equal("HTTP/1.1 100 Continue", connection:receive("*l"))
      assert.equal("", connection:receive("*l"))
      assert(connection:send("abc"))
      assert.equal(201, server.read_answer(connection).status)
      connection:close()
      assert.matches("^HTTP/1%.1 417 ", raw("PUT /v1/kv/default/e HTTP/1.1\r\nHost: localhost\r\n"
        .. "Expect: tea\r\nContent-Length: 3\r\n\r\n"))
      assert.matches("^HTTP/1%.1 413 ", raw("PUT /v1/kv/default/e HTTP/1.1\r\nHost: localhost\r\n"
        .. "Expect: 100-continue\r\nContent-Length: 99999999999\r\n\r\n"))
      assert.matches("^HTTP/1%.1 404 ", raw("PUT /none HTTP/1.1\r\nHost: localhost\r\n"
        .. "Expect: 100-continue\r\nContent-Length: 3\r\n\r\n"))
    end)

    it("with a part or a packed body are not taken for whole values", function()
      for target, method in pairs { ["/v1/kv/default/part"] = "PUT", ["/blobs/part"] = "POST",
        ["/v1/batch"] = "POST" } do
        assert.equal(400, call(method, target, "x", { ["Content-Range"] = "bytes 0-0/2" }).status)
        local packed = call(method, target, "x", { ["Content-Encoding"] = "gzip" })
        assert.same({ 415, "identity" }, { packed.status, packed.headers["accept-encoding"] })
      end
      assert.equal(404, call("GET", "/v1/kv/default/part").status)
      assert.equal(201, call("PUT", "/v1/kv/default/part", "x",
        { ["Content-Encoding"] = "identity" }).status)
    end)

    it("of chunks may have trailers, which change nothing", function()
      local text = raw("PUT /v1/kv/default/chunks HTTP/1.1\r\nHost: localhost\r\n"
        .. "Transfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n3;x=y\r\nabc\r\n2\r\nde\r\n0\r\n"
        .. "X-Sum: 1\r\nContent-Type: text/html\r\n\r\n"
        .. "GET /v1/kv/default/chunks HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")

      assert.matches("^HTTP/1%.1 201 .*HTTP/1%.1 200 .*octet%-stream.*\r\n\r\nabcde$", text)
    end)
  end)

  describe("ranges", function()
    -- The same for a value on its two ways, and for a blob.
    local function each_way(fn)
      tag_of("range", "0123456789")
      call("POST", "/blobs/range", "0123456789")
      for _, target in ipairs { "/v1/kv/default/range", "/v1/kv/default/cmFuZ2U?enc=b64u",
        "/blobs/range" } do
        fn(target, assert(call("GET", target).headers.etag))
      end
    end

    it("give parts with the tag and the place of the whole", function()
      each_way(function(target, tag)
        for range, expected in pairs { ["bytes=0-3"] = { "0123", "bytes 0-3/10" },
          ["bytes=4-"] = { "456789", "bytes 4-9/10" }, ["bytes=-2"] = { "89", "bytes 8-9/10" },
          ["bytes=0-99"] = { "0123456789", "bytes 0-9/10" } } do
          local made = call("GET", target, nil, { Range = range })
          assert.same({ 206, expected[1], expected[2], tag, tostring(#expected[1]) },
            { made.status, made.body, made.headers["content-range"], made.headers.etag,
              made.headers["content-length"] })
        end
      end)
    end)

    it("are 416 with the size when there is nothing", function()
      each_way(function(target)
        for _, range in ipairs { "bytes=10-", "bytes=3-2", "bytes=x", "bytes=-0" } do
          local made = call("GET", target, nil, { Range = range })
          assert.same({ 416, "bytes */10" }, { made.status, made.headers["content-range"] })
          assert.equal("INVALID", code_of(made))
        end
      end)
    end)

    it("are the whole for HEAD, several, other units and another If-Range", function()
      each_way(function(target, tag)
        for _, headers in ipairs { { Range = "bytes=0-0,2-2" }, { Range = "rows=1-2" },
          { Range = "bytes=0-0", ["If-Range"] = '"0"' },
          { Range = "bytes=0-0", ["If-Range"] = "W/" .. tag } } do
          local made = call("GET", target, nil, headers)
          assert.same({ 200, "0123456789" }, { made.status, made.body })
        end
        local head = call("HEAD", target, nil, { Range = "bytes=0-0" })
        assert.same({ 200, "10", "bytes" }, { head.status, head.headers["content-length"],
          head.headers["accept-ranges"] })
        assert.equal(206, call("GET", target, nil, { Range = "bytes=0-0",
          ["If-Range"] = tag }).status)
      end)
    end)
  end)

  describe("conditions", function()
    it("of a GET: If-Match before If-None-Match before Range, never for absent keys", function()
      local tag = tag_of("get", "1")
      local other, weak = '"999999"', "W/" .. tag
      for _, case in ipairs {
        { 200, { ["If-Match"] = tag } }, { 200, { ["If-Match"] = "*" } },
        { 200, { ["If-Match"] = other .. ", " .. tag } }, { 412, { ["If-Match"] = other } },
        { 412, { ["If-Match"] = weak } }, { 304, { ["If-None-Match"] = weak } },
        { 304, { ["If-None-Match"] = other .. "," .. tag } },
        { 200, { ["If-None-Match"] = other } },
        { 412, { ["If-Match"] = other, ["If-None-Match"] = tag } },
        { 304, { ["If-Match"] = tag, ["If-None-Match"] = tag, Range = "bytes=0-0" } },
        { 206, { ["If-Match"] = tag, ["If-None-Match"] = other, Range = "bytes=0-0" } },
        { 400, { ["If-Match"] = "1" } }, { 400, { ["If-None-Match"] = "nonsense" } },
        { 200, { ["If-Modified-Since"] = "Sat, 29 Oct 2050 19:43:31 GMT" } },
        { 200, { ["If-Unmodified-Since"] = "Sat, 29 Oct 1994 19:43:31 GMT" } },
      } do
        local made = call("GET", "/v1/kv/default/get", nil, case[2])
        assert.equal(case[1], made.status, json.encode(case[2]))
        assert.equal(case[1] == 400 and "none" or tag, made.headers.etag or "none")
        assert.equal(case[1] == 206 and 200 or case[1],
          call("HEAD", "/v1/kv/default/get", nil, case[2]).status, json.encode(case[2]))
      end
      assert.equal(404, call("GET", "/v1/kv/default/no", nil, { ["If-Match"] = "*" }).status)
      assert.equal(404, call("GET", "/v1/kv/default/no", nil, { ["If-None-Match"] = "*" }).status)
    end)

    it("that come twice are refused, not chosen from", function()
      local tag = tag_of("twice", "1")
      for _, case in ipairs { { "GET", "If-Match" }, { "GET", "If-None-Match" }, { "GET", "Range" },
        { "GET", "If-Range" }, { "PUT", "If-Match" }, { "PUT", "If-None-Match" } } do
        local line = case[2] .. ": " .. tag .. "\r\n"
        local text = raw(case[1] .. " /v1/kv/default/twice HTTP/1.1\r\nHost: localhost\r\n"
          .. "Connection: close\r\nContent-Length: 0\r\n" .. line .. line .. "\r\n")
        assert.matches("^HTTP/1%.1 400 ", text, case[1] .. case[2])
      end
    end)

    it("of writes hold for lists, weak tags and both fields, atomically", function()
      local other = '"999999"'
      for _, write in ipairs { { "PUT", "/v1/kv/default/w", "v" }, { "DELETE", "/v1/kv/default/w" },
        { "POST", "/v1/kv/default/w?op=incr&init=1" }, { "POST", "/blobs/w", "v" },
        { "DELETE", "/blobs/w" } } do
        local is_blob = write[2]:find("^/blobs") ~= nil
        local function put()
          return is_blob and call("POST", "/blobs/w", "old").headers.etag
            or (call("DELETE", "/v1/kv/default/w") and call("POST",
              "/v1/kv/default/w?op=incr&init=1").headers.etag)
        end
        local function try(headers)
          return call(write[1], write[2], write[3], headers).status
        end
        local function is_done(status)
          return status == 200 or status == 201 or status == 204
        end
        for _, form in ipairs { "%s", other .. ", %s", "%s , W/" .. other, "*" } do
          put()
          local tag = put()
          local text = form:gsub("%%s", function() return tag end)
          assert.is_true(is_done(try { ["If-Match"] = text }), write[1] .. write[2] .. text)
          tag = put()
          text = form:gsub("%%s", function() return tag end)
          assert.equal(412, try { ["If-None-Match"] = text }, write[1] .. write[2] .. text)
        end
        local tag = put()
        assert.same({ 412, 412, 412 }, { try { ["If-Match"] = other },
          try { ["If-Match"] = "W/" .. tag }, try { ["If-None-Match"] = "W/" .. tag } })
        assert.same({ 412, 412, 400 }, { try { ["If-Match"] = other, ["If-None-Match"] = other },
          try { ["If-Match"] = tag, ["If-None-Match"] = tag }, try { ["If-Match"] = "1" } })
        assert.is_true(is_done(try { ["If-Match"] = tag, ["If-None-Match"] = other }))
        call("DELETE", is_blob and "/blobs/w" or "/v1/kv/default/w")
        assert.same({ 412, 412 }, { try { ["If-Match"] = "*" }, try { ["If-Match"] = other } })
        assert.is_true(is_done(try { ["If-None-Match"] = other }))
      end
    end)
  end)
end)
