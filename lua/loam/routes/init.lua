-- The route table: every route of HTTP_API that this version has.
--
-- The one source of the router, of /openapi.json and of the labels in /metrics. A route is {name,
-- method, path, params, role, answers, summary, handler, body, body_max}; handler(req, ctx) returns
-- an answer. To add one, put it in the list of its file.
local answer = require "loam.answer"
local openapi = require "loam.openapi"

local routes = {}
local FILES = { "kv", "change", "scan", "delete_range", "load", "many", "buckets", "blobs",
  "health", "admin", "jobs", "tools", "look", "calls", "tokens" }

local list = {}
for _, file in ipairs(FILES) do
  for _, route in ipairs(require("loam.routes." .. file).routes) do
    list[#list + 1] = route
  end
end

local document -- Made once: the table does not change.

list[#list + 1] = {
  name = "openapi", method = "GET", path = "/openapi.json", role = "read",
  is_scoped = true, params = {},
  summary = "This description.", answers = { [200] = "OpenAPI 3.0." },
  handler = function(_, ctx)
    document = document or answer.json(200, openapi.document(list, ctx.version)).body
    return answer.new(200, document, { ["Content-Type"] = answer.JSON })
  end,
}

routes.list = list

--- Adds every route to a router.
function routes.add_to(router)
  for _, route in ipairs(list) do
    router:add(route.method, route.path, route)
  end
end

return routes
