-- What the routes of one key and of many share: the bucket, the key, failed conditions, ways to
-- commit, declarations.
--
-- Raises answers (answer.raise), so that handlers read as the good case.
local answer = require "loam.answer"
local params = require "loam.params"
local request = require "loam.request"
local scope = require "loam.scope"

local keys = {}

keys.ENC = { name = "enc", type = "string", values = { "b64u" },
  summary = "Keys in the request and the answer are base64url without padding." }
keys.BUCKET = { name = "bucket", type = "string", place = "path", summary = "Name of the bucket." }
keys.KEY = { name = "key", type = "bytes", place = "path",
  summary = "The key: everything up to the question mark, percent-decoded once." }
keys.DURABILITY = { name = "durability", type = "string", values = { "sync", "interval", "os" },
  summary = "When the answer may be sent; the server's default otherwise." }
keys.DEADLINE = { name = "deadline_ms", type = "integer", min = 1, max = 3600000,
  summary = "Longest wait for back-pressure; then 503 STALLED." }
keys.TTL = { name = "ttl", type = "number", min = 0, max = 1e11,
  summary = "Seconds to live; 0 = never expires; the bucket's default otherwise." }

keys.PATH = "/v1/kv/{bucket}/{key*}"

--- The limit of a body that is a value, for body_max of a route.
function keys.value_body_max(config)
  return config.value_bytes_max, "value_bytes_max"
end

--- A failed call as an answer, raised.
function keys.fail(req, failure, extra)
  answer.raise(answer.failure(req, failure, extra))
end

--- Raises 403 for the names of the system, 400 for what no bucket can be called.
function keys.check_bucket_name(req, name)
  if #name < 1 or #name > 64 or name:find("[^%w._-]") then
    answer.refuse(req, "a bucket name is 1 to 64 of A-Z a-z 0-9 . _ -")
  elseif name:sub(1, 1) == "_" then
    answer.raise(answer.error(req, 403, "buckets that begin with _ are the system's"))
  end
end

--- Returns the id of a bucket, or raises 404.
function keys.bucket(req, ctx, name)
  keys.check_bucket_name(req, name)
  scope.check_bucket(req, name)
  local id, failure = ctx.store:bucket_id(name)
  if failure then
    keys.fail(req, failure)
  elseif not id then
    answer.raise(answer.error(req, 404, ("no bucket '%s': make it with PUT /v1/buckets/%s")
      :format(name, name)))
  end
  return id
end

--- Opens a scan of what the token may see, or raises.
function keys.scan(req, ctx, bucket, range)
  scope.check_range(req, range)
  local rows, failure = ctx.store:scan(bucket, range)
  if not rows then
    keys.fail(req, failure)
  end
  return rows
end

--- Raises 413 for a key above the limit, 403 for one outside the token's prefixes.
function keys.check_key(req, ctx, key)
  scope.check_key(req, key)
  local limit = ctx.config.key_bytes_max
  if #key > limit then
    answer.refuse_size(req, "key", ("%d bytes"):format(#key), "key_bytes_max", limit)
  end
  return key
end

--- Bucket id and key bytes of a route with both in its path.
function keys.of(req, ctx)
  params.decode_keys(req, req.args, { "key" })
  return keys.bucket(req, ctx, req.args.bucket), keys.check_key(req, ctx, req.args.key)
end

--- Puts a TTL in seconds into an operation: nil = the bucket's default, 0 = never.
function keys.set_ttl(op, ttl)
  if ttl == 0 then
    op.no_expiry = true
  elseif ttl then
    op.ttl_ms = math.max(1, math.floor(ttl * 1000 + 0.5))
  end
end

--- How to commit, from the arguments of the request. may_drop: its body is not needed once the
--- value has been copied: it would be there twice until the commit is through. Middleware may want
--- to do it all again.
function keys.commit_of(req, ctx, may_drop)
  return { durability = req.args.durability,
    deadline_ms = req.args.deadline_ms or ctx.config.write_deadline_ms,
    taken = may_drop and req._p and ctx.is_bare() and function() request.drop_body(req) end or nil }
end

--- ETag and X-KV-Seq of a row.
function keys.row_headers(seq)
  local text = ("%.0f"):format(seq)
  return { ETag = '"' .. text .. '"', ["X-KV-Seq"] = text }
end

--- The 412 of a condition that did not hold: with the ETag of what is there.
function keys.mismatch(req, outcome, extra)
  extra = extra or {}
  extra.code = outcome.code == "EXISTS" and "EXISTS" or "MISMATCH"
  extra.seq = outcome.current_seq > 0 and outcome.current_seq or nil
  extra.headers = extra.seq and keys.row_headers(extra.seq) or nil
  local text = extra.seq and "the key is there with another state" or "the key is absent"
  if outcome.code == "EXISTS" then
    text = "the key exists already"
  end
  return answer.error(req, 412, text, extra)
end

return keys
