-- Who gets to which route: the whole route table with every role and none (H18), bad tokens,
-- scopes, the socket for administration, failed log-ins.
local failed_logins = require "loam.failed_logins"
local gated_store = require "spec.support.gated"
local json = require "loam.json"
local routes = require "loam.routes"
local tokens = require "loam.tokens"

describe("loam.gate", function()
  local gated

  before_each(function() gated = gated_store.open() end)
  after_each(function() gated:close() end)

  local function call(method, target, token, body)
    return gated:request({ method = method, target = target, body = body }, token)
  end

  local function status(...)
    return call(...).status
  end

  -- A request of a route that its handler refuses or answers without doing harm.
  local function request_of(route)
    local target = route.path:gsub("{bucket}", "default"):gsub("{key%*}", "k"):gsub("{[%w_]+%*?}",
      "0123456789abcdef")
    return { method = route.method, target = target, body = "" }
  end

  local function is_refused(made)
    return made.status == 401 or made.status == 403 and made.body:find("role", 1, true) ~= nil
  end

  describe("over the whole route table", function()
    it("has a known role on every route", function()
      local known = { public = true }
      for _, role in ipairs(tokens.ROLES) do
        known[role] = true
      end

      for _, route in ipairs(routes.list) do
        assert.is_true(known[route.role], route.name .. " has the role " .. tostring(route.role))
      end
      assert.is_true(#routes.list > 20)
    end)

    it("lets nobody in without a token but to public routes", function()
      for _, route in ipairs(routes.list) do
        local made = gated:request(request_of(route))

        if route.role == "public" then
          assert.is_false(is_refused(made), route.name)
        else
          assert.equal(401, made.status, route.name)
          assert.equal('Bearer realm="loam"', made.headers["WWW-Authenticate"])
        end
      end
    end)

    it("lets each role to its own routes, admin to all", function()
      for _, role in ipairs(tokens.ROLES) do
        local token = gated:token { roles = { role } }
        for _, route in ipairs(routes.list) do
          local made = gated:request(request_of(route), token)
          local is_allowed = route.role == "public" or route.role == role or role == "admin"

          assert.equal(not is_allowed, is_refused(made), role .. " at " .. route.name)
          assert.is_true(is_allowed or made.status == 403)
        end
      end
    end)

    it("keeps scoped tokens from every route that does not look at scopes", function()
      local token = gated:token { roles = tokens.ROLES, buckets = { "default" } }
      for _, route in ipairs(routes.list) do
        local made = gated:request(request_of(route), token)

        local is_open = route.role == "public" or route.is_scoped
        assert.equal(not is_open,
          made.status == 403 and made.body:find("this route is not", 1, true) ~= nil, route.name)
      end
    end)

    it("keeps a token of another bucket from every row and bucket", function()
      local token = gated:token { roles = tokens.ROLES, buckets = { "other" } }
      for _, route in ipairs(routes.list) do
        if route.path:find("{bucket}", 1, true) or route.path:find("^/blobs") then
          assert.equal(403, gated:request(request_of(route), token).status, route.name)
        end
      end
    end)

    it("answers unknown routes and methods to known tokens only", function()
      local token = gated:token { roles = { "read" } }

      assert.same({ 401, 404 }, { status("GET", "/none"), status("GET", "/none", token) })
      assert.same({ 401, 405 }, { status("PATCH", "/v1/buckets"),
        status("PATCH", "/v1/buckets", token) })
      assert.same({ 401, 204 }, { status("OPTIONS", "/v1/buckets"),
        status("OPTIONS", "/v1/buckets", token) })
    end)
  end)

  describe("a bad token", function()
    it("is answered like none, whatever is wrong with it", function()
      local good = gated:token { roles = { "read" } }
      local other = gated:token { roles = { "read" } }
      local expected = call("GET", "/v1/buckets").body
      local bad = {
        "", "x", "loam_", good:sub(1, -2), good .. "A", good:sub(1, -2) .. "!",
        good:sub(1, 22) .. other:sub(23), (good:gsub("^loam", "LOAM")), good:upper(),
        "loam_" .. ("f"):rep(16) .. good:sub(22), (good:gsub("_", "-", 2)), good .. " ",
        good .. "\0",
      }

      for at, token in ipairs(bad) do
        local made = call("GET", "/v1/buckets", token)
        assert.equal(401, made.status, "token " .. at)
        assert.equal(expected, made.body)
      end
      for _, field in ipairs { "Basic " .. good, "Bearer", "Bearer ", "Bearer" .. good, good,
        "Token " .. good, "Bearer " .. good .. ", Bearer " .. good } do
        assert.equal(401, gated:request({ method = "GET", target = "/v1/buckets",
          headers = { Authorization = field } }).status, field)
      end
      assert.equal(200, status("GET", "/v1/buckets", good))
      assert.equal(200, gated:request({ method = "GET", target = "/v1/buckets",
        headers = { Authorization = "bearer   " .. good } }).status)
    end)

    it("may not come in the URL", function()
      local good = gated:token { roles = { "read" } }

      assert.equal(401, status("GET", "/v1/buckets?token=" .. good))
      assert.equal(401, status("GET", "/v1/buckets?access_token=" .. good))
    end)

    it("is one that has expired or was revoked", function()
      local expired = gated:token { roles = { "read" }, expires_at_ms = 5000 }
      local revoked = gated:token { roles = { "read" } }
      local expected = call("GET", "/v1/buckets").body
      gated.now_ms = 4999
      assert.equal(200, status("GET", "/v1/buckets", expired))
      gated.now_ms = 5000
      assert.same({ 401, expected }, { status("GET", "/v1/buckets", expired),
        call("GET", "/v1/buckets", expired).body })

      assert.equal(200, status("GET", "/v1/buckets", revoked))
      assert(tokens.revoke(gated.path, revoked:match("^loam_(%x+)")))
      assert.is_true(gated.gate:reload())

      assert.equal(401, status("GET", "/v1/buckets", revoked))
    end)
  end)

  describe("a token with a scope", function()
    local token

    before_each(function()
      token = gated:scoped_token()
    end)

    it("reaches its keys and no others, by any way to write them", function()
      assert.equal(200, status("GET", "/v1/kv/mine/user:1", token))
      assert.equal(200, status("GET", "/v1/kv/mine/%75ser%3a1", token))
      assert.equal(200, status("GET", "/v1/kv/mine/dXNlcjox?enc=b64u", token))
      assert.equal(204, status("PUT", "/v1/kv/mine/user:1", token, "w"))
      assert.equal(204, status("DELETE", "/v1/kv/mine/user:2", token))
      for _, target in ipairs { "/v1/kv/mine/a", "/v1/kv/mine/user", "/v1/kv/mine/user;",
        "/v1/kv/mine/YQ?enc=b64u", "/v1/kv/other/user:1", "/v1/kv/none/user:1",
        "/v1/kv/default/user:1", "/v1/kv/_blobs/user:1", "/blobs/user:1", "/blobs?prefix=user:" } do
        assert.equal(403, status("GET", target, token), target)
      end
      assert.equal(403, status("PUT", "/v1/kv/mine/a", token, "w"))
      assert.equal(403, status("DELETE", "/v1/kv/mine/a", token))
      assert.equal(403, status("POST", "/v1/kv/mine/a?op=incr&init=1", token))
      assert.equal("v", call("GET", "/v1/kv/mine/a", gated.first).body)
    end)

    it("scans ranges that lie within its prefix", function()
      local function keys_of(query)
        local made = call("GET", "/v1/kv/mine?keys_only=1&" .. query, token)
        local found = {}
        for key in made.body:gmatch('{"k":"([^"]*)"') do
          found[#found + 1] = key
        end
        return made.status, table.concat(found, " ")
      end

      assert.same({ 200, "user:1 user:2" }, { keys_of("prefix=user:") })
      assert.same({ 200, "user:2" }, { keys_of("prefix=user:2") })
      assert.same({ 200, "user:1 user:2" }, { keys_of("prefix=user:&from=a&to=z") })
      assert.same({ 200, "user:1 user:2" }, { keys_of("prefix=user:&after=a") })
      assert.same({ 200, "user:2 user:1" }, { keys_of("prefix=user:&reverse=1&after=z") })
      assert.same({ 200, "user:1 user:2" }, { keys_of("from=user:&to=user;") })
      assert.same({ 200, "user:1" }, { keys_of("fromKey=user:1&endKey=user:2") })
      assert.same({ 200, "user:2" }, { keys_of("from=user:1&to=user:9&after=user:1") })
      for _, query in ipairs { "limit=1", "prefix=user", "prefix=use", "from=user:", "to=user;",
        "from=user:&to=user%3C", "from=user&to=user;", "from=user:&to=z", "after=user:1",
        "from=a&to=user:2", "after=user:&to=user;", "count_only=1" } do
        assert.equal(403, (keys_of(query)), query)
      end
      assert.equal(403, status("GET", "/v1/kv/other?prefix=user:", token))
    end)

    it("is held to it by every item of mget and batch", function()
      assert.equal(200, status("POST", "/v1/mget", token, '[{"b":"mine","k":"user:1"}]'))
      assert.equal(200, status("POST", "/v1/batch", token,
        '[{"op":"put","b":"mine","k":"user:3","v":"1"}]'))
      for _, item in ipairs { '{"b":"mine","k":"a"}', '{"b":"other","k":"user:1"}',
        '{"b":"none","k":"user:1"}', '{"k":"user:1"}', '{"b":"mine","k64":"YQ"}' } do
        local good = '{"b":"mine","k":"user:1"},'
        assert.equal(403, status("POST", "/v1/mget", token, "[" .. good .. item .. "]"), item)
        local op = '{"op":"delete",' .. item:sub(2)
        local good_op = '{"op":"put","b":"mine","k":"user:9","v":"1"},'
        assert.equal(403, status("POST", "/v1/batch", token, "[" .. good_op .. op .. "]"), item)
      end
      assert.equal(404, status("GET", "/v1/kv/mine/user:9", token))
    end)

    it("sees its own buckets, and changes one only as a whole", function()
      local list = json.decode(call("GET", "/v1/buckets", token).body).buckets
      assert.same({ 1, "mine" }, { #list, list[1].name })
      assert.same({ 200, 403, 403 }, { status("GET", "/v1/buckets/mine", token),
        status("GET", "/v1/buckets/other", token), status("GET", "/v1/buckets/none", token) })

      local partial = gated:token { roles = { "admin" }, buckets = { "mine" }, prefixes = { "u" } }
      local whole = gated:token { roles = { "admin" }, buckets = { "mine", "new" } }
      assert.equal(403, status("DELETE", "/v1/buckets/mine", partial))
      assert.equal(403, status("PUT", "/v1/buckets/mine?ttl=1", partial))
      assert.equal(403, status("DELETE", "/v1/buckets/other", whole))
      assert.equal(201, status("PUT", "/v1/buckets/new", whole))
      assert.equal(204, status("DELETE", "/v1/buckets/new", whole))
    end)
  end)

  describe("the socket for administration", function()
    it("has the routes of the role admin, which are nowhere else", function()
      gated:close()
      gated = gated_store.open { admin_listen = "unix:x" }

      for _, route in ipairs(routes.list) do
        local wanted = request_of(route)
        local outside = gated:request(wanted, gated.first)
        wanted.listener = 1
        local inside = gated:request(wanted)

        assert.equal(route.role == "admin",
          outside.status == 404 and outside.body:find("no such route", 1, true) ~= nil, route.name)
        assert.is_false(is_refused(inside), route.name)
      end
    end)

    it("keeps their methods out of Allow elsewhere", function()
      gated:close()
      gated = gated_store.open { admin_listen = "unix:x" }
      local function allow(method, target, listener)
        local made = gated:request({ method = method, target = target, listener = listener },
          listener ~= 1 and gated.first or nil)
        return { made.status, made.headers.Allow }
      end

      assert.same({ 404 }, allow("PATCH", "/v1/admin/stats"))
      assert.same({ 404 }, allow("OPTIONS", "/v1/admin/stats"))
      assert.same({ 405, "GET, HEAD, OPTIONS" }, allow("PATCH", "/v1/admin/stats", 1))
      assert.same({ 405, "GET, HEAD, OPTIONS" }, allow("PATCH", "/v1/buckets/b"))
      assert.same({ 204, "DELETE, GET, HEAD, OPTIONS, PUT" }, allow("OPTIONS", "/v1/buckets/b", 1))
    end)
  end)

  describe("failed log-ins", function()
    it("are 429 above the limit of an address, and good tokens still pass", function()
      gated:close()
      gated = gated_store.open { failures_max = 3 }
      gated.now_ms = 1e12
      local function try(peer)
        return gated:request({ method = "GET", target = "/v1/buckets", peer = peer }).status
      end

      assert.same({ 401, 401, 401, 429, 429, 429 }, { try("1.1.1.1:1"), try("1.1.1.1:2"),
        try("1.1.1.1:3"), try("1.1.1.1:4"), try("1.1.1.1:5"), try("1.1.1.1:6") })
      assert.equal(401, try("1.1.1.2:1"))
      assert.equal(200, gated:request({ method = "GET", target = "/v1/buckets",
        peer = "1.1.1.1:7" }, gated.first).status)
      assert.equal("60", gated:request({ method = "GET", target = "/x", peer = "1.1.1.1:1" })
        .headers["Retry-After"])
      gated.now_ms = 1e12 + 121000
      assert.equal(401, try("1.1.1.1:1"))
      local count = 0
      for _, line in ipairs(gated.audited) do
        count = count + (line[2] == 429 and 1 or 0)
      end
      assert.equal(1, count)
    end)

    it("count in a sliding minute", function()
      local counts = failed_logins.new(2)
      for _ = 1, 10 do
        counts:add("1.1.1.1:1", 60000)
      end

      assert.equal(1 + 10 * 0.75, (counts:add("1.1.1.1:1", 135000)))
      assert.equal(1, (counts:add("1.1.1.1:1", 600000)))
      assert.equal(1, (counts:add("1.1.1.1:1", 60000)))
    end)

    it("take bounded room, and count an IPv6 network as one", function()
      local counts = failed_logins.new(2)
      for _ = 1, 50 do
        counts:add("6.6.6.6:1", 1000)
      end
      for at = 1, 20000 do
        local peer = ("10.%d.%d.%d:1"):format(at % 7, math.floor(at / 250) % 250, at % 250)
        local _, is_above = counts:add(peer, 1000)
        assert.is_false(is_above)
      end
      -- Who failed most is not forgotten for those who failed once.
      assert.equal(51, (counts:add("6.6.6.6:2", 1000)))

      assert.equal("2001:db8:0:0", failed_logins.address_of("[2001:db8::1]:80"))
      assert.equal("2001:db8:1:2", failed_logins.address_of("[2001:db8:1:2:3:4:5:6]:80"))
      assert.equal("0:0:0:0", failed_logins.address_of("[::1]:80"))
      assert.equal("::ffff:1.2.3.4", failed_logins.address_of("[::ffff:1.2.3.4]:80"))
      assert.equal("unix", failed_logins.address_of("unix"))
    end)
  end)

  describe("the file of tokens", function()
    local function write(text, mode)
      local file = assert(io.open(gated.path, "wb"))
      file:write(text)
      file:close()
      os.execute(("chmod %s '%s'"):format(mode or "600", gated.path))
    end

    it("changes nothing when it cannot be read, and says so once", function()
      local file = assert(io.open(gated.path))
      local good = file:read("*a")
      file:close()
      for _, case in ipairs { { "", "is empty" }, { "x\n", "first line" },
        { '{"loam_tokens":1}\n{"id":"x"}\n', ":2: id is 16 hex digits" },
        { good .. good:match("\n(.*)"), "is there twice" }, { good, "chmod 600", "644" } } do
        write(case[1], case[3])
        local is_changed, message = gated.gate:reload()

        assert.is_nil(is_changed)
        assert.matches(case[2], message, 1, true)
        assert.equal(false, (gated.gate:reload()))
        assert.equal(200, status("GET", "/v1/buckets", gated.first))
      end
    end)

    it("holds no secret, and a list shows no hash", function()
      local token = gated:token { roles = { "read" }, note = "for a spec" }
      local file = assert(io.open(gated.path))
      local text = file:read("*a")
      file:close()

      assert.is_nil(text:find(token:match("_([^_]+.*)$"):sub(18), 1, true))
      local list = call("GET", "/v1/admin/tokens", gated.first).body
      assert.matches("for a spec", list)
      assert.is_nil(list:find("sha256", 1, true))
    end)

    it("that is gone is told as that, not as a token that is not there", function()
      assert(os.remove(gated.path))

      local made = call("GET", "/v1/admin/tokens", gated.first)

      assert.equal(500, made.status)
      assert.matches("tokens cannot be opened: No such file", made.body, 1, true)
    end)
  end)

  it("keeps texts of errors free of paths, traces and the data of others (H20)", function()
    local token = gated:token { roles = { "read", "write" }, buckets = { "default" },
      prefixes = { "mine" } }
    status("PUT", "/v1/kv/default/secret-key", gated.first, "secret-value")
    for _, case in ipairs { { "GET", "/v1/kv/default/secret-key" }, { "GET", "/v1/kv/default" },
      { "POST", "/v1/mget", '[{"k":"secret-key"}]' }, { "POST", "/v1/batch", "{" },
      { "POST", "/v1/admin/tokens", "{" }, { "GET", "/v1/admin/config" }, { "GET", "/none" },
      { "GET", "/v1/kv/other/x" }, { "GET", "/v1/kv/default/mine?zz=1" } } do
      for _, given in ipairs { token, false } do
        local made = call(case[1], case[2], given or nil, case[3])
        assert.is_true(made.status >= 400, case[2])
        for _, word in ipairs { "secret", gated.path, "/tmp", "traceback", ".lua:", "stack" } do
          assert.is_nil(made.body:find(word, 1, true), case[2] .. ": " .. made.body)
        end
      end
    end
  end)
end)
