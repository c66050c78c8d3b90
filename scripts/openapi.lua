#!/usr/bin/env luajit
-- Prints the OpenAPI document of the routes, as the server gives it under /openapi.json.
--
--     scripts/openapi.lua >openapi.json
--
-- Needs a built tree: it uses build/libloam_testing.so.
local root = (arg and arg[0] or ""):match("^(.*)/scripts/[^/]*$") or "."
package.path = table.concat({ root .. "/lua/?.lua", root .. "/lua/?/init.lua",
  root .. "/bindings/?.lua", root .. "/bindings/?/init.lua", package.path }, ";")
package.preload["kv.native"] = function()
  return { library = root .. "/build/libloam_testing.so" }
end
local routes = require "loam.routes"
print(require("loam.json").encode(require("loam.openapi").document(routes.list, "0.1.0")))
