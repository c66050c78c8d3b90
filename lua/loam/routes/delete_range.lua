-- DELETE /v1/kv/{bucket}: removes the rows of a range.
--
-- A scan of one snapshot and batches of some 1000 deletes, each atomic; the whole is not. Others
-- have their turn between two batches, and a failure tells how many rows are gone. A row that
-- somebody writes meanwhile is removed or stays, as if that had come before or after; keys that
-- were not there at the start stay. Nothing is removed without bounds on both sides and confirm=1:
-- a variable that is empty in somebody's script may not empty a bucket.
local answer = require "loam.answer"
local json = require "loam.json"
local keys = require "loam.routes.keys"
local params = require "loam.params"
local scan = require "loam.routes.scan"
local scheduler = require "loam.scheduler"

local delete_range = {}
local COUNT_TURN = 64 -- Blocks counted before others have a turn.

local function problem_of_ends(from, to)
  if not (from or to) then
    return "a range is wanted: prefix, or from and to"
  elseif not (from and to) then
    return (from and "to" or "from") .. " is missing: a range has prefix, or from and to"
  end
  return to == "" and "to is empty: no key is less" or nil
end

-- What is wrong with the bounds, nil when nothing is.
local function problem_of(prefix, from, to)
  if not prefix then
    return problem_of_ends(from, to)
  elseif from or to then
    return "a range is prefix, or from and to, not both"
  end
  return prefix == "" and "prefix is empty, which would be every key: see from and to" or nil
end

local function range_of(req)
  local args = req.args
  params.decode_keys(req, args, { "prefix", "from", "to" })
  local problem = problem_of(args.prefix, args.from, args.to)
  if problem then
    answer.refuse(req, "%s", problem)
  end
  for _, name in ipairs { "If-Match", "If-None-Match" } do
    if req.headers[name] then
      answer.refuse(req, "%s is for single keys", name)
    end
  end
  if not (args.confirm or args.dry_run) then
    answer.refuse(req, "this removes a range: say confirm=1, or dry_run=1 to count only")
  end
  return { prefix = args.prefix, from = args.from, to = args.to, limit = args.limit,
    keys_only = true }
end

-- Removes all rows of a scan. on_batch(count) follows each batch. Returns {count, seq}, and a
-- failure when that is not all.
local function remove(req, ctx, bucket, rows, on_batch)
  local how = keys.commit_of(req, ctx)
  local done = { count = 0 }
  while true do
    local outcome = ctx.store:delete_rows(bucket, rows, how)
    if outcome.code ~= "OK" then
      return done, outcome
    elseif outcome.count == 0 then
      return done
    end
    done.count, done.seq = done.count + outcome.count, outcome.seq
    req.rows_done = done.count
    on_batch(done.count)
    scheduler.give_way()
  end
end

local function count(rows)
  local blocks = 0
  local total, failure = scan.each_block(rows, nil, function()
    blocks = blocks + 1
    if blocks % COUNT_TURN == 0 then
      scheduler.give_way()
    end
  end)
  return { count = total or 0, dry_run = true }, not total and failure or nil
end

-- Does what was asked: what came of it, and a failure.
local function run(req, ctx, bucket, rows, on_batch)
  if req.args.dry_run then
    return count(rows)
  end
  return remove(req, ctx, bucket, rows, on_batch)
end

local function stream(req, ctx, bucket, rows)
  return function(write)
    local done, failure = run(req, ctx, bucket, rows, function(so_far)
      write(('{"count":%d}\n'):format(so_far))
    end)
    if failure then
      done = json.decode(answer.failure(req, failure, { count = done.count }).body)
    else
      done["end"] = true
    end
    write(json.encode(done) .. "\n")
  end
end

local function whole(req, ctx, bucket, rows)
  local done, failure = run(req, ctx, bucket, rows, function() end)
  if failure then
    return answer.failure(req, failure, { count = done.count })
  end
  return answer.json(200, done)
end

local function guarded(rows, fn, ...)
  local is_ok, made = pcall(fn, ...)
  rows:close()
  if not is_ok then
    error(made, 0)
  end
  return made
end

function delete_range.delete(req, ctx)
  local bucket = keys.bucket(req, ctx, req.args.bucket)
  local rows = keys.scan(req, ctx, bucket, range_of(req))
  local made
  if req.args.format == "ndjson" then
    made = answer.stream(200, { ["Content-Type"] = answer.NDJSON },
      stream(req, ctx, bucket, rows), function() rows:close() end)
  else
    made = guarded(rows, whole, req, ctx, bucket, rows)
  end
  if req.args.dry_run and made.status == 200 then
    made.headers["X-KV-Seq"] = ("%.0f"):format(rows.seq)
  end
  return made
end

local function key_param(name, summary)
  return { name = name, type = "bytes", summary = summary }
end

delete_range.routes = {
  {
    name = "kv_delete_range", method = "DELETE", path = "/v1/kv/{bucket}", role = "write",
    is_scoped = true, handler = delete_range.delete,
    summary = "Removes the rows of a range, in batches: each is atomic, the whole is not.",
    params = {
      keys.BUCKET, keys.ENC, keys.DURABILITY, keys.DEADLINE,
      key_param("prefix", "What every key begins with; at least one byte."),
      key_param("from", "First key, in place of prefix."),
      key_param("to", "Key in front of which the range ends; goes with from."),
      { name = "limit", type = "integer", min = 1, max = 2 ^ 53 - 2,
        summary = "Most rows, the first ones; fewer were removed when none is left." },
      { name = "confirm", type = "flag", summary = "Has to be 1, but for dry_run." },
      { name = "dry_run", type = "flag", summary = "Only tells how many rows there are." },
      { name = "format", type = "string", values = { "json", "ndjson" }, default = "json",
        summary = "One answer at the end, or also a line with the count behind every batch." },
    },
    answers = { [200] = "{count}, and seq of the last batch.",
      [400] = "No range, or confirm is missing.", [404] = "No such bucket.",
      [503] = "As for PUT; `count` rows are gone.", [507] = "Disk full; `count` rows are gone." },
  },
}

return delete_range
