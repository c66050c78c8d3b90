-- /v1/admin/files, /space, /handles, and /v1/explain: what is on the disk, who holds it, where a
-- key is.
local answer = require "loam.answer"
local json = require "loam.json"
local keys = require "loam.routes.keys"
local kv = require "kv"

local look = {}

-- The store as `kv` has it, once per worker.
local function database(ctx)
  ctx.kv_database = ctx.kv_database or kv.attach(ctx.store.db)
  return ctx.kv_database
end

local function check(req, value, failure)
  if value == nil then
    answer.raise(answer.failure(req, failure))
  end
  return value
end

function look.files(req, ctx)
  return answer.json(200, { files = json.array(check(req, database(ctx):files())) })
end

function look.space(req, ctx)
  local space = check(req, database(ctx):space())
  space.pinned = json.array(space.pinned)
  return answer.json(200, space)
end

function look.handles(_, ctx)
  return answer.json(200, { handles = json.array(database(ctx):handles()) })
end

function look.explain(req, ctx)
  local _, key = keys.of(req, ctx)
  local bucket = check(req, database(ctx):bucket(req.args.bucket))
  return answer.json(200, { steps = json.array(check(req, bucket:explain(key))) })
end

look.routes = {
  { name = "admin_files", method = "GET", path = "/v1/admin/files", role = "admin", params = {},
    handler = look.files, summary = "The files of the store, and whether they are part of it.",
    answers = { [200] = "{files}." } },
  { name = "admin_space", method = "GET", path = "/v1/admin/space", role = "admin", params = {},
    handler = look.space, summary = "What fills the disk, and what is held by whom.",
    answers = { [200] = "Bytes." } },
  { name = "admin_handles", method = "GET", path = "/v1/admin/handles", role = "admin",
    params = {}, handler = look.handles, summary = "Open snapshots and scans with their age.",
    answers = { [200] = "{handles}." } },
  { name = "explain", method = "GET", path = "/v1/explain/{bucket}/{key*}", role = "read",
    is_scoped = true,
    params = { keys.BUCKET, keys.KEY, keys.ENC }, handler = look.explain,
    summary = "Where a read of the key looks, newest place first, and what stands there.",
    answers = { [200] = "{steps}.", [404] = "No such bucket." } },
}

return look
