-- POST /v1/mget and POST /v1/batch: many keys in one request.
--
-- Both take a JSON list, or NDJSON (one object per line), and mget answers in the form it was
-- asked. A batch is one commit: all of it or nothing. Every complaint names the 0-based index of
-- the item.
local answer = require "loam.answer"
local json = require "loam.json"
local keys = require "loam.routes.keys"

local many = {}

-- ---- The body as a list ----

local function decode_item(req, text, index)
  local item, message = json.decode(text)
  if message then
    answer.raise(answer.error(req, 400, ("line %d: %s"):format(index + 1, message),
      { index = index }))
  end
  return item
end

local function check_count(req, count, name, limit)
  if count > limit then
    answer.refuse_size(req, "items", tostring(count), name, limit)
  end
end

local function lines_of(req, body, name, limit)
  local items = {}
  for line in body:gmatch("[^\r\n]+") do
    if line:find("%S") then
      check_count(req, #items + 1, name, limit)
      items[#items + 1] = decode_item(req, line, #items)
    end
  end
  return items
end

-- Returns the items and whether they came as NDJSON. An object alone is NDJSON of one line.
local function items_of(req, name, limit)
  local body = req.body
  local items, is_ndjson
  if json.is_list_text(body) then
    local message
    items, message = json.decode(body)
    if message then
      answer.refuse(req, "the body is no JSON: %s", message)
    end
    check_count(req, #items, name, limit)
  else
    items, is_ndjson = lines_of(req, body, name, limit), true
  end
  for index, item in ipairs(items) do
    if type(item) ~= "table" or item[1] ~= nil or item == json.null then
      answer.raise(answer.error(req, 400, ("item %d is no object"):format(index - 1),
        { index = index - 1 }))
    end
  end
  return items, is_ndjson
end

local function refuse_item(req, index, text, ...)
  answer.raise(answer.error(req, 400, ("item %d: " .. text):format(index, ...), { index = index }))
end

local function check_members(req, index, item, known)
  for name in pairs(item) do
    if not known[name] then
      refuse_item(req, index, "unknown member '%s'", tostring(name))
    end
  end
end

local function bytes_of(req, index, item, name)
  local bytes, message = json.get_bytes(item, name)
  if message then
    refuse_item(req, index, "%s", message)
  end
  return bytes
end

local function key_of(req, ctx, index, item)
  local key = bytes_of(req, index, item, "k")
  if not key then
    refuse_item(req, index, "k or k64 is missing")
  end
  return keys.check_key(req, ctx, key)
end

local function bucket_of(req, ctx, index, item, known)
  local name = item.b == nil and "default" or item.b
  if type(name) ~= "string" then
    refuse_item(req, index, "b is the name of a bucket")
  end
  known[name] = known[name] or keys.bucket(req, ctx, name)
  return known[name]
end

-- ---- mget ----

local MGET_MEMBERS = { b = true, k = true, k64 = true }

local function read_items(req, ctx, items, snapshot)
  local known, list = {}, json.array()
  for at, item in ipairs(items) do
    check_members(req, at - 1, item, MGET_MEMBERS)
    local bucket = bucket_of(req, ctx, at - 1, item, known)
    local key = key_of(req, ctx, at - 1, item)
    local value, meta = ctx.store:get(bucket, key, { snapshot = snapshot })
    if not value and meta then
      keys.fail(req, meta)
    end
    local found = { b = item.b, k = item.k, k64 = item.k64, found = value ~= nil }
    if value then
      json.set_bytes(found, "v", value)
      found.seq = meta.seq
    end
    list[at] = found
  end
  return list
end

local function ndjson(list)
  local lines = {}
  for at, item in ipairs(list) do
    lines[at] = json.encode(item) .. "\n"
  end
  return answer.new(200, table.concat(lines), { ["Content-Type"] = answer.NDJSON })
end

function many.mget(req, ctx)
  local items, is_ndjson = items_of(req, "mget_keys_max", ctx.config.mget_keys_max)
  local list, failure = ctx.store:with_snapshot(function(snapshot)
    return read_items(req, ctx, items, snapshot)
  end)
  if not list then
    keys.fail(req, failure)
  end
  return is_ndjson and ndjson(list) or answer.json(200, list)
end

-- ---- batch ----

local BATCH_MEMBERS = { op = true, b = true, k = true, k64 = true, v = true, v64 = true, ttl = true,
  if_seq = true, by = true, init = true }
local OPS = { put = "put", delete = "delete", del = "delete", incr = "incr" }

local function number_of(req, index, item, name, is_whole)
  local value = item[name]
  if value == nil then
    return nil
  elseif type(value) ~= "number" or value ~= value or math.abs(value) > 2 ^ 53
    or is_whole and (value < 0 or value % 1 ~= 0) then
    refuse_item(req, index, "%s is a %snumber", name, is_whole and "whole " or "")
  end
  return value
end

local function value_of(req, ctx, index, item, kind)
  local value = bytes_of(req, index, item, "v")
  local limit = ctx.config.value_bytes_max
  if kind == "put" and not value then
    refuse_item(req, index, "v or v64 is missing")
  elseif kind ~= "put" and value then
    refuse_item(req, index, "only put takes v")
  elseif value and #value > limit then
    answer.refuse_size(req, ("item %d: value"):format(index), #value .. " bytes",
      "value_bytes_max", limit)
  end
  return value
end

local function ttl_of(req, index, item, kind)
  local ttl = number_of(req, index, item, "ttl")
  if ttl and (ttl < 0 or ttl > 1e11 or kind == "delete") then
    refuse_item(req, index, "ttl is seconds of at least 0, for put and incr")
  end
  return ttl
end

local function operation_of(req, ctx, index, item, known)
  check_members(req, index, item, BATCH_MEMBERS)
  local kind = OPS[item.op]
  if not kind then
    refuse_item(req, index, "op is one of put, delete, incr")
  end
  local op = { op = kind, bucket = bucket_of(req, ctx, index, item, known),
    key = key_of(req, ctx, index, item) }
  op.value = value_of(req, ctx, index, item, kind)
  keys.set_ttl(op, ttl_of(req, index, item, kind))
  if kind == "incr" then
    op.by = number_of(req, index, item, "by") or 1
    op.init = number_of(req, index, item, "init")
  end
  if item.if_seq ~= nil then
    op.condition, op.if_seq = "seq", number_of(req, index, item, "if_seq", true)
  end
  return op
end

-- The answer to a batch that was not applied.
local function refused(req, ops, outcome)
  local failed = outcome.failed_index and ops[outcome.failed_index + 1]
  local extra = failed and { index = outcome.failed_index } or nil
  if outcome.code == "EXISTS" or outcome.code == "MISMATCH" then
    return keys.mismatch(req, outcome, extra)
  elseif outcome.code == "NOT_FOUND" then
    return failed and failed.condition and keys.mismatch(req, outcome, extra)
      or answer.error(req, 404, "incr of an absent key without init", extra)
  elseif outcome.code == "INVALID" then
    return answer.failure(req, outcome, { status = 422, index = outcome.failed_index })
  end
  keys.fail(req, outcome)
end

function many.batch(req, ctx)
  local items = items_of(req, "batch_ops_max", ctx.config.batch_ops_max)
  local known, ops = {}, {}
  for at, item in ipairs(items) do
    ops[at] = operation_of(req, ctx, at - 1, item, known)
  end
  local outcome = ctx.store:write(ops, keys.commit_of(req, ctx))
  if outcome.code == "OK" then
    return answer.json(200, { seq = outcome.seq, count = #ops })
  end
  return refused(req, ops, outcome)
end

-- ---- Declarations ----

local function batch_body_max(config)
  return config.batch_body_bytes_max, "batch_body_bytes_max"
end

many.routes = {
  {
    name = "mget", method = "POST", path = "/v1/mget", role = "read", is_scoped = true,
    handler = many.mget,
    summary = "The values of many keys at one sequence, in the order asked.",
    body = "application/json", body_max = batch_body_max, params = {},
    answers = { [200] = "A list, or NDJSON, of {b, k, found, v, seq}.", [404] = "No such bucket." },
  },
  {
    name = "batch", method = "POST", path = "/v1/batch", role = "write", is_scoped = true,
    handler = many.batch,
    summary = "Puts, deletes and increments as one atomic commit.",
    body = "application/json", body_max = batch_body_max,
    params = { keys.DURABILITY, keys.DEADLINE },
    answers = { [200] = "{seq, count}.",
      [412] = "if_seq of item `index` does not hold; nothing was applied.",
      [422] = "incr of a value that is no number; nothing was applied." },
  },
}

return many
