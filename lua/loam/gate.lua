-- Who may call which route: tokens with roles and scopes, and the socket for administration.
--
--     local gate = assert(gate.open { tokens = "tokens.jsonl", failures_max = 60 })
--     local refused = gate:check(req, route)      -- an answer, or nil: req.grant is then set
--
-- Every route declares a role in its table; "public" needs no token, and a request without a route
-- needs some valid token, so that nobody learns what is there. The role admin includes all others;
-- no other includes any. A token with buckets or prefixes gets only to routes with is_scoped, whose
-- handlers hold it to them (loam.scope). With `admin_listen`, routes of the role admin are on that
-- Unix socket alone, whose mode 0600 takes the place of a token.
--
-- A wrong token is answered like none. Failures above the limit of an address are 429; a good token
-- is let through all the same: 256 random bits cannot be guessed, and behind a proxy all clients
-- have one address. One gate per worker. Thread: the worker's.
local answer = require "loam.answer"
local failed_logins = require "loam.failed_logins"
local ffi = require "ffi"
local log = require "loam.log"
local C = require "loam.native"
local tokens = require "loam.tokens"

local gate = {}
local methods = {}
local metatable = { __name = "gate", __index = methods }
local READ, WRITE = 1, 2 -- Bits of the fast ways.

gate.PUBLIC = "public"
gate.READ, gate.WRITE = READ, WRITE

local REASONS = { [C.HOST_TOKEN_ABSENT] = "no token", [C.HOST_TOKEN_WRONG] = "wrong token",
  [C.HOST_TOKEN_EXPIRED] = "expired token" }

-- What a request on the socket for administration may do.
local LOCAL = { id = "socket", roles = { admin = true } }

-- ---- The list ----

local function set_of(list)
  if #list == 0 then
    return nil
  end
  local set = {}
  for _, name in ipairs(list) do
    set[name] = true
  end
  return set
end

local function grant_of(row)
  return {
    id = row.id,
    note = row.note,
    roles = set_of(row.roles),
    buckets = set_of(row.buckets),
    prefixes = #row.prefixes > 0 and row.prefixes or nil,
    is_scoped = #row.buckets + #row.prefixes > 0,
  }
end

local function plain_rights(grant)
  if grant.is_scoped then
    return 0 -- The general way looks at buckets and keys.
  end
  local roles = grant.roles
  return (roles.read or roles.admin) and (roles.write or roles.admin) and READ + WRITE
    or roles.read and READ or roles.write and WRITE or 0
end

local function bytes_of_hex(text)
  return (text:gsub("%x%x", function(pair) return string.char(tonumber(pair, 16)) end))
end

-- The rows as C looks them up, and by the same index their grants and rights of the fast ways.
local function build(self, rows)
  local valid = {}
  for _, row in ipairs(rows) do
    if not row.revoked_at_ms then
      valid[#valid + 1] = row
    end
  end
  table.sort(valid, function(a, b) return a.id < b.id end)
  local list = ffi.new("struct host_token[?]", #valid + 1)
  local rights = ffi.new("uint8_t[?]", #valid + 1)
  local grants = {}
  for at, row in ipairs(valid) do
    local entry = list[at - 1]
    ffi.copy(entry.id, row.id, C.HOST_TOKEN_ID_SIZE)
    ffi.copy(entry.hash, bytes_of_hex(row.sha256), C.HOST_HASH_SIZE)
    entry.expires_at_ms = row.expires_at_ms or 0
    grants[at - 1] = grant_of(row)
    rights[at - 1] = plain_rights(grants[at - 1])
  end
  self._list, self._count, self._grants, self._rights = list, #valid, grants, rights
end

--- Reads the file again when it is another one. What cannot be read changes nothing. Returns
--- whether the list changed; or nil and one line, once per failure.
---@param is_forced? boolean
function methods:reload(is_forced)
  if not self.path then
    return false
  end
  local stamp = tokens.stamp(self.path)
  if stamp == self._stamp and not is_forced then
    return false
  end
  self._stamp = stamp
  local rows, message = tokens.load(self.path)
  if not rows then
    return nil, message
  end
  build(self, rows)
  return true
end

local function make(given)
  return {
    audit = given.audit or function() end,
    _now_ms = given.now_ms or function() return C.host_now_ms() end,
    _failures = failed_logins.new(given.failures_max or 0, given.logins),
    _shared = given.shared or { token_epoch = 0 },
    _epoch = 0,
  }
end

--- Opens a gate. given: tokens (path or ""), admin_listen (address or ""), failures_max, audit
--- (function(req, route, status, what), may be absent), shared and logins (what host_shared() and
--- host_logins_of() give; absent in specs), now_ms (function, for specs). Returns nil when there is
--- nothing to guard; or nil and one line.
function gate.open(given)
  local has_tokens = (given.tokens or "") ~= ""
  local has_socket = (given.admin_listen or "") ~= ""
  if not has_tokens and not has_socket then
    return nil
  end
  local self = setmetatable(make(given), metatable)
  self.path = has_tokens and given.tokens or nil
  self.has_admin_socket = has_socket
  if has_tokens then
    local is_read, message = self:reload(true)
    if not is_read then
      return nil, message
    end
  end
  return self
end

-- Another worker has written the file: what it revoked is good no more.
local function catch_up(self)
  self._epoch = self._shared.token_epoch
  local _, message = self:reload(true)
  if message then
    log.error("the old tokens stay:", message)
  end
end

-- ---- Verdicts ----

-- Returns the grant of a request; or nil and why.
local function identify(self, req)
  local row
  if self._shared.token_epoch ~= self._epoch then
    catch_up(self)
  end
  if req._p then
    row = C.host_token_of(req._p, self._list, self._count, self._now_ms())
  else
    local field = req.headers["Authorization"]
    row = field and C.host_token_find(self._list, self._count, field, #field, self._now_ms())
      or C.HOST_TOKEN_ABSENT
  end
  if row < 0 then
    return nil, REASONS[row]
  end
  return self._grants[row]
end

-- Why a grant does not reach a route, or nil.
local function missing(grant, route)
  local role = route.role
  if not grant.roles[role] and not grant.roles.admin then
    return ("this token has not the role '%s'"):format(tostring(role))
  elseif grant.is_scoped and not route.is_scoped then
    return "this token is limited to buckets or keys, and this route is not"
  end
end

--- Says whether a route is there for a request at all.
function methods:has_route(req, route)
  return not self.has_admin_socket or route.role ~= "admin" or req.listener ~= 0
end

--- Decides without leaving a trace. Returns nil and sets req.grant; or the status and why.
---@param req table
---@param route? table  nil: no such route
function methods:verdict(req, route)
  if self.has_admin_socket and req.listener ~= 0 then
    req.grant = LOCAL
    return nil
  elseif not self.path or route and route.role == gate.PUBLIC then
    return nil
  end
  local grant, reason = identify(self, req)
  if not grant then
    return 401, reason
  end
  req.grant = grant
  local why = route and missing(grant, route)
  if why then
    return 403, why
  end
end

local function refuse_login(self, req, route, reason)
  local count, is_above = self._failures:add(req.peer, self._now_ms())
  if is_above then
    -- One line tells that it began; a flood does not fill the log.
    if count < self._failures.limit + 2 then
      self.audit(req, route, 429, "too many failed log-ins")
    end
    return answer.error(req, 429, "too many requests without a good token",
      { code = "BUSY", headers = { ["Retry-After"] = "60" } })
  end
  self.audit(req, route, 401, reason)
  return answer.error(req, 401, "this needs a token: Authorization: Bearer loam_...",
    { code = "DENIED", headers = { ["WWW-Authenticate"] = 'Bearer realm="loam"' } })
end

--- Decides and answers. Returns an answer, or nil to go on.
---@param req table
---@param route? table
function methods:check(req, route)
  local status, why = self:verdict(req, route)
  if not status then
    return nil
  elseif status == 401 then
    return refuse_login(self, req, route, why)
  end
  self.audit(req, route, status, why)
  return answer.error(req, status, why)
end

--- Returns allows(request, right) for the fast ways: whether the token of a raw request has READ or
--- WRITE on everything. nil when the fast ways need not ask.
function methods:fast_check()
  if not self.path then
    return nil
  end
  local shared = self._shared
  return function(request, right)
    if shared.token_epoch ~= self._epoch then
      catch_up(self)
    end
    local row = C.host_token_of(request, self._list, self._count, C.host_now_ms())
    return row >= 0 and self._rights[row] % (right + right) >= right
  end
end

return gate
