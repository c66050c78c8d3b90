-- /blobs: values under keys of one bucket of the system, with CRC-32 ETags and a plain list of
-- keys.
--
-- The rows are in bucket "_blobs", made by the first POST. The ETag is the CRC-32 of the body in 8
-- hex digits, so that a client can compute it too.
local answer = require "loam.answer"
local browser = require "loam.browser"
local conditions = require "loam.conditions"
local json = require "loam.json"
local keys = require "loam.routes.keys"
local C = require "loam.native"
local request = require "loam.request"
local scan = require "loam.routes.scan"
local scope = require "loam.scope"
local value_out = require "loam.value_out"

local blobs = {}
local BUCKET = "_blobs"

local function bucket_of(req, ctx, is_made)
  scope.check_bucket(req, BUCKET)
  local id, failure = ctx.store:bucket_id(BUCKET)
  if not id and not failure and is_made then
    local made
    made, failure = ctx.store:make_bucket(BUCKET, 0, 0)
    id = made and made.id
  end
  if failure then
    keys.fail(req, failure)
  end
  return id
end

local function etag_of(bytes, size)
  return ("%08x"):format(C.host_crc32(bytes, size))
end

local function not_found(req)
  return answer.error(req, 404, "Blob not found")
end

local function key_of(req, ctx)
  if req.args.key == "" then
    answer.refuse(req, "the key of a blob is missing")
  end
  return keys.check_key(req, ctx, req.args.key)
end

-- Commits an operation under the conditions of the request. Returns the outcome; or nil and an
-- answer.
local function commit(req, ctx, op)
  local outcome, refused = conditions.write(req, op, function()
    local value, meta = ctx.store:get(op.bucket, op.key)
    if not value and meta then
      keys.fail(req, meta)
    elseif value then
      return etag_of(value, #value), meta.seq
    end
  end, function(is_last)
    return ctx.store:write({ op }, keys.commit_of(req, ctx, is_last))
  end, true)
  if not outcome then
    return nil, refused
  elseif outcome.code == "OK" then
    return outcome
  elseif op.condition and (outcome.code == "EXISTS" or outcome.code == "NOT_FOUND") then
    return nil, answer.error(req, 412, outcome.code == "EXISTS" and "the blob exists already"
      or "the blob is absent")
  end
  keys.fail(req, outcome)
end

function blobs.post(req, ctx)
  local key = key_of(req, ctx)
  local value, size = request.body_bytes(req)
  local limit = ctx.config.value_bytes_max
  if size > limit then
    answer.refuse_size(req, "blob", ("%d bytes"):format(size), "value_bytes_max", limit)
  end
  local etag = etag_of(value, size)
  local content_type, failure = ctx.store:content_type_id(req.headers["Content-Type"])
  if not content_type then
    keys.fail(req, failure)
  end
  local outcome, refused = commit(req, ctx, { op = "put", bucket = bucket_of(req, ctx, true),
    key = key, value = value, value_size = size, content_type = content_type })
  if not outcome then
    return refused
  end
  local body = { etag = etag, size = size, volume_id = ctx.volume_id() }
  json.set_bytes(body, "key", key)
  return answer.json(201, body, { ETag = '"' .. etag .. '"',
    ["X-KV-Seq"] = ("%.0f"):format(outcome.seq) })
end

function blobs.get(req, ctx)
  local key = key_of(req, ctx)
  local bucket = bucket_of(req, ctx)
  if not bucket then
    return not_found(req)
  end
  local sent = value_out.send(req, ctx, bucket, key, C.HOST_ETAG_CRC)
  if sent then
    return sent
  end
  local value, meta = ctx.store:get(bucket, key)
  if not value then
    if meta then
      keys.fail(req, meta)
    end
    return not_found(req)
  end
  local etag = etag_of(value, #value)
  local headers = { ETag = '"' .. etag .. '"', ["X-KV-Seq"] = ("%.0f"):format(meta.seq),
    ["Content-Type"] = meta.content_type or "application/octet-stream" }
  if meta.content_type then
    browser.guard(headers, meta.content_type)
  end
  return conditions.answer(req, etag, value, headers)
end

function blobs.delete(req, ctx)
  local key = key_of(req, ctx)
  local bucket = bucket_of(req, ctx)
  local outcome, refused
  if bucket then
    outcome, refused = commit(req, ctx, { op = "delete", bucket = bucket, key = key })
  end
  return outcome == nil and refused or answer.new(204)
end

local function empty_list(write)
  write("[]\n")
end

function blobs.list(req, ctx)
  local headers = { ["Content-Type"] = answer.JSON }
  local bucket = bucket_of(req, ctx)
  if not bucket then
    return answer.stream(200, headers, empty_list)
  end
  local limit = req.args.limit
  local rows = keys.scan(req, ctx, bucket, { prefix = req.args.prefix, limit = limit,
    after = req.args.after and scan.key_of_cursor(req, req.args.after), keys_only = true })
  return answer.stream(200, headers, function(write)
    write("[")
    local count, problem = scan.each_block(rows, limit,
      scan.writer(ctx, write, C.HOST_ROWS_LIST + C.HOST_ROWS_BARE))
    if not count then
      -- A list cannot carry an error: the connection is cut, so that nobody takes it for complete.
      error(problem.text, 0)
    end
    write("]\n")
  end, function() rows:close() end)
end

local function value_body_max(config)
  return config.value_bytes_max, "value_bytes_max"
end

local PATH = "/blobs/{key*}"

blobs.routes = {
  { name = "blob_post", method = "POST", path = PATH, role = "write", is_scoped = true,
    handler = blobs.post,
    summary = "Stores the body as a blob.", body = "application/octet-stream",
    body_max = value_body_max, params = { keys.KEY, keys.DURABILITY, keys.DEADLINE },
    answers = { [201] = "{key, etag, size, volume_id}.",
      [412] = "If-Match or If-None-Match does not hold.", [413] = "Too large." } },
  { name = "blob_get", method = "GET", path = PATH, role = "read", is_scoped = true,
    handler = blobs.get,
    summary = "The bytes of a blob.", params = { keys.KEY },
    answers = { [200] = "The bytes.",
      [206] = "The part that Range asks for. Several ranges are answered with 200.",
      [304] = "If-None-Match holds the ETag.", [404] = "Blob not found.",
      [412] = "If-Match does not hold.",
      [416] = "Range is none, or the blob has nothing of it." } },
  { name = "blob_delete", method = "DELETE", path = PATH, role = "write", is_scoped = true,
    handler = blobs.delete,
    summary = "Removes a blob; also when it is absent.",
    params = { keys.KEY, keys.DURABILITY, keys.DEADLINE },
    answers = { [204] = "It is absent now.",
      [412] = "If-Match or If-None-Match does not hold." } },
  { name = "blob_list", method = "GET", path = "/blobs", role = "read", is_scoped = true,
    handler = blobs.list,
    summary = "The keys of all blobs as a JSON list, streamed.",
    params = { { name = "prefix", type = "bytes", summary = "What every key begins with." },
      { name = "after", type = "bytes", summary = "Goes on behind this key." }, scan.LIMIT },
    answers = { [200] = "A list of keys; {k64} for one that is not UTF-8." } },
}

return blobs
