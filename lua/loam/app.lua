-- What app.lua requires: routes, middleware and timers of the user.
--
--     local app = require "loam.app"
--     app.get("/hello/:name", function(req) return "hello " .. req.params.name end)
--
-- Declarations go to the registry that is being filled while app.lua loads (loam.app_loader);
-- afterwards they raise, because a route that appears in one worker only would answer one request
-- in W. sleep() works in handlers and timers. A route's last argument may be {role, is_scoped}: who
-- may call it when the server asks for tokens (loam.gate); and is_stream: the body is not
-- collected, req.read() gives one piece after the other (loam.upload).
local files = require "loam.static_files"

local app = {}

local filling -- The registry of the app.lua that loads now.
local sleep_fn

-- `level` counts from here to the caller in app.lua, so that errors name the line there.
local function registry(call, level)
  if not filling then
    error(("app.%s works while app.lua loads, not later"):format(call), level)
  end
  return filling
end

local function check_function(call, fn, level)
  if type(fn) ~= "function" then
    error(("app.%s: the handler is a function, got %s"):format(call, type(fn)), level)
  end
end

local ROLES = { public = true, read = true, write = true, exec = true, deploy = true, admin = true }

-- Role and scope of a route: what changes nothing is for read, all else for write, unless it says.
local function access_of(call, method, options)
  for name in pairs(options or {}) do
    if name ~= "role" and name ~= "is_scoped" and name ~= "is_stream" then
      error(("app.%s: unknown option '%s': it takes role, is_scoped and is_stream"):format(call,
        tostring(name)), 4)
    end
  end
  local role = options and options.role or method == "GET" and "read" or "write"
  if not ROLES[role] then
    error(("app.%s: role is one of public, read, write, exec, deploy, admin, got '%s'"):format(call,
      tostring(role)), 4)
  end
  return role, options and options.is_scoped == true
end

local function declare(call, method, path, fn, options)
  check_function(call, fn, 4)
  if type(path) ~= "string" or path:sub(1, 1) ~= "/" then
    error(("app.%s: the path is a string that begins with /, got %s"):format(call, tostring(path)),
      3)
  end
  local list = registry(call, 4).routes
  local role, is_scoped = access_of(call, method, options)
  list[#list + 1] = { name = "app", method = method, path = path, user_handler = fn, role = role,
    is_scoped = is_scoped, is_stream = options and options.is_stream == true }
end

for _, method in ipairs { "get", "post", "put", "delete", "patch" } do
  app[method] = function(path, fn, options)
    declare(method, method:upper(), path, fn, options)
  end
end

--- A handler for every method of a path that has no handler of its own.
function app.any(path, fn, options)
  declare("any", "*", path, fn, options)
end

--- fn(req, next) runs around every route except the built-in GET of a plain key when no middleware
--- is there; next(req) goes on and returns the answer.
function app.use(fn)
  check_function("use", fn, 3)
  local list = registry("use", 3).middleware
  list[#list + 1] = fn
end

--- Serves the files of a directory below a path.
---@param path string
---@param directory string  relative to app.lua
function app.static(path, directory, options)
  if type(directory) ~= "string" then
    error("app.static: the directory is a string, got " .. type(directory), 2)
  end
  local current = registry("static", 3)
  if directory:sub(1, 1) ~= "/" then
    directory = current.directory .. "/" .. directory
  end
  local base = path:gsub("/+$", "")
  declare("static", "GET", base .. "/{file*}", files.handler(directory), options)
end

local function check_seconds(call, seconds)
  if type(seconds) ~= "number" or not (seconds >= 0 and seconds <= 86400 * 24) then
    error(("app.%s: seconds are 0 to 24 days, got %s"):format(call, tostring(seconds)), 3)
  end
end

--- Runs fn every so many seconds, in one worker.
function app.every(seconds, fn)
  check_seconds("every", seconds)
  check_function("every", fn, 3)
  if seconds < 0.001 then
    error("app.every: at least 0.001 seconds", 2)
  end
  local list = registry("every", 3).timers
  list[#list + 1] = { seconds = seconds, fn = fn, is_repeated = true }
end

--- Runs fn once after so many seconds, in one worker.
function app.after(seconds, fn)
  check_seconds("after", seconds)
  check_function("after", fn, 3)
  local list = registry("after", 3).timers
  list[#list + 1] = { seconds = seconds, fn = fn }
end

--- Lets so many seconds pass; other requests go on meanwhile.
function app.sleep(seconds)
  check_seconds("sleep", seconds)
  if not sleep_fn then
    error("app.sleep works in the host only", 2)
  end
  sleep_fn(seconds)
end

--- For loam.app_loader: declarations go to `target` until called with nil.
function app.fill(target)
  filling = target
end

--- For loam.worker: how sleep() waits.
function app.set_sleep(fn)
  sleep_fn = fn
end

return app
