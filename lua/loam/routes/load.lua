-- POST /v1/kv/{bucket}: stores rows of any number, as NDJSON, while they come.
--
-- The body goes through in pieces (loam.upload); a batch of some 1000 rows is committed before more
-- is read, so memory stays flat and a client is held back by the disk. Each batch is atomic, the
-- whole is not: an answer that is an error says in `count` how many rows, from the first, are
-- stored. What GET of the same path answers is understood, its last line too, so that a copy is
-- curl ... | curl -T - ...; a dump that ended in an error is refused at that line.
local answer = require "loam.answer"
local json = require "loam.json"
local keys = require "loam.routes.keys"

local load = {}
local BATCH_ROWS, BATCH_BYTES = 1000, 1024 * 1024
local DEADLINE_MS = 60000
local MEMBERS = { k = true, k64 = true, v = true, v64 = true, ttl = true, expires_at_ms = true,
  content_type = true, seq = true }

-- ---- Lines ----

-- Adds pieces until a line has its end. Returns the line, and the rest of the last piece; at the
-- end of the body a rest without a line end, or nil.
local function join(req, limit, start)
  local parts, size = { start }, #start
  while true do
    if size > limit then
      answer.refuse_size(req, "line", "more than " .. limit .. " bytes", "batch_body_bytes_max",
        limit)
    end
    local piece = req.read()
    if not piece then
      local line = table.concat(parts)
      return line ~= "" and line or nil, ""
    end
    local finish = piece:find("\n", 1, true)
    parts[#parts + 1] = finish and piece:sub(1, finish - 1) or piece
    size = size + #parts[#parts]
    if finish and size <= limit then
      return table.concat(parts), piece:sub(finish + 1)
    end
  end
end

-- Returns a function that gives one line after the other, nil at the end.
local function line_reader(req, limit)
  local block, at = "", 1
  return function()
    local finish = block:find("\n", at, true)
    local line
    if finish then
      line, at = block:sub(at, finish - 1), finish + 1
    else
      line, block = join(req, limit, block:sub(at))
      at = 1
    end
    return line
  end
end

-- ---- Rows ----

local function bytes_of(req, row, name)
  local bytes, message = json.get_bytes(row, name)
  if not bytes then
    answer.refuse(req, "%s", message or ("%s or %s64 is missing"):format(name, name))
  end
  return bytes
end

local function number_of(req, row, name, least, most)
  local value = row[name]
  if value ~= nil and (type(value) ~= "number" or not (value >= least and value <= most)) then
    answer.refuse(req, "%s is a number from %.0f to %.0f", name, least, most)
  end
  return value
end

local function decode(req, line)
  local row, message = json.decode(line)
  if message then
    answer.refuse(req, "%s", message)
  elseif type(row) ~= "table" or row == json.null or json.is_list_text(line) then
    answer.refuse(req, "a row is an object {k, v}")
  elseif row.error ~= nil then
    answer.refuse(req, "the dump that these rows are from ended with an error: %s",
      tostring(row.error))
  elseif row["end"] == true then
    return nil
  end
  for name in pairs(row) do
    if not MEMBERS[name] then
      answer.refuse(req, "unknown member '%s'", tostring(name))
    end
  end
  return row
end

local function content_type_of(req, ctx, name)
  if name == nil then
    return nil
  elseif type(name) ~= "string" then
    answer.refuse(req, "content_type is a string")
  end
  local id, failure = ctx.store:content_type_id(name)
  if not id then
    keys.fail(req, failure)
  end
  return id
end

-- The put that a line asks for; nil for the last line of a scan.
local function put_of(req, ctx, bucket, line)
  local row = decode(req, line)
  if not row then
    return nil
  end
  local limit = ctx.config.value_bytes_max
  local op = { op = "put", bucket = bucket, key = bytes_of(req, row, "k"),
    value = bytes_of(req, row, "v") }
  keys.check_key(req, ctx, op.key)
  if #op.value > limit then
    answer.refuse_size(req, "value", #op.value .. " bytes", "value_bytes_max", limit)
  end
  op.expire_at_ms = number_of(req, row, "expires_at_ms", 1, 2 ^ 53)
  local ttl = number_of(req, row, "ttl", 0, 1e11)
  if ttl and op.expire_at_ms then
    answer.refuse(req, "ttl and expires_at_ms exclude each other")
  end
  keys.set_ttl(op, ttl)
  op.content_type = content_type_of(req, ctx, row.content_type)
  return op
end

-- ---- Batches ----

local function commit(req, ctx, state)
  if #state.ops == 0 then
    return
  end
  local outcome = ctx.store:write(state.ops, state.how)
  if outcome.code ~= "OK" then
    keys.fail(req, outcome)
  end
  state.count, state.seq = state.count + #state.ops, outcome.seq
  state.ops, state.bytes = {}, 0
  req.rows_done = state.count
end

local function run(req, ctx, bucket, state)
  local is_ended = false
  for line in line_reader(req, ctx.config.batch_body_bytes_max) do
    state.line = state.line + 1
    state.is_at_line = true
    if line:find("%S") then
      if is_ended then
        answer.refuse(req, "more follows the last line of a dump")
      end
      local op = put_of(req, ctx, bucket, line)
      is_ended = op == nil
      state.ops[#state.ops + 1] = op
      state.bytes = state.bytes + (op and #op.key + #op.value or 0)
    end
    state.is_at_line = false
    if #state.ops >= BATCH_ROWS or state.bytes >= BATCH_BYTES then
      commit(req, ctx, state)
    end
  end
  commit(req, ctx, state)
end

-- Adds to an error how many rows are stored, and which line is at fault.
local function tell(made, state)
  local body = json.decode(made.body)
  body.count = state.count
  body.line = state.is_at_line and state.line or nil
  made.body = json.encode(body) .. "\n"
end

function load.post(req, ctx)
  local bucket = keys.bucket(req, ctx, req.args.bucket)
  local state = { count = 0, line = 0, ops = {}, bytes = 0, how = keys.commit_of(req, ctx) }
  local is_ok, problem = pcall(run, req, ctx, bucket, state)
  if not is_ok then
    if type(problem) == "table" and problem.is_answer then
      tell(problem, state)
    end
    error(problem, 0)
  end
  return answer.json(200, { count = state.count, seq = state.seq })
end

local function with_default(param, default)
  local copy = { default = default }
  for name, value in pairs(param) do
    copy[name] = value
  end
  return copy
end

load.routes = {
  {
    name = "kv_load", method = "POST", path = "/v1/kv/{bucket}", role = "write", is_scoped = true,
    handler = load.post, body = answer.NDJSON, is_stream = true,
    summary = "Stores rows of any number while they come, in batches: each is atomic, the whole "
      .. "is not.",
    params = { keys.BUCKET, keys.DURABILITY, with_default(keys.DEADLINE, DEADLINE_MS) },
    answers = { [200] = "{count}, and seq of the last batch.",
      [400] = "`line` is no row; the first `count` rows are stored.", [404] = "No such bucket.",
      [413] = "A line, key or value is too large; the first `count` rows are stored.",
      [503] = "As for PUT; the first `count` rows are stored.",
      [507] = "Disk full; the first `count` rows are stored." },
  },
}

return load
