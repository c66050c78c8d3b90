-- /v1/kv/{bucket}/{key}: one key at a time.
--
-- The plain GET of a warm bucket never comes here: loam.fast answers it. What differs from that one
-- (meta, enc, a bucket seen for the first time) is answered here, with the same headers.
local answer = require "loam.answer"
local browser = require "loam.browser"
local conditions = require "loam.conditions"
local json = require "loam.json"
local keys = require "loam.routes.keys"
local C = require "loam.native"
local request = require "loam.request"
local value_out = require "loam.value_out"

local kv = {}

-- ---- GET ----

local function meta_answer(key, meta, headers)
  local body = { seq = meta.seq, size = meta.size, content_type = meta.content_type }
  body.expires_at_ms = meta.expire_at_ms > 0 and meta.expire_at_ms or nil
  json.set_bytes(body, "k", key)
  return answer.json(200, body, headers)
end

function kv.get(req, ctx)
  local bucket, key = keys.of(req, ctx)
  local sent = not req.args.meta and value_out.send(req, ctx, bucket, key, C.HOST_ETAG_SEQ)
  if sent then
    return sent
  end
  local value, meta = ctx.store:get(bucket, key, { is_meta_only = req.args.meta })
  if not value then
    if meta then
      keys.fail(req, meta)
    end
    return answer.error(req, 404, "no such key")
  end
  local headers = keys.row_headers(meta.seq)
  if meta.expire_at_ms > 0 then
    headers["X-KV-Expires-At"] = ("%.0f"):format(meta.expire_at_ms)
  end
  if req.args.meta then
    return meta_answer(key, meta, headers)
  end
  headers["Content-Type"] = meta.content_type or "application/octet-stream"
  if meta.content_type then
    browser.guard(headers, meta.content_type)
  end
  return conditions.answer(req, ("%.0f"):format(meta.seq), value, headers)
end

-- ---- Writes ----

--- Raises 413 for a value above the limit.
function kv.check_value(req, ctx, size)
  local limit = ctx.config.value_bytes_max
  if size > limit then
    answer.refuse_size(req, "value", ("%d bytes"):format(size), "value_bytes_max", limit)
  end
end

--- The id of the content type of the request.
function kv.content_type(req, ctx)
  local id, failure = ctx.store:content_type_id(req.headers["Content-Type"])
  if not id then
    keys.fail(req, failure)
  end
  return id
end

--- Commits an operation under the conditions of the request. Returns the outcome; or nil and the
--- answer to a condition that does not hold.
function kv.commit(req, ctx, op)
  local outcome, refused = conditions.write(req, op, function()
    local value, meta = ctx.store:get(op.bucket, op.key, { is_meta_only = true })
    if not value and meta then
      keys.fail(req, meta)
    elseif value then
      return ("%.0f"):format(meta.seq), meta.seq
    end
  end, function(is_last)
    return ctx.store:write({ op }, keys.commit_of(req, ctx, is_last))
  end)
  if outcome and op.condition and (outcome.code == "EXISTS" or outcome.code == "MISMATCH") then
    return nil, keys.mismatch(req, outcome)
  end
  return outcome, refused
end

function kv.put(req, ctx)
  local bucket, key = keys.of(req, ctx)
  local value, size = request.body_bytes(req)
  kv.check_value(req, ctx, size)
  local op = { op = "put", bucket = bucket, key = key, value = value, value_size = size,
    report_previous = true }
  keys.set_ttl(op, req.args.ttl)
  op.content_type = kv.content_type(req, ctx)
  local outcome, refused = kv.commit(req, ctx, op)
  if not outcome then
    return refused
  elseif outcome.code == "OK" then
    return answer.new(outcome.existed and 204 or 201, "", keys.row_headers(outcome.seq))
  elseif op.condition and outcome.code == "NOT_FOUND" then
    return keys.mismatch(req, outcome)
  end
  keys.fail(req, outcome)
end

function kv.delete(req, ctx)
  local bucket, key = keys.of(req, ctx)
  local op = { op = "delete", bucket = bucket, key = key }
  local outcome, refused = kv.commit(req, ctx, op)
  if not outcome then
    return refused
  elseif outcome.code == "OK" then
    return answer.new(204, "", { ["X-KV-Seq"] = ("%.0f"):format(outcome.seq) })
  elseif op.condition and outcome.code == "NOT_FOUND" then
    return keys.mismatch(req, outcome)
  end
  keys.fail(req, outcome)
end

-- ---- Declarations ----

local PATH = keys.PATH

kv.routes = {
  {
    name = "kv_get", method = "GET", path = PATH, role = "read", is_scoped = true,
    handler = kv.get,
    summary = "The value of a key, as it was stored.",
    params = { keys.BUCKET, keys.KEY, keys.ENC, { name = "meta", type = "flag",
      summary = "JSON with sequence, size, expiry and content type in place of the value." } },
    answers = { [200] = "The value; ETag and X-KV-Seq are its sequence number.",
      [206] = "The part that Range asks for. Several ranges are answered with 200.",
      [304] = "If-None-Match holds the ETag.", [404] = "No such key or bucket.",
      [412] = "If-Match does not hold.",
      [416] = "Range is none, or the value has nothing of it." },
  },
  {
    name = "kv_put", method = "PUT", path = PATH, role = "write", is_scoped = true,
    handler = kv.put,
    summary = "Stores the body as the value of a key.", body_max = keys.value_body_max,
    body = "application/octet-stream",
    params = { keys.BUCKET, keys.KEY, keys.ENC, keys.TTL, keys.DURABILITY, keys.DEADLINE },
    answers = { [201] = "Created.", [204] = "Replaced.", [404] = "No such bucket.",
      [412] = "If-Match or If-None-Match does not hold; ETag is what is there.",
      [413] = "Key or value too large.",
      [503] = "STALLED, READ_ONLY or UNKNOWN_OUTCOME, with Retry-After.",
      [507] = "Disk full; nothing was stored." },
  },
  {
    name = "kv_delete", method = "DELETE", path = PATH, role = "write", is_scoped = true,
    handler = kv.delete,
    summary = "Removes a key; also when it is absent.",
    params = { keys.BUCKET, keys.KEY, keys.ENC, keys.DURABILITY, keys.DEADLINE },
    answers = { [204] = "The key is absent now.",
      [412] = "If-Match or If-None-Match does not hold.",
      [503] = "As for PUT." },
  },
}

return kv
