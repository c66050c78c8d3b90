-- From a request to an answer: admission, route, arguments, middleware, handler. No socket in
-- sight.
--
--     local made, route = dispatch.answer(registry, req, ctx)
--
-- Called by loam.worker for requests from sockets and by specs for fake ones. Every way out is an
-- answer: a handler's error is 500 without details, its traceback is in the log.
local answer = require "loam.answer"
local browser = require "loam.browser"
local conditions = require "loam.conditions"
local params = require "loam.params"
local protected_call = require "loam.protected_call"

local dispatch = {}

-- Stand in for routes in the labels of /metrics.
dispatch.UNROUTED = { name = "none" }

local function no_route(req, why, extra)
  if why == "escape" then
    return answer.error(req, 400, "bad %-escape in the path")
  elseif why ~= "method" then
    return answer.error(req, 404, "no such route")
  end
  local headers = { Allow = table.concat(extra, ", ") }
  if req.method == "OPTIONS" then
    return answer.new(204, "", headers)
  end
  return answer.error(req, 405, req.method .. " is not among the methods of this path",
    { headers = headers })
end

local function all_options(req)
  if req.method == "OPTIONS" and req.path == "*" then
    return answer.new(204, "", { Allow = "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT" })
  end
end

local function call_route(route, req, ctx)
  if route.user_handler then
    return answer.from_results(req, route.user_handler(req))
  end
  return route.handler(req, ctx)
end

-- Middleware from the first to the last, then the route. What each returns becomes an answer, so
-- that the one around it can look at status, headers and body.
local function call_around(middleware, at, route, req, ctx)
  local fn = middleware[at]
  if not fn then
    return call_route(route, req, ctx)
  end
  return answer.from_results(req, fn(req, function(changed)
    return call_around(middleware, at + 1, route, changed or req, ctx)
  end))
end

local function run(registry, route, values, req, ctx)
  req.params = values
  if not route.user_handler then
    local _ = req.query
    if req.query_error then
      answer.refuse(req, "%s", req.query_error)
    end
    req.args = params.check(route, req, values)
  end
  local refused = browser.refusal(req, route)
    or route.body and conditions.refused_body(req)
  if refused then
    return refused
  end
  local made
  if registry.middleware[1] then
    made = call_around(registry.middleware, 1, route, req, ctx)
  else
    made = call_route(route, req, ctx)
  end
  if made.stream and req.method == "HEAD" then
    made.stream = function() end -- The head is that of the GET.
  end
  return made
end

-- Of the methods that a path knows, those whose routes the gate does not hide.
local function shown_methods(registry, req, ctx, methods)
  local shown, is_any = {}, false
  for _, method in ipairs(methods) do
    local route = registry.router:match(method, req.path)
    if not route or ctx.gate:has_route(req, route) then
      shown[#shown + 1] = method
      is_any = is_any or route ~= nil
    end
  end
  return is_any and shown or nil
end

-- The route of a request. Where the gate hides it, there is none, and no word of it.
local function match(registry, req, ctx)
  local route, values, extra = registry.router:match(req.method, req.path)
  if route and ctx.gate and not ctx.gate:has_route(req, route) then
    return nil, "not found"
  elseif not route and values == "method" and ctx.gate then
    extra = shown_methods(registry, req, ctx, extra)
    return nil, extra and "method" or "not found", extra
  end
  return route, values, extra
end

local function over_budget(req, ctx)
  local limit = ctx.config.handler_ms
  return answer.error(req, 504, ("the handler computed for longer than handler_ms, which is %d")
    :format(limit), { code = "BUDGET", limit = "handler_ms", value = limit })
end

--- Returns the answer and the route (or UNROUTED).
---@param registry table  what loam.app_loader gives
---@param req table
---@param ctx table
function dispatch.answer(registry, req, ctx)
  local route, values, extra = match(registry, req, ctx)
  local refused = ctx.gate and ctx.gate:check(req, route)
  if refused then
    return refused, route or dispatch.UNROUTED
  elseif not route then
    return all_options(req) or no_route(req, values, extra), dispatch.UNROUTED
  end
  req.route = route
  local is_ok, made = protected_call(req, run, registry, route, values, req, ctx)
  if not is_ok and not made then
    made = ctx.was_ended() and over_budget(req, ctx)
      or answer.error(req, 500, "internal error", { code = "SCRIPT" })
  end
  return made, route
end

--- Returns the most bytes a body may have for a request, and the name of that limit; nil when the
--- request has no route or is not let in, so that it is answered without its body. Third: whether
--- the body is to come in pieces, of any size.
function dispatch.body_limit(registry, req, ctx)
  local route = match(registry, req, ctx)
  if not route or ctx.gate and ctx.gate:verdict(req, route) then
    return nil
  elseif route.is_stream then
    return math.huge, "none", true
  elseif route.body_max then
    return route.body_max(ctx.config)
  end
  return ctx.config.body_bytes_max, "body_bytes_max"
end

return dispatch
