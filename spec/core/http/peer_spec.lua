-- Our parser against the packaged one, on random mutations of the case tables. They may differ in
-- one way only: ours refuses what the other takes. A message that ours takes must be the same bytes
-- for both: method, target, fields, body, and where the next one begins. What is known to be an
-- exception is listed with its reason. A failure prints the input; SEED=... repeats the run.
local cases_of = require "spec.support.http_cases"
local cdef = require "spec.support.cdef"
local ffi = require "ffi"
local lib = require "spec.support.lib"
local paths = require "spec.support.paths"

cdef.load("http/parser.h")
ffi.cdef "int http_peer_events(const char *data, size_t size, char *out, size_t capacity);"

local ROUNDS = 20000
local TABLES = { "request_line", "target", "host", "fields", "framing", "chunked", "limits",
  "pipeline" }
local METHODS = { "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH" }
local FAILED, DONE = -1, 1
local CAPACITY = 65536

local has_peer, peer = pcall(ffi.load, paths.library:match("^.*/") .. "libloam_http_peer.so")

local limits = ffi.new("struct http_limits")
lib.http_limits_init(limits)
limits.query_params_max = 100000

local parser, chunked = ffi.new("struct http_parser"), ffi.new("struct http_chunked")
local fields = ffi.new("struct http_field[?]", limits.headers_count_max)
local used, out, out_size = ffi.new("size_t[1]"), ffi.new("const char *[1]"), ffi.new("size_t[1]")
local text = ffi.new("char[?]", CAPACITY)

local function read_chunks(data, size)
  local body, at = "", 0
  lib.http_chunked_init(chunked, limits, 2 ^ 40)
  while true do
    local rc = lib.http_chunked_feed(chunked, data + at, size - at, used, out, out_size)
    if rc == FAILED then
      return nil, "error " .. ffi.string(chunked.failure.reason)
    end
    body = body .. ffi.string(out[0], out_size[0])
    at = at + tonumber(used[0])
    if rc == DONE then
      return body, at
    elseif at == size then
      return nil, "more"
    end
  end
end

local function read_body(data, size)
  if parser.is_chunked == 1 then
    return read_chunks(data, size)
  elseif parser.content_length > size then
    return nil, "more"
  end
  return ffi.string(data, parser.content_length), tonumber(parser.content_length)
end

local function print_head(data)
  local lines = { ("M %s 1.%d %s"):format(METHODS[parser.method], parser.version_minor,
    ffi.string(data + parser.target_at, parser.target_size)) }
  for index = 0, parser.field_count - 1 do
    local field = fields[index]
    lines[#lines + 1] = "F " .. ffi.string(data + field.name_at, field.name_size) .. "="
      .. ffi.string(data + field.value_at, field.value_size)
  end
  return table.concat(lines, "\n")
end

--- Returns the list of messages that ours sees, and how it ended.
local function ours(input)
  local data, size, messages = ffi.cast("const char *", input), #input, {}
  while size > 0 do
    lib.http_parser_init(parser, limits, fields)
    local rc = lib.http_parser_head(parser, data, size)
    if rc ~= DONE then
      if size <= 2 and ffi.string(data, size) == ("\r\n"):sub(1, size) then
        return messages, "idle" -- The empty line that may stand in front of a request.
      end
      return messages, rc == FAILED and "error " .. ffi.string(parser.failure.reason) or "more"
    end
    local head = print_head(data)
    local head_size = parser.size
    local body, at = read_body(data + head_size, size - head_size)
    if not body then
      return messages, at
    end
    messages[#messages + 1] = ("%s\nB %d %s\nE\n"):format(head, #body, body)
    if parser.keep_alive == 0 then
      return messages, "closed"
    end
    data, size = data + head_size + at, size - head_size - at
  end
  return messages, "idle"
end

--- The same of the other parser.
local function theirs(input)
  local all = ffi.string(text, peer.http_peer_events(input, #input, text, CAPACITY))
  return all, all:match("([^\n]*)$")
end

-- Where the other parser is the stricter one, and why ours is right all the same.
local EXCEPTIONS = {
  { verdict = "HPE_INVALID_TRANSFER_ENCODING", input = "[Ee]ncoding:[ \t]*[Cc]hunked *\t",
    reason = "a tab behind a value is as good as a blank, RFC 9110 5.5" },
  { verdict = "HPE_INVALID_CONTENT_LENGTH", input = "[Ll]ength:[ \t]*%d+ *\t",
    reason = "the same" },
  { verdict = "closed", input = "[Cc]onnection:[^\r\n]*\t", reason = "the same" },
  { verdict = "closed", input = "[Cc]onnection:[^\r\n]*,",
    reason = "empty elements of a list are legal, RFC 9110 5.6.1" },
}

local function is_exception(input, verdict)
  for _, exception in ipairs(EXCEPTIONS) do
    if verdict:find(exception.verdict, 1, true) and input:find(exception.input) then
      return true
    end
  end
end

-- Returns nil when the two agree or ours is stricter, else what is wrong.
local function compare(input, is_final)
  local mine, my_end = ours(input)
  local all, their_end = theirs(input)
  local taken = table.concat(mine)
  if all:sub(1, #taken) ~= taken then
    return not is_exception(input, their_end)
      and ("ours takes what the other does not: %q, the other %q"):format(taken, all)
  elseif my_end:find("^error") or my_end == "closed" or my_end == their_end
    or is_exception(input, their_end) then
    return nil
  elseif their_end:find("^error") then
    -- Ours waits for the end of a line, or stands between messages.
    return nil
  elseif my_end == "more" and not is_final then
    -- Ours judges a line when it is complete, the other byte by byte.
    return compare(input .. "\r\n\r\n", true)
  end
  return ("ours ends with %s, the other with %s"):format(my_end, their_end)
end

local WORDS = { "\r\n", "\n", "\r", " ", "\t", ":", ";", ",", "\0", "\255", "0", "1", "3", "a", "F",
  "+", "-", "0x", "%", "?", "#", "@", "[", "]", "/", "*", "HTTP/1.1", "HTTP/1.0", "GET", "POST",
  "Host: b\r\n", "Content-Length: 3\r\n", "Content-Length: 0\r\n", "Connection: close\r\n",
  "Connection: keep-alive, upgrade\r\nUpgrade: x\r\n", "Transfer-Encoding: chunked\r\n",
  "Transfer-Encoding: identity\r\n", "Expect: 100-continue\r\n", "0\r\n\r\n", "\r\n\r\n",
  " folded" }

local function split_at(input)
  local at = math.random(0, #input)
  return input:sub(1, at), input:sub(at + 1)
end

local MUTATIONS = {
  function(input) -- A word more.
    local before, after = split_at(input)
    return before .. WORDS[math.random(#WORDS)] .. after
  end,
  function(input) -- A byte less.
    local before, after = split_at(input)
    return before .. after:sub(2)
  end,
  function(input) -- Another byte.
    local before, after = split_at(input)
    return before .. string.char(math.random(0, 255)) .. after:sub(2)
  end,
  function(input) -- A line twice.
    local before, after = split_at(input)
    local line = after:match("^[^\n]*\n[^\n]*\n") or after
    return before .. line .. after
  end,
  function(input, other) -- The front of one, the end of another.
    local before = split_at(input)
    local _, after = split_at(other)
    return before .. after
  end,
  function(input, other) -- One behind the other.
    return input .. other
  end,
}

describe("http.parser and the packaged one", function()
  if not has_peer then
    pending("needs libhttp-parser-dev")
    return
  end

  local corpus = {}
  for _, name in ipairs(TABLES) do
    for _, case in ipairs(cases_of.read(name)) do
      if #case.input < 4000 then
        corpus[#corpus + 1] = case.input
      end
    end
  end

  it("agree on the case tables, or ours is stricter", function()
    for _, input in ipairs(corpus) do
      assert.is_nil(compare(input), cases_of.escape(input))
    end
  end)

  it("agree on random mutations, or ours is stricter #fuzz", function()
    local stricter, taken = 0, 0
    for _ = 1, ROUNDS do
      local input = corpus[math.random(#corpus)]
      for _ = 1, math.random(4) do
        input = MUTATIONS[math.random(#MUTATIONS)](input, corpus[math.random(#corpus)])
      end
      input = input:sub(1, 8192)

      local difference = compare(input)

      if difference then
        error(("%s\ninput: %q"):format(difference, input), 0)
      end
      local mine, my_end = ours(input)
      taken = taken + #mine
      stricter = stricter + (my_end:find("^error") and 1 or 0)
    end
    -- Else the mutations miss the point.
    assert.is_true(taken > ROUNDS / 20 and stricter > ROUNDS / 20)
  end)
end)
