-- A served store behind a gate, with tokens made for one test.
--
--     local gated = require("spec.support.gated").open { admin_listen = "unix:x" }
--     local token = gated:token { roles = { "read" }, buckets = { "a" } }
--     local made = gated:request({ method = "GET", target = "/v1/kv/a/k" }, token)
--
-- gated.now_ms is what the gate takes for the time when it is set; gated.audited are the lines of
-- the audit log. close() before the test ends.
local C = require "loam.native"
local gate = require "loam.gate"
local served = require "spec.support.served"
local tmpdir = require "spec.support.tmp"
local tokens = require "loam.tokens"

local gated = {}
local methods = {}
local metatable = { __name = "gated", __index = methods }

--- Opens a store and a gate; `given` are options of gate.open().
function gated.open(given)
  given = given or {}
  local self = setmetatable({ audited = {}, path = tmpdir() .. "/tokens", store = served.open() },
    metatable)
  assert(tokens.revoke(self.path, ("0"):rep(16)) == nil)
  self.first = self:token { roles = { "admin" } }
  self.gate = assert(gate.open {
    tokens = self.path,
    admin_listen = given.admin_listen,
    failures_max = given.failures_max or 0,
    audit = function(_, route, status, why)
      self.audited[#self.audited + 1] = { route and route.name, status, why }
    end,
    now_ms = function() return self.now_ms or C.host_now_ms() end,
  })
  self.store.ctx.gate = self.gate
  return self
end

--- Makes a token and lets the gate know. Returns its text.
function methods:token(given)
  local made = assert(tokens.create(self.path, given))
  if self.gate then
    assert(self.gate:reload())
  end
  return made.text
end

--- Fills buckets mine and other with the same rows. Returns a token that may read and write those
--- of mine whose keys begin with "user:".
function methods:scoped_token()
  local function put(target, body)
    assert(self:request({ method = "PUT", target = target, body = body }, self.first).status == 201)
  end
  for _, bucket in ipairs { "mine", "other" } do
    put("/v1/buckets/" .. bucket)
    for _, key in ipairs { "a", "user:1", "user:2", "user;", "z" } do
      put("/v1/kv/" .. bucket .. "/" .. key, "v")
    end
  end
  return self:token { roles = { "read", "write" }, buckets = { "mine" }, prefixes = { "user:" } }
end

--- Answers a fake request that carries a token, or anything else in its place.
function methods:request(values, token)
  local headers = {}
  for name, value in pairs(values.headers or {}) do
    headers[name] = value
  end
  headers.Authorization = token and "Bearer " .. token or headers.Authorization
  return self.store:request { method = values.method, target = values.target, body = values.body,
    headers = headers, peer = values.peer, listener = values.listener }
end

function methods:close()
  self.store:close()
end

return gated
