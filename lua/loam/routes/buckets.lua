-- /v1/buckets: named key spaces.
local answer = require "loam.answer"
local json = require "loam.json"
local keys = require "loam.routes.keys"
local scope = require "loam.scope"

local buckets = {}
local MERGES = { none = 0, add = 1, max = 2, min = 3, append = 4 }
local MERGE_NAMES = { [0] = "none", "add", "max", "min", "append" }

local function shown(bucket)
  return { name = bucket.name, ttl = bucket.ttl_ms / 1000, merge = MERGE_NAMES[bucket.merge] }
end

function buckets.list(req, ctx)
  local list = json.array()
  for _, bucket in ipairs(ctx.store:buckets()) do
    if bucket.name:sub(1, 1) ~= "_" and scope.allows_bucket(req, bucket.name) then
      list[#list + 1] = shown(bucket)
    end
  end
  return answer.json(200, { buckets = list })
end

local function find(req, ctx)
  keys.check_bucket_name(req, req.args.bucket)
  scope.check_bucket(req, req.args.bucket)
  local bucket, failure = ctx.store:bucket(req.args.bucket)
  if failure then
    keys.fail(req, failure)
  end
  return bucket
end

function buckets.get(req, ctx)
  local bucket = find(req, ctx)
  if not bucket then
    return answer.error(req, 404, "no such bucket")
  end
  return answer.json(200, shown(bucket))
end

local function add_body(req, options)
  local body, message = json.decode(req.body)
  if message or type(body) ~= "table" then
    answer.refuse(req, "the body is a JSON object: %s", message or "it is something else")
  end
  for name, value in pairs(body) do
    if name ~= "ttl" and name ~= "merge" then
      answer.refuse(req, "unknown member '%s': it takes ttl and merge", tostring(name))
    end
    options[name] = value
  end
end

-- Options come in the query or as a JSON object.
local function options_of(req)
  local options = { ttl = req.args.ttl, merge = req.args.merge }
  if req.body ~= "" then
    add_body(req, options)
  end
  local ttl, merge = options.ttl or 0, options.merge or "none"
  if type(ttl) ~= "number" or not (ttl >= 0 and ttl <= 1e11) then
    answer.refuse(req, "ttl is seconds of at least 0")
  elseif not MERGES[merge] then
    answer.refuse(req, "merge is one of none, add, max, min, append")
  end
  return math.floor(ttl * 1000 + 0.5), MERGES[merge]
end

function buckets.put(req, ctx)
  local bucket = find(req, ctx)
  scope.check_whole_bucket(req, req.args.bucket)
  local ttl_ms, merge = options_of(req)
  if bucket then
    if bucket.ttl_ms ~= ttl_ms or bucket.merge ~= merge then
      return answer.error(req, 409, "the bucket is there with other options; they stay")
    end
    return answer.json(200, shown(bucket))
  end
  local made, failure = ctx.store:make_bucket(req.args.bucket, ttl_ms, merge)
  if not made then
    keys.fail(req, failure)
  end
  return answer.json(201, shown(made))
end

function buckets.delete(req, ctx)
  scope.check_whole_bucket(req, req.args.bucket)
  if req.args.bucket == "default" then
    return answer.error(req, 409, "the bucket 'default' always exists")
  elseif not find(req, ctx) then
    return answer.error(req, 404, "no such bucket")
  end
  local is_dropped, failure = ctx.store:drop_bucket(req.args.bucket)
  if not is_dropped then
    keys.fail(req, failure)
  end
  return answer.new(204)
end

local PATH = "/v1/buckets/{bucket}"

buckets.routes = {
  { name = "bucket_list", method = "GET", path = "/v1/buckets", role = "read",
    is_scoped = true, params = {},
    handler = buckets.list, summary = "All buckets.", answers = { [200] = "{buckets}." } },
  { name = "bucket_get", method = "GET", path = PATH, role = "read", is_scoped = true,
    params = { keys.BUCKET },
    handler = buckets.get, summary = "One bucket.",
    answers = { [200] = "{name, ttl, merge}.", [404] = "No such bucket." } },
  { name = "bucket_put", method = "PUT", path = PATH, role = "admin",
    is_scoped = true, handler = buckets.put,
    summary = "Makes a bucket; also fine when it is there with the same options.",
    body = "application/json",
    params = { keys.BUCKET,
      { name = "ttl", type = "number", min = 0, max = 1e11,
        summary = "Default seconds to live of new rows; 0 = never expire." },
      { name = "merge", type = "string", values = { "none", "add", "max", "min", "append" },
        summary = "What a merge does here." } },
    answers = { [200] = "It was there.", [201] = "Created.",
      [409] = "It is there with other options." } },
  { name = "bucket_delete", method = "DELETE", path = PATH, role = "admin",
    is_scoped = true, params = { keys.BUCKET },
    handler = buckets.delete, summary = "Drops a bucket with all its rows.",
    answers = { [204] = "Dropped.", [404] = "No such bucket.", [409] = "default always exists." } },
}

return buckets
