-- Says what is wrong with a JSON value by a schema of an OpenAPI document.
--
--     local schema = require "spec.support.json_schema"
--     local problem = schema.problem(value, { ["$ref"] = "#/components/schemas/row" }, document)
--
-- Knows what our document uses: type, enum, nullable, minimum, maximum, properties, required, items
-- and references. Stricter than JSON Schema in one point: an object with properties has no others.
local json = require "loam.json"

local json_schema = {}
local check

local function resolve(schema, document)
  local name = schema["$ref"]
  return name and assert(document.components.schemas[name:match("([^/]+)$")], name) or schema
end

local TYPES = {
  string = function(value) return type(value) == "string" end,
  boolean = function(value) return type(value) == "boolean" end,
  number = function(value) return type(value) == "number" end,
  integer = function(value) return type(value) == "number" and value % 1 == 0 end,
  object = function(value) return type(value) == "table" and #value == 0 end,
  array = function(value) return type(value) == "table" and (#value > 0 or not next(value)) end,
}

local function check_enum(value, list, where)
  for _, one in ipairs(list) do
    if one == value then
      return nil
    end
  end
  return where .. " is none of its values"
end

local function check_object(value, schema, document, where)
  for _, name in ipairs(schema.required or {}) do
    if value[name] == nil then
      return where .. " lacks " .. name
    end
  end
  for name, inner in pairs(schema.properties and value or {}) do
    local declared = schema.properties[name]
    if not declared then
      return where .. " has " .. name
    end
    local problem = check(inner, declared, document, where .. "." .. name)
    if problem then
      return problem
    end
  end
end

local function check_array(value, schema, document, where)
  for at, item in ipairs(value) do
    local problem = check(item, schema.items, document, where .. "[" .. at .. "]")
    if problem then
      return problem
    end
  end
end

local function check_bounds(value, schema, _, where)
  local is_low = schema.minimum and value < schema.minimum
  local is_high = schema.maximum and value > schema.maximum
  return (is_low or is_high) and where .. " is out of bounds" or nil
end

local INSIDE = { object = check_object, array = check_array, number = check_bounds,
  integer = check_bounds }

function check(value, schema, document, where)
  schema = resolve(schema, document)
  if value == json.null then
    return not schema.nullable and where .. " is null" or nil
  elseif schema.type and not TYPES[schema.type](value) then
    return where .. " is no " .. schema.type
  elseif schema.enum then
    return check_enum(value, schema.enum, where)
  elseif INSIDE[schema.type] then
    return INSIDE[schema.type](value, schema, document, where)
  end
end

--- Returns one line, nil when the value is as the schema says.
function json_schema.problem(value, schema, document, where)
  return check(value, schema, document, where or "value")
end

return json_schema
