-- Every route of the route table through loam.client, against a real server: each has a function,
-- and what it answers is what /openapi.json declares, statuses, members and headers.
local client = require "loam.client"
local examples = require "loam.openapi_examples"
local json = require "loam.json"
local openapi = require "loam.openapi"
local routes = require "loam.routes"
local server = require "spec.support.server"
local tmpdir = require "spec.support.tmp"
local tokens = require "loam.tokens"

-- What a route is called with; others need nothing.
local ARGUMENTS = {
  kv_get = { bucket = "default", key = "user/1" },
  kv_scan = { bucket = "default", format = "json" },
  kv_put = { bucket = "default", key = "user/1", body = "Ada", ttl = 600 },
  kv_delete = { bucket = "default", key = "none" },
  kv_load = { bucket = "default", body = '{"k":"gone:1","v":"1"}\n{"k":"gone:2","v":"2"}' },
  kv_delete_range = { bucket = "default", prefix = "gone:", confirm = true },
  kv_post = { bucket = "default", key = "n", op = "incr", by = 2, init = 1 },
  bucket_get = { bucket = "default" }, bucket_delete = { bucket = "sessions" },
  bucket_put = { bucket = "sessions", body = examples.by_route.bucket_put.request },
  batch = { body = json.array { { op = "put", k = "a", v = "1" } } },
  mget = { body = json.array { { k = "a" }, { k = "none" } } },
  blob_post = { key = "b/1", body = "blob" }, blob_get = { key = "b/1" },
  blob_delete = { key = "none" },
  admin_token_create = { body = { roles = json.array { "read" } } },
}

-- Any value for what a path names.
local ABSENT = { id = "99999", bucket = "default", key = "a", name = "none" }

describe("loam.client.api", function()
  local s, c

  local function document()
    return json.decode(json.encode(openapi.document(routes.list, "1")))
  end

  local function arguments_of(route)
    local args = {}
    for name in route.path:gmatch("{([%w_]+)%*?}") do
      args[name] = ABSENT[name]
    end
    for name, value in pairs(ARGUMENTS[route.name] or {}) do
      args[name] = value
    end
    return args
  end

  setup(function()
    local path = server.make_directory() .. "/tokens"
    local admin = assert(tokens.create(path, { roles = { "admin" } })).text
    s = server.start { flags = "--durability os --tokens " .. path }
    c = assert(client.new(s.url, { token = admin }))
  end)
  teardown(function()
    c:close()
    server.stop_all()
  end)

  local function operations()
    local found = {}
    for _, methods in pairs(document().paths) do
      for _, operation in pairs(methods) do
        found[operation.operationId] = operation
      end
    end
    return found
  end

  -- Writes first, so that there is something to read.
  local function in_order()
    local list = { unpack(routes.list) }
    local rank = { POST = 1, PUT = 1, GET = 2, DELETE = 3 }
    table.sort(list, function(a, b)
      if rank[a.method] ~= rank[b.method] then
        return rank[a.method] < rank[b.method]
      end
      return a.name < b.name
    end)
    return list
  end

  -- What is declared of an answer. Administration may refuse for reasons of its own: `default`.
  local function declared_of(route, operation, status)
    local declared = operation.responses[tostring(status)]
    if not declared and route.role == "admin" and status >= 400 then
      declared = operation.responses.default
    end
    return declared
  end

  local function check_good(route, made, declared)
    local kind = (made.headers["content-type"] or ""):match("^[^;]+")
    local is_stored = route.name == "kv_get" or route.name == "blob_get" -- As it was stored.
    assert.is_true(is_stored or not declared.content or declared.content[kind] ~= nil,
      route.name .. ": " .. tostring(kind))
    for name in pairs(declared.headers or {}) do
      local is_optional = name == "X-KV-Expires-At"
      assert.is_true(is_optional or made.headers[name:lower()] ~= nil, route.name .. ": " .. name)
    end
  end

  it("has a function for every route, whose answer is one that is declared", function()
    local by_name = operations()
    for _, route in ipairs(in_order()) do
      local made, err = c.api[route.name](arguments_of(route))

      local status = made and made.status or err.status
      local declared = declared_of(route, by_name[route.name], status)
      assert.is_table(declared, ("%s answered %s: %s"):format(route.name, tostring(status),
        err and err.text or ""))
      assert.is_true(made ~= nil or not ARGUMENTS[route.name], err and route.name .. err.text)
      if made then
        check_good(route, made, declared)
      end
    end
  end)

  it("gives values, and what the server refuses as an error", function()
    assert(c.api.kv_put { bucket = "default", key = "a b/ü?", body = "1" })

    local found = c.api.kv_get { bucket = "default", key = "a b/ü?",
      headers = { Range = "bytes=0-0" } }
    local absent, err, code = c.api.kv_get { bucket = "default", key = "absent" }

    assert.same({ 206, "1" }, { found.status, found.body })
    assert.same({ "NOT_FOUND", 404 }, { code, err.status })
    assert.is_nil(absent)
    assert.equal("default", c.api.bucket_get { bucket = "default" }.value.name)
    assert.equal("1", json.decode(c.api.kv_scan { bucket = "default", prefix = "a b" }.body
      :match("^[^\n]+")).v)
  end)

  it("raises what is the caller's mistake, with his line", function()
    for message, fn in pairs {
      ["no route 'kv_gte'"] = function() return c.api.kv_gte end,
      ["has no parameter 'keys'"] = function() c.api.kv_scan { bucket = "default", keys = 1 } end,
      ["kv_get needs 'key'"] = function() c.api.kv_get { bucket = "default" } end,
    } do
      local is_ok, problem = pcall(fn)
      assert.is_false(is_ok)
      assert.matches(message, problem, 1, true)
      assert.matches("api_spec.lua:", problem, 1, true)
    end
  end)

  it("sends the token with scans too", function()
    local path = tmpdir() .. "/tokens"
    local reader = assert(tokens.create(path, { roles = { "read" } })).text
    local other = server.start { flags = "--tokens " .. path }
    local one = assert(client.new(other.url, { token = reader }))
    finally(function() one:close() end)

    for _ in assert(one:scan("default", {})) do
      error("nothing is there")
    end
  end)
end)
