-- Holds a request to the buckets and key prefixes of its token.
--
-- loam.gate puts the grant into req.grant; without tokens there is none and everything passes.
-- Routes with is_scoped call these checks for every bucket, key and range that they touch, before
-- they look whether it exists; tokens with a scope do not get to other routes at all. Raises 403.
local answer = require "loam.answer"

local scope = {}

local function refuse(req, what)
  answer.raise(answer.error(req, 403, "this token is limited to other " .. what))
end

--- Whether the request may see anything of a bucket.
function scope.allows_bucket(req, name)
  local grant = req.grant
  return not grant or not grant.buckets or grant.buckets[name] == true
end

--- Raises 403 unless the token has a role beside that of the route.
function scope.check_role(req, role)
  local roles = req.grant and req.grant.roles
  if roles and not (roles[role] or roles.admin) then
    answer.raise(answer.error(req, 403, "this token does not have the role " .. role))
  end
end

--- Raises 403 for a bucket outside.
function scope.check_bucket(req, name)
  if not scope.allows_bucket(req, name) then
    refuse(req, "buckets")
  end
end

--- Raises 403 unless every key of a bucket is inside: for what concerns the bucket as a whole.
function scope.check_whole_bucket(req, name)
  scope.check_bucket(req, name)
  if req.grant and req.grant.prefixes then
    refuse(req, "keys: this concerns a whole bucket")
  end
end

local function begins_with(text, prefix)
  return text:sub(1, #prefix) == prefix
end

--- Raises 403 for a key outside.
function scope.check_key(req, key)
  local prefixes = req.grant and req.grant.prefixes
  if not prefixes then
    return
  end
  for _, prefix in ipairs(prefixes) do
    if begins_with(key, prefix) then
      return
    end
  end
  refuse(req, "keys")
end

--- The least text above all that begin with a prefix; nil when there is none.
function scope.successor(prefix)
  local head = prefix:match("^(.-)\255*$")
  if head == "" then
    return nil
  end
  return head:sub(1, -2) .. string.char(head:byte(-1) + 1)
end

local function lies_within(range, prefix)
  if range.prefix and begins_with(range.prefix, prefix) then
    return true
  elseif not (range.from and begins_with(range.from, prefix)) then
    return false
  end
  local limit = scope.successor(prefix)
  return limit == nil or range.to ~= nil and range.to <= limit
end

--- Raises 403 unless a range {prefix, from, to} lies within one prefix of the token.
function scope.check_range(req, range)
  local prefixes = req.grant and req.grant.prefixes
  if not prefixes then
    return
  end
  for _, prefix in ipairs(prefixes) do
    if lies_within(range, prefix) then
      return
    end
  end
  refuse(req, "keys: a range lies within one of its prefixes (prefix, or from and to)")
end

return scope
