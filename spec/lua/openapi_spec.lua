-- The OpenAPI document: nothing is forgotten, references lead somewhere, examples are true.
-- scripts/lint has a validator of others look at it.
local examples = require "loam.openapi_examples"
local json = require "loam.json"
local json_schema = require "spec.support.json_schema"
local openapi = require "loam.openapi"
local routes = require "loam.routes"
local schemas = require "loam.openapi_schemas"
local served_store = require "spec.support.served"
local tmpdir = require "spec.support.tmp"

describe("loam.openapi", function()
  local document = json.decode(json.encode(openapi.document(routes.list, "1")))

  local function each_operation(fn)
    for path, methods in pairs(document.paths) do
      for method, operation in pairs(methods) do
        fn(operation, path, method)
      end
    end
  end

  it("has every route once, with role, security and errors", function()
    local count = 0
    each_operation(function(operation, path)
      count = count + 1
      assert.is_string(operation.summary)
      assert.is_table(operation.responses.default)
      assert.equal(operation["x-role"] == "public", operation.security ~= nil, path)
      assert.equal(operation["x-role"] ~= "public", operation.responses["401"] ~= nil, path)
      for name in path:gmatch("{([%w_]+)}") do
        local is_there = false
        for _, parameter in ipairs(operation.parameters) do
          is_there = is_there or parameter.name == name and parameter["in"] == "path"
        end
        assert.is_true(is_there, path .. " declares " .. name)
      end
    end)
    assert.equal(#routes.list, count)
  end)

  it("has a schema of every body, in and out", function()
    each_operation(function(operation, path)
      local media = operation.requestBody and operation.requestBody.content["application/json"]
      assert.is_true(not media or media.schema.type ~= "string", path)
      for status, response in pairs(operation.responses) do
        local has_body = tonumber(status) and tonumber(status) < 300 and status ~= "204"
          and operation.operationId ~= "kv_put"
        assert.is_true(not has_body or response.content ~= nil, operation.operationId .. status)
      end
    end)
  end)

  it("refers to what is there, and names no route that is not", function()
    local function walk(value)
      if type(value) ~= "table" then
        return
      end
      local target = value["$ref"]
      if target then
        local kind, name = target:match("^#/components/(%w+)/([%w_]+)$")
        assert.is_table(document.components[kind][name], target)
      end
      for _, inner in pairs(value) do
        walk(inner)
      end
    end
    walk(document)
    local names = {}
    for _, route in ipairs(routes.list) do
      names[route.name] = true
    end
    for _, part in ipairs { "answers", "media", "bodies", "headers",
      "header_parameters", "optional_bodies" } do
      for name in pairs(schemas[part]) do
        assert.is_true(names[name], part .. "." .. name)
      end
    end
    for name in pairs(examples.by_route) do
      assert.is_true(names[name], "example of " .. name)
    end
  end)

  it("has an example of every JSON but of what administration shows, as its schema says", function()
    local function check(content, where, is_needed)
      local media = content and content["application/json"]
      if media and media.example ~= nil then
        assert.is_nil(json_schema.problem(media.example, media.schema, document, where))
      end
      assert.is_true(not media or media.example ~= nil or not is_needed, where)
    end
    each_operation(function(operation)
      local name = operation.operationId
      local is_needed = operation["x-role"] ~= "admin" and name ~= "metrics" and name ~= "openapi"
      check(operation.requestBody and operation.requestBody.content, name .. " request", is_needed)
      for status, response in pairs(operation.responses) do
        check(response.content, name .. " " .. status, is_needed)
      end
      for _, parameter in ipairs(operation.parameters) do
        if parameter.example ~= nil then
          assert.is_nil(json_schema.problem(parameter.example, parameter.schema, document,
            name .. "." .. parameter.name))
        end
      end
    end)
  end)

  it("tells the truth: real answers have only declared members, examples are taken", function()
    local served = served_store.open { backups_dir = tmpdir() }
    local function call(name, method, target, body)
      local made = served:request { method = method, target = target, body = body }
      assert.is_true(made.status < 300, name .. made.status .. made.body)
      local value = assert(json.decode(made.body))
      local content
      each_operation(function(operation)
        if operation.operationId == name then
          content = operation.responses[tostring(made.status)].content["application/json"]
        end
      end)
      assert.is_nil(json_schema.problem(value, content.schema, document, name))
    end

    served:request { method = "PUT", target = "/v1/buckets/orders" }
    call("bucket_put", "PUT", "/v1/buckets/sessions",
      json.encode(examples.by_route.bucket_put.request))
    call("batch", "POST", "/v1/batch", json.encode(examples.by_route.batch.request))
    call("mget", "POST", "/v1/mget", json.encode(examples.by_route.mget.request))
    call("kv_get", "GET", "/v1/kv/default/users?meta=1")
    call("kv_post", "POST", "/v1/kv/default/users?op=incr")
    call("kv_scan", "GET", "/v1/kv/default?format=json&meta=1")
    call("blob_post", "POST", "/blobs/a", "x")
    for name, target in pairs { bucket_list = "/v1/buckets", bucket_get = "/v1/buckets/default",
      blob_list = "/blobs", health = "/health", livez = "/livez", readyz = "/readyz",
      admin_levels = "/v1/admin/levels", admin_config = "/v1/admin/config",
      admin_jobs = "/v1/admin/jobs", admin_stats = "/v1/admin/stats",
      admin_files = "/v1/admin/files", admin_space = "/v1/admin/space",
      admin_handles = "/v1/admin/handles", explain = "/v1/explain/default/users",
      admin_log_level = "/v1/admin/log-level" } do
      call(name, "GET", target)
    end
    call("admin_flush", "POST", "/v1/admin/flush")
    call("admin_compact", "POST", "/v1/admin/compact")
    call("admin_log_level_set", "PUT", "/v1/admin/log-level?level=debug")
    call("admin_verify", "POST", "/v1/admin/verify?wait=1")
    call("admin_backup", "POST", "/v1/admin/backup?name=day&wait=1")
    call("admin_backups", "GET", "/v1/admin/backups/day")
    served:close()
  end)
end)
