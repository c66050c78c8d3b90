-- GET /v1/kv/{bucket}: a range of rows, streamed from one snapshot.
--
-- Rows go from the engine's block to JSON text in C (core/host/json_text.c), one block per write;
-- write() waits while the client is slow. NDJSON ends with {"end":true,"count","next"}; a failure
-- in the middle is a last line with "error", never a silent cut. `next` is the key to pass as
-- `after`; one that is not UTF-8, or that looks like it, is written "b64u:<base64url>", which
-- `after` understands.
local answer = require "loam.answer"
local ffi = require "ffi"
local json = require "loam.json"
local keys = require "loam.routes.keys"
local C = require "loam.native"
local params = require "loam.params"
local scheduler = require "loam.scheduler"

local scan = {}
local CURSOR_MARK = "b64u:"
local COUNT_TURN = 64 -- Blocks counted before others have a turn.

--- The text of a cursor: the key itself where that is unambiguous.
function scan.cursor(key, is_base64)
  if is_base64 then
    return json.base64url(key)
  elseif json.is_utf8(key) and key:sub(1, #CURSOR_MARK) ~= CURSOR_MARK then
    return key
  end
  return CURSOR_MARK .. json.base64url(key)
end

--- The key behind an `after`, or raises 400.
function scan.key_of_cursor(req, text)
  if text:sub(1, #CURSOR_MARK) ~= CURSOR_MARK then
    return text
  end
  local key = json.base64url_decode(text:sub(#CURSOR_MARK + 1))
  if not key then
    answer.refuse(req, "after is no cursor of this server")
  end
  return key
end

local function one_of(req, args, name, other)
  if args[name] and args[other] then
    answer.refuse(req, "%s and %s mean the same: give one", name, other)
  end
  return args[name] or args[other]
end

local function range_of(req)
  local args = req.args
  params.decode_keys(req, args, { "from", "fromKey", "to", "endKey", "prefix", "after" })
  local after = args.after
  if after and args.enc ~= "b64u" then
    after = scan.key_of_cursor(req, after)
  end
  return {
    from = one_of(req, args, "from", "fromKey"),
    to = one_of(req, args, "to", "endKey"),
    prefix = args.prefix,
    after = after,
    -- One more than asked tells whether there is a next page.
    limit = args.limit and args.limit + 1 or nil,
    reverse = args.reverse,
    keys_only = args.keys_only or args.count_only,
  }
end

--- Calls use(block, take, is_first) for each block up to `limit` rows. Returns how many rows, the
--- last key when more follow; or nil, failure.
function scan.each_block(rows, limit, use)
  local count, last = 0, nil
  while true do
    local size, failure = rows:next()
    if not size then
      return nil, failure, count
    elseif size == 0 then
      return count, nil
    end
    local take = math.min(size, limit and limit - count or size)
    if take > 0 then
      last = rows:key(take - 1)
      use(rows.block, take, count == 0)
      count = count + take
    end
    if take < size then
      return count, last
    end
  end
end

local function flags_of(args)
  local flags = args.keys_only and C.HOST_ROWS_KEYS_ONLY or 0
  flags = flags + (args.enc == "b64u" and C.HOST_ROWS_BASE64 or 0)
  flags = flags + (args.meta and C.HOST_ROWS_META or 0)
  return flags + (args.format == "json" and C.HOST_ROWS_LIST or 0)
end

--- Returns a use() for each_block that writes rows as JSON text.
function scan.writer(ctx, write, flags)
  local buffer = ffi.gc(ffi.new("loam_buffer"), C.loam_buffer_free)
  return function(block, take, is_first)
    buffer.size = 0
    local first = is_first and C.HOST_ROWS_FIRST or 0
    assert(C.host_json_rows(ctx.store.db, buffer, block, take, flags + first) == 0,
      "out of memory")
    write(buffer.data, buffer.size)
  end
end

local function error_members(req, failure)
  local text = failure.text ~= "" and failure.text or answer.code_text(failure.code)
  return { error = answer.public_text(text), code = failure.code, request_id = req.id }
end

local function stream_ndjson(req, ctx, rows)
  local args = req.args
  return function(write)
    local count, next_key = scan.each_block(rows, args.limit,
      scan.writer(ctx, write, flags_of(args)))
    if not count then
      write(json.encode(error_members(req, next_key)) .. "\n")
    else
      local cursor = next_key and scan.cursor(next_key, args.enc == "b64u") or json.null
      write(json.encode({ ["end"] = true, count = count, next = cursor }) .. "\n")
    end
  end
end

local function stream_json(req, ctx, rows)
  local args = req.args
  return function(write)
    write('{"rows":[')
    local count, next_key, before = scan.each_block(rows, args.limit,
      scan.writer(ctx, write, flags_of(args)))
    local rest
    if not count then
      rest = json.encode(error_members(req, next_key))
      rest = rest:sub(2, -2) .. (',"count":%d'):format(before)
    else
      local cursor = next_key and scan.cursor(next_key, args.enc == "b64u") or json.null
      rest = ('"count":%d,"next":%s'):format(count, json.encode(cursor))
    end
    write("]," .. rest .. "}\n")
  end
end

local function count_rows(req, rows)
  local blocks = 0
  local limit = req.args.limit
  local count, failure = scan.each_block(rows, limit, function()
    blocks = blocks + 1
    if blocks % COUNT_TURN == 0 then
      scheduler.give_way()
    end
  end)
  rows:close()
  if not count then
    keys.fail(req, failure)
  end
  return answer.json(200, { count = count }, { ["X-KV-Seq"] = ("%.0f"):format(rows.seq) })
end

function scan.get(req, ctx)
  local bucket = keys.bucket(req, ctx, req.args.bucket)
  local rows = keys.scan(req, ctx, bucket, range_of(req))
  if req.args.count_only then
    return count_rows(req, rows)
  end
  local is_json = req.args.format == "json"
  local headers = { ["X-KV-Seq"] = ("%.0f"):format(rows.seq),
    ["Content-Type"] = is_json and answer.JSON or answer.NDJSON }
  local stream = is_json and stream_json(req, ctx, rows) or stream_ndjson(req, ctx, rows)
  return answer.stream(200, headers, stream, function() rows:close() end)
end

local function key_param(name, summary)
  return { name = name, type = "bytes", summary = summary }
end

scan.LIMIT = { name = "limit", type = "integer", min = 1, max = 2 ^ 53 - 2, summary = "Most rows." }

scan.routes = {
  {
    name = "kv_scan", method = "GET", path = "/v1/kv/{bucket}", role = "read", is_scoped = true,
    handler = scan.get,
    summary = "The rows of a range, from one snapshot, streamed.",
    params = {
      keys.BUCKET, keys.ENC, scan.LIMIT,
      key_param("from", "First key."), key_param("fromKey", "Another name of from."),
      key_param("to", "Key in front of which the range ends."),
      key_param("endKey", "Another name of to."),
      key_param("prefix", "What every key begins with."),
      key_param("after", "A `next` of an earlier answer, or a key: goes on behind it."),
      { name = "reverse", type = "flag", summary = "From the last key to the first." },
      { name = "keys_only", type = "flag", summary = "No values." },
      { name = "count_only", type = "flag", summary = "Only {count}." },
      { name = "meta", type = "flag",
        summary = "Also seq, expires_at_ms and content_type of each row." },
      { name = "format", type = "string", values = { "ndjson", "json" }, default = "ndjson",
        summary = "One JSON object per line, or one JSON object with rows." },
    },
    answers = { [200] = "Rows {k, v}; k64 and v64 (base64url) where bytes are not UTF-8.",
      [404] = "No such bucket." },
  },
}

return scan
