-- POST /v1/kv/{bucket}/{key}: changes a value by its present one, in one atomic step: incr, append,
-- touch, getset, getdel.
--
-- getset and getdel tell a value, so a token needs the role read beside write for them.
local answer = require "loam.answer"
local json = require "loam.json"
local keys = require "loam.routes.keys"
local kv = require "loam.routes.kv"
local request = require "loam.request"
local scope = require "loam.scope"

local change = {}

-- What each op takes, puts into the operation and answers.
local OPS = {
  incr = { takes_number = true },
  append = { takes_body = true },
  touch = { is_of_present = true },
  getset = { op = "put", takes_body = true, tells = true },
  getdel = { op = "delete", tells = true, is_of_present = true, takes_no_ttl = true },
}

local function check(req, kind, word)
  if not word then
    answer.refuse(req, "op is missing: op=incr, append, touch, getset or getdel")
  end
  for _, name in ipairs { "by", "init" } do
    if req.query[name] and not kind.takes_number then
      answer.refuse(req, "%s goes with op=incr only", name)
    end
  end
  local _, size = request.body_bytes(req)
  if size > 0 and not kind.takes_body then
    answer.refuse(req, "op=%s takes no body", word)
  elseif req.args.ttl and kind.takes_no_ttl then
    answer.refuse(req, "op=%s takes no ttl", word)
  elseif word == "touch" and not req.args.ttl then
    answer.refuse(req, "op=touch wants ttl: seconds, 0 = never expires")
  end
end

local function operation_of(req, ctx, kind, word)
  local bucket, key = keys.of(req, ctx)
  check(req, kind, word)
  local op = { op = kind.op or word, bucket = bucket, key = key }
  if kind.takes_number then
    op.by, op.init = req.args.by, req.args.init
  elseif kind.takes_body then
    op.value, op.value_size = request.body_bytes(req)
    kv.check_value(req, ctx, op.value_size)
  end
  if word == "getset" then
    op.content_type = kv.content_type(req, ctx)
  end
  op.report_previous, op.want_previous = kind.tells, kind.tells
  keys.set_ttl(op, req.args.ttl)
  return op
end

local function done(kind, outcome)
  local body = { seq = outcome.seq, value = kind.takes_number and outcome.number or nil }
  if kind.tells then
    body.found = outcome.existed
    if outcome.existed then
      json.set_bytes(body, "v", outcome.previous)
    end
  end
  local headers = keys.row_headers(outcome.seq)
  if kind.op == "delete" then
    headers.ETag = nil
  end
  return answer.json(200, body, headers)
end

local function failed(req, op, outcome)
  if outcome.code == "INVALID" then
    return answer.failure(req, outcome, { status = 422 })
  elseif outcome.code ~= "NOT_FOUND" then
    keys.fail(req, outcome)
  elseif op.condition and (op.op ~= "incr" or op.init) then
    return keys.mismatch(req, outcome)
  elseif op.op == "incr" then
    return answer.error(req, 404, "no such key; init gives one to start from")
  end
  return answer.error(req, 404, "no such key")
end

function change.post(req, ctx)
  local word = req.args.op
  local kind = OPS[word] or {}
  local op = operation_of(req, ctx, kind, word)
  if kind.tells then
    scope.check_role(req, "read")
  end
  local outcome, refused = kv.commit(req, ctx, op)
  if not outcome then
    return refused
  elseif outcome.code ~= "OK" then
    return failed(req, op, outcome)
  elseif word == "getdel" and not outcome.existed then
    return answer.error(req, 404, "no such key")
  end
  return done(kind, outcome)
end

change.routes = {
  {
    name = "kv_post", method = "POST", path = keys.PATH, role = "write", is_scoped = true,
    handler = change.post, body = "application/octet-stream", body_max = keys.value_body_max,
    summary = "Changes a value by its present one, in one step.",
    params = { keys.BUCKET, keys.KEY, keys.ENC, keys.TTL, keys.DURABILITY, keys.DEADLINE,
      { name = "op", type = "string", values = { "incr", "append", "touch", "getset", "getdel" },
        summary = "incr adds to a number; append adds the body; touch gives another ttl; getset "
          .. "stores the body and tells what was there; getdel removes and tells it." },
      { name = "by", type = "number", default = 1, min = -2 ^ 53, max = 2 ^ 53,
        summary = "What incr adds." },
      { name = "init", type = "number", min = -2 ^ 53, max = 2 ^ 53,
        summary = "The number an absent key counts from; without it that is 404." } },
    answers = { [200] = "seq; the new number of incr as value; what was there as v or v64.",
      [404] = "No such key.", [409] = "Lost against another write.",
      [412] = "If-Match or If-None-Match does not hold.",
      [413] = "The value is too large, or would be.",
      [422] = "The value is no number." },
  },
}

return change
