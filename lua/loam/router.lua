-- Finds the route of a raw path.
--
--     router:add("GET", "/v1/kv/{bucket}/{key*}", route)
--     local route, values = router:match("GET", "/v1/kv/default/a%2Fb")
--
-- A pattern is made of literal segments, parameters ({name} or :name: one non-empty segment) and a
-- tail ({name*} or *name: everything that is left, also nothing and also slashes). Literals win
-- over parameters, parameters over tails; a dead end goes back. Paths without parameters are one
-- table look-up. Values are percent-decoded once, after splitting: "%2F" never separates.
local uri = require "loam.uri"

local router = {}
local methods = {}
local metatable = { __name = "router", __index = methods }

--- Returns an empty router.
function router.new()
  return setmetatable({ _root = {}, _exact = {} }, metatable)
end

local function parse_segment(segment)
  local name = segment:match("^{([%w_]+)}$") or segment:match("^:([%w_]+)$")
  if name then
    return "param", name
  end
  name = segment:match("^{([%w_]+)%*}$") or segment:match("^%*([%w_]*)$")
  if name then
    return "tail", name == "" and "rest" or name
  end
  if segment:find("[{}*]") or segment:find("^:") then
    return nil
  end
  return "literal", segment
end

local function bad_pattern(pattern, why)
  error(("route '%s': %s"):format(tostring(pattern), why), 3)
end

-- Walks down to the node of a pattern, making what is missing. Returns it and the parameters'
-- names.
local function place(root, pattern)
  local node, names, is_plain = root, {}, true
  local rest = pattern:sub(2)
  for segment in (rest .. "/"):gmatch("([^/]*)/") do
    if node.is_tail then
      bad_pattern(pattern, "nothing may follow the tail")
    end
    local kind, name = parse_segment(segment)
    if not kind then
      bad_pattern(pattern, "bad segment '" .. segment .. "'")
    elseif kind == "literal" then
      node.literals = node.literals or {}
      node.literals[name] = node.literals[name] or {}
      node = node.literals[name]
    else
      node[kind] = node[kind] or { is_tail = kind == "tail" }
      node = node[kind]
      names[#names + 1] = name
      is_plain = false
    end
  end
  return node, names, is_plain
end

--- Adds a route; method "*" stands for all that have no route of their own. Raises for a bad
--- pattern and for one that is there already.
---@param method string
---@param pattern string
---@param route table
function methods:add(method, pattern, route)
  if type(pattern) ~= "string" or pattern:sub(1, 1) ~= "/" then
    bad_pattern(pattern, "a path begins with /")
  end
  local node, names, is_plain = place(self._root, pattern)
  node.routes = node.routes or {}
  if node.routes[method] then
    bad_pattern(pattern, method .. " is declared already")
  end
  node.routes[method] = { route = route, names = names }
  if is_plain then
    self._exact[pattern] = node
  end
end

local find

-- The children of a node for the segment [from, limit), best first.
local function descend(node, path, from, limit, values, depth)
  local next_from = limit <= #path and limit + 1 or nil
  local segment = path:sub(from, limit - 1)
  local child = node.literals and node.literals[segment]
  local found = child and find(child, path, next_from, values, depth)
  if not found and node.param and segment ~= "" then
    values[depth] = segment
    found = find(node.param, path, next_from, values, depth + 1)
  end
  if not found and node.tail then
    values[depth] = path:sub(from)
    found = node.tail
  end
  return found
end

function find(node, path, from, values, depth)
  if not from then
    return node.routes and node
  end
  return descend(node, path, from, path:find("/", from, true) or #path + 1, values, depth)
end

local function allowed(node)
  local list = { "OPTIONS" }
  for method in pairs(node.routes) do
    if method == "*" then
      return { "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT" }
    elseif method ~= "OPTIONS" then
      list[#list + 1] = method
    end
  end
  if node.routes.GET and not node.routes.HEAD then
    list[#list + 1] = "HEAD"
  end
  table.sort(list)
  return list
end

local function decode_values(names, raw)
  local values = {}
  for at, name in ipairs(names) do
    values[name] = uri.decode(raw[at])
    if not values[name] then
      return nil
    end
  end
  return values
end

--- Returns the route and its parameters; or nil, "not found"; or nil, "method", allowed methods; or
--- nil, "escape" when a parameter has a bad %-escape. HEAD finds GET.
---@param method string
---@param path string  raw, without query
function methods:match(method, path)
  local raw = {}
  local node = self._exact[path] or (path:sub(1, 1) == "/" and find(self._root, path, 2, raw, 1))
  if not node then
    return nil, "not found"
  end
  local routes = node.routes
  local entry = routes[method] or (method == "HEAD" and routes.GET) or routes["*"]
  if not entry then
    return nil, "method", allowed(node)
  end
  local values = decode_values(entry.names, raw)
  if not values then
    return nil, "escape"
  end
  return entry.route, values, raw
end

--- Returns the methods that a path answers to, or nil when it is nobody's.
function methods:allowed(path)
  local node = self._exact[path] or find(self._root, path, 2, {}, 1)
  return node and allowed(node)
end

return router
