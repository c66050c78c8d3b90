-- Loads the user's app.lua into a registry: routes, middleware, timers. Loading again makes a new
-- registry; the old one stays in use until the new one is complete, so a broken edit never takes
-- the server down.
--
-- The names app, kv, log, metrics and json are there without require. Modules beside app.lua can be
-- required; they are loaded again together with it.
local app = require "loam.app"
local json = require "loam.json"
local kv = require "kv"
local log = require "loam.log"
local metrics = require "loam.metrics"
local C = require "loam.native"
local router = require "loam.router"
local routes = require "loam.routes"

local app_loader = {}

local function directory_of(path)
  return path:match("^(.*)/[^/]*$") or "."
end

local function add_to_path(directory)
  local ours = directory .. "/?.lua;" .. directory .. "/?/init.lua;"
  if package.path:sub(1, #ours) ~= ours then
    package.path = ours .. package.path
  end
end

-- Names of the modules that were loaded from below a directory since `before`.
local function modules_since(before, directory)
  local names, files = {}, {}
  for name in pairs(package.loaded) do
    local path = not before[name] and package.searchpath(name, package.path)
    if path and path:sub(1, #directory + 1) == directory .. "/" then
      names[#names + 1] = name
      files[#files + 1] = path
    end
  end
  return names, files
end

local function copy_of(list)
  local copy = {}
  for name, value in pairs(list) do
    copy[name] = value
  end
  return copy
end

-- From now on what this state loads is not compiled, but for Loam's own modules: see the option
-- handler_ms.
local is_interpreting = false

local function interpret()
  if is_interpreting then
    return
  end
  is_interpreting = true
  for _, name in ipairs { "load", "loadstring", "loadfile" } do
    local original = _G[name]
    _G[name] = function(...)
      local chunk, message = original(...)
      if chunk then
        jit.off(chunk, true)
      end
      return chunk, message
    end
  end
  function _G.dofile(path)
    return assert(loadfile(path))()
  end
  table.insert(package.loaders, 2, function(name)
    local path = package.searchpath(name, package.path)
    local root = rawget(package, "loam_root")
    local is_own = path and root and path:sub(1, #root + 1) == root .. "/"
    return path and not is_own and assert(loadfile(path)) or nil
  end)
end

local function run(path, registry, is_interpreted)
  local file, message = io.open(path, "rb")
  if not file then
    return nil, "cannot read " .. message
  end
  local text = file:read("*a")
  file:close()
  if not text then
    return nil, "cannot read " .. path .. ": is it a file?"
  end
  local globals = setmetatable({ app = app, kv = kv, log = log, metrics = metrics, json = json },
    { __index = _G })
  local chunk
  chunk, message = load(text, "@" .. path, "t", globals)
  if not chunk then
    return nil, message
  end
  if is_interpreted then
    interpret()
    jit.off(chunk, true)
  end
  app.fill(registry)
  local is_ok, problem = xpcall(chunk, function(problem)
    return debug.traceback(tostring(problem), 2)
  end)
  app.fill(nil)
  if not is_ok then
    return nil, tostring(problem):match("^[^\n]*"), problem
  end
  return registry
end

local function make_router(registry)
  local made = router.new()
  routes.add_to(made)
  for _, route in ipairs(registry.routes) do
    made:add(route.method, route.path, route)
  end
  registry.router = made
  return registry
end

--- The registry of a server without app.lua.
function app_loader.empty()
  return make_router({ routes = {}, middleware = {}, timers = {}, modules = {}, files = {} })
end

--- Loads app.lua. `previous` is the registry it takes the place of. Returns the registry, or nil
--- and one line.
---@param path string
---@param previous? table
---@param is_interpreted? boolean  the functions of app.lua and its modules are not compiled
---@return table? registry, string? message
function app_loader.load(path, previous, is_interpreted)
  local directory = directory_of(path)
  add_to_path(directory)
  local kept = {}
  for _, name in ipairs(previous and previous.modules or {}) do
    kept[name] = package.loaded[name]
    package.loaded[name] = nil
  end
  local before = copy_of(package.loaded)
  local registry, message = run(path,
    { routes = {}, middleware = {}, timers = {}, path = path, directory = directory },
    is_interpreted)
  if registry then
    local is_ok, problem = pcall(make_router, registry)
    registry, message = is_ok and registry or nil,
      not is_ok and path .. ": " .. tostring(problem):gsub("^[^:]+:%d+: ", "") or nil
  end
  local modules, files = modules_since(before, directory)
  if not registry then
    for _, name in ipairs(modules) do
      package.loaded[name] = nil
    end
    for name, module in pairs(kept) do
      package.loaded[name] = module
    end
    return nil, message
  end
  registry.modules, registry.files = modules, files
  files[#files + 1] = path
  return registry
end

--- A text that changes when one of the files of a registry does.
---@param files string[]
---@return string
function app_loader.fingerprint(files)
  local parts = {}
  for at, path in ipairs(files) do
    parts[at] = ("%.6f"):format(C.host_file_mtime(path))
  end
  return table.concat(parts, " ")
end

return app_loader
