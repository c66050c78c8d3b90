-- The request as handlers see it.
--
-- Fields: method, path (raw), params (of the path), query ({name = value}), args (checked, built-in
-- routes only), headers (any case), body, read (loam.upload), id, peer. From a socket each is made
-- when first asked for: a handler that needs no headers pays for none. request.fake{} makes one out
-- of plain values, for specs; handlers cannot tell the difference.
local ffi = require "ffi"
local C = require "loam.native"
local upload = require "loam.upload"
local uri = require "loam.uri"

local request = {}
local METHODS = { "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH" }

local text_at, size_at = ffi.new("const char *[1]"), ffi.new("size_t[1]")
local id_text = ffi.new("char[64]")

local headers_metatable = { __name = "request.headers" }

function headers_metatable.__index(headers, name)
  local req = rawget(headers, headers_metatable)
  if type(name) ~= "string" then
    return nil
  end
  name = name:gsub("_", "-")
  if C.http_request_header(req._p, req._generation, name, #name, text_at, size_at) ~= 1 then
    return nil
  end
  return ffi.string(text_at[0], size_at[0])
end

local lazy = {}

function lazy.headers(req)
  return setmetatable({ [headers_metatable] = req }, headers_metatable)
end

function lazy.body(req)
  local p = req._p
  return p.body_size > 0 and ffi.string(p.body, p.body_size) or ""
end

function lazy.id(req)
  local size = C.http_request_id(req._p, req._generation, id_text, 64)
  return size > 0 and ffi.string(id_text, size) or "gone"
end

function lazy.peer(req)
  local size = C.http_request_peer(req._p, req._generation, id_text, 64)
  return size > 0 and ffi.string(id_text, size) or "gone"
end

function lazy.query(req)
  local p = req._p
  if p.query_size == 0 then
    return {}
  end
  local values, message = uri.parse_query(ffi.string(p.query, p.query_size))
  req.query_error = message
  return values or {}
end

-- The number of the address it came in by: 0 is the option listen, 1 admin_listen.
function lazy.listener(req)
  return req._p.listener
end

function lazy.target(req)
  return ffi.string(req._p.target, req._p.target_size)
end

function lazy.read(req)
  return upload.reader(req)
end

local metatable = { __name = "request" }

function metatable.__index(req, name)
  local make = lazy[name]
  if not make then
    return nil
  end
  local value = make(req)
  rawset(req, name, value)
  return value
end

--- The request behind a handle of core/http.
function request.from_http(p, generation)
  return setmetatable({
    _p = p,
    _generation = generation,
    method = METHODS[p.method],
    path = ffi.string(p.path, p.path_size),
  }, metatable)
end

--- Pointer and size of the body: no Lua string for what only passes through.
function request.body_bytes(req)
  if req._p then
    return req._p.body, req._p.body_size
  end
  return req.body, #req.body
end

--- Frees the body of a request whose bytes are elsewhere by now. It is empty then.
function request.drop_body(req)
  if req._p then
    C.http_request_drop_body(req._p, req._generation)
  end
end

local fake_headers = {
  __index = function(headers, name)
    return type(name) == "string" and rawget(headers, (name:lower():gsub("_", "-"))) or nil
  end,
}

--- A request of plain values: {method, target, headers, body}.
function request.fake(values)
  local target = values.target or "/"
  local path, query = target:match("^([^?]*)%??(.*)$")
  local headers = {}
  for name, value in pairs(values.headers or {}) do
    headers[name:lower()] = value
  end
  local parsed, message = uri.parse_query(query)
  local req = {
    method = values.method or "GET",
    target = target,
    path = path,
    query = parsed or {},
    query_error = message,
    headers = setmetatable(headers, fake_headers),
    body = values.body or "",
    id = values.id or "fake-1",
    peer = values.peer or "127.0.0.1:1",
    listener = values.listener or 0,
  }
  req.read = values.read or upload.reader(req)
  return req
end

return request
