-- Every route of a server as a function, made from the route table itself.
--
--     local found = c.api.kv_get { bucket = "default", key = "a" }       -- {status, headers, body}
--     local made = c.api.batch { body = json.array { { op = "put", k = "a", v = "1" } } }
--     print(made.value.seq)                                              -- the body's JSON
--
-- Names are those of /openapi.json (operationId). Arguments are the parameters of the path and of
-- the query, `body` (a string as it is, a table as JSON) and `headers`. A wrong name is an error of
-- the caller and raises; what the server refuses is nil, err, CODE. Answers are read whole: for
-- scans of any size there is client:scan(). Called by loam.client.
local json = require "loam.json"
local uri = require "loam.uri"

local api = {}
local OTHERS = { body = true, headers = true }

local by_name -- Name -> route; made when first asked for.

local function route_of(name)
  if not by_name then
    by_name = {}
    -- Only here: the routes bring the server's side with them.
    for _, route in ipairs(require("loam.routes").list) do
      by_name[route.name] = route
    end
  end
  return by_name[name]
end

local function declared(route)
  local known = {}
  for _, param in ipairs(route.params or {}) do
    known[param.name] = param.place or "query"
  end
  return known
end

local function check(route, args, known)
  for name in pairs(args) do
    if not known[name] and not OTHERS[name] then
      error(("api.%s has no parameter '%s'"):format(route.name, tostring(name)), 3)
    end
  end
end

local function path_of(route, args)
  return (route.path:gsub("{([%w_]+)%*?}", function(name)
    if args[name] == nil then
      error(("api.%s needs '%s'"):format(route.name, name), 5)
    end
    local value = args[name]
    return uri.encode(type(value) == "number" and ("%.17g"):format(value) or value)
  end))
end

local function query_of(args, known)
  local query = {}
  for name, value in pairs(args) do
    if known[name] == "query" then
      query[name] = value
    end
  end
  return query
end

-- The body as bytes, and the headers with its type.
local function body_of(route, args)
  local body, headers = args.body, {}
  for name, value in pairs(args.headers or {}) do
    headers[name] = value
  end
  if type(body) == "table" then
    body = json.encode(body)
    headers["Content-Type"] = headers["Content-Type"] or "application/json"
  elseif body and route.body == "application/json" then
    headers["Content-Type"] = headers["Content-Type"] or route.body
  end
  return body, headers
end

local function call(client, route, args)
  args = args or {}
  local known = declared(route)
  check(route, args, known)
  local body, headers = body_of(route, args)
  local response, err, code = client:request(route.method, path_of(route, args),
    { query = query_of(args, known), body = body, headers = headers })
  if not response then
    return nil, err, code
  elseif response.status >= 400 then
    return client.refusal(response.status, response.body)
  elseif (response.headers["content-type"] or ""):find("^application/json") then
    response.value = json.decode(response.body)
  end
  return response
end

--- The table `api` of a client.
function api.new(client)
  return setmetatable({}, { __index = function(self, name)
    local route = route_of(name)
    if not route then
      error(("the server has no route '%s'"):format(tostring(name)), 2)
    end
    local function fn(args)
      return call(client, route, args)
    end
    rawset(self, name, fn)
    return fn
  end })
end

return api
