-- Makes the OpenAPI 3.0 document out of the route table. Called by the route /openapi.json and by
-- specs.
local json = require "loam.json"

local openapi = {}
local TYPES = { string = "string", bytes = "string", flag = "boolean", integer = "integer",
  number = "number" }

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
    }
  end
  return list
end

local ERROR = { description = "An error.", content = { ["application/json"] = {
  schema = { ["$ref"] = "#/components/schemas/error" } } } }

local function responses_of(route)
  local responses = { default = ERROR }
  for status, summary in pairs(route.answers) do
    responses[tostring(status)] = { description = summary }
  end
  return responses
end

local function operation_of(route)
  local operation = {
    operationId = route.name,
    summary = route.summary,
    parameters = parameters_of(route),
    responses = responses_of(route),
    ["x-role"] = route.role,
  }
  if route.body then
    operation.requestBody = { content = { [route.body] = { schema = {} } } }
  end
  return operation
end

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
    info = { title = "Loam", version = version, description = "Ordered, durable key-value store." },
    paths = paths,
    components = { schemas = { error = {
      type = "object",
      required = json.array({ "error", "code", "request_id" }),
      properties = { error = { type = "string" }, code = { type = "string" },
        request_id = { type = "string" }, limit = { type = "string" },
          value = { type = "number" } },
    } } },
  }
end

return openapi
