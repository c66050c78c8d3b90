-- Makes the OpenAPI 3.0 document out of the route table, loam.openapi_schemas and
-- loam.openapi_examples. Called by the
-- route /openapi.json and by specs.
local examples = require "loam.openapi_examples"
local json = require "loam.json"
local schemas = require "loam.openapi_schemas"

local openapi = {}
local TYPES = { string = "string", bytes = "string", flag = "boolean", integer = "integer",
  number = "number" }
local ERROR_CONTENT = { ["application/json"] = {
  schema = { ["$ref"] = "#/components/schemas/error" }, example = examples.error } }
local ERROR = { ["$ref"] = "#/components/responses/error" }

-- Errors that every route, and every route that is not public, may answer with.
local COMMON = { ["400"] = true, ["429"] = true, ["500"] = true }
local GUARDED = { ["401"] = true, ["403"] = true }

local IS_STATE = { health = true, readyz = true }

local TAGS = { { "^/v1/kv", "keys" }, { "^/v1/explain", "keys" },
  { "^/v1/mget", "keys" }, { "^/v1/batch", "keys" },
  { "^/v1/buckets", "buckets" }, { "^/blobs", "blobs" }, { "^/v1/admin", "administration" } }

local function schema_of(param)
  local schema = { type = TYPES[param.type], minimum = param.min, maximum = param.max,
    default = param.default }
  if param.values then
    schema.enum = json.array({ unpack(param.values) })
  end
  return schema
end

local function parameters_of(route)
  local list = json.array()
  for _, param in ipairs(route.params or {}) do
    list[#list + 1] = {
      name = param.name,
      ["in"] = param.place or "query",
      required = param.place == "path",
      description = param.summary,
      schema = schema_of(param),
      example = examples.parameters[param.name],
    }
  end
  for _, header in ipairs(schemas.header_parameters[route.name] or {}) do
    list[#list + 1] = header
  end
  return list
end

-- ---- Answers ----

local function media_of(route)
  local media, answer = schemas.media[route.name], schemas.answers[route.name]
  local content = {}
  for kind, schema in pairs(media or (answer and { ["application/json"] = answer }) or {}) do
    local example = examples.by_route[route.name] and examples.by_route[route.name].answer
    content[kind] = { schema = schema, example = kind == "application/json" and example or nil }
  end
  return next(content) and content or nil
end

local function answer_of(route, status, summary)
  -- The 503 of /health and /readyz has the same body as their 200.
  if status >= 400 and not (status == 503 and IS_STATE[route.name]) then
    return { description = summary, content = ERROR_CONTENT }
  end
  local made = { description = summary }
  if status ~= 204 and status ~= 304 then
    made.content = media_of(route)
  end
  made.headers = status < 400 and schemas.headers[route.name] or nil
  return made
end

local function responses_of(route)
  local responses = { default = ERROR }
  for status in pairs(COMMON) do
    responses[status] = ERROR
  end
  for status in pairs(route.role ~= "public" and GUARDED or {}) do
    responses[status] = ERROR
  end
  for status, summary in pairs(route.answers) do
    responses[tostring(status)] = answer_of(route, status, summary)
  end
  return responses
end

-- ---- Requests ----

local function body_of(route)
  local schema = schemas.bodies[route.name]
  local example = examples.by_route[route.name] and examples.by_route[route.name].request
  if not schema then
    return { required = not schemas.optional_bodies[route.name],
      content = { [route.body] = { schema = { type = "string", format = "binary" } } } }
  end
  return { required = not schemas.optional_bodies[route.name],
    content = { [route.body] = { schema = schema, example = example } } }
end

local function tag_of(route)
  for _, pair in ipairs(TAGS) do
    if route.path:find(pair[1]) then
      return pair[2]
    end
  end
  return "operation"
end

local function operation_of(route)
  local operation = {
    operationId = route.name,
    summary = route.summary,
    tags = json.array { tag_of(route) },
    parameters = parameters_of(route),
    responses = responses_of(route),
    security = route.role == "public" and json.array() or nil,
    ["x-role"] = route.role,
  }
  if route.body then
    operation.requestBody = body_of(route)
  end
  return operation
end

local INTRODUCTION = "Ordered, durable key-value store. Where the server asks for tokens, every "
  .. "operation needs one that has its x-role (admin has all), and one with buckets or prefixes "
  .. "reaches only those. Without tokens it needs none."

--- Returns the document as a table.
---@param routes table[]
---@param version string
function openapi.document(routes, version)
  local paths = {}
  for _, route in ipairs(routes) do
    local path = route.path:gsub("%*}", "}")
    paths[path] = paths[path] or {}
    paths[path][route.method:lower()] = operation_of(route)
  end
  return {
    openapi = "3.0.3",
    info = { title = "Loam", version = version, description = INTRODUCTION,
      license = { name = "MIT", url = "https://opensource.org/license/mit" } },
    servers = json.array { { url = "/" } },
    security = json.array { { token = json.array() } },
    paths = paths,
    components = {
      schemas = schemas.components,
      responses = { error = { description = "An error.", content = ERROR_CONTENT } },
      securitySchemes = { token = { type = "http", scheme = "bearer",
        description = "loam_<id>_<secret>, made by `loam token create`." } },
    },
  }
end

return openapi
