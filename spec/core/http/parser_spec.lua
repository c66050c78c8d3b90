-- The parser against its case tables, each case whole, one byte and three bytes at a time:
-- fragmentation must never change a verdict. Every error path of parser.c, fields.c and chunked.c
-- has a case there.
local cdef = require "spec.support.cdef"
local cases_of = require "spec.support.http_cases"
local ffi = require "ffi"
local lib = require "spec.support.lib"

cdef.load("http/parser.h")

local METHODS = { "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH" }
local FAILED, MORE, DONE = -1, 0, 1
local TABLES = { "request_line", "target", "host", "fields", "framing", "chunked", "limits",
  "pipeline" }

-- Limits small enough that cases of a few hundred bytes reach them.
local limits = ffi.new("struct http_limits")
lib.http_limits_init(limits)
limits.request_line_bytes_max = 200
limits.header_line_bytes_max = 100
limits.headers_bytes_max = 300
limits.headers_count_max = 8
limits.query_params_max = 4
limits.body_bytes_max = 64
limits.chunk_extension_bytes_max = 16

local Run = {}
Run.__index = Run

local function new_run(input)
  return setmetatable({
    input = input,
    data = ffi.cast("const char *", input),
    at = 0,
    log = {},
    parser = ffi.new("struct http_parser"),
    chunked = ffi.new("struct http_chunked"),
    fields = ffi.new("struct http_field[8]"),
    state = "start",
  }, Run)
end

function Run:print(format, ...)
  self.log[#self.log + 1] = format:format(...)
end

function Run:fail(failure)
  local limit = lib.http_limit_name(failure.limit)
  self:print("error %d %s%s", failure.status, ffi.string(failure.reason),
    limit == nil and "" or " (" .. ffi.string(limit) .. ")")
  self.state = "failed"
end

function Run:slice(at, size)
  return cases_of.escape(ffi.string(self.data + self.at + at, size))
end

function Run:print_head()
  local p = self.parser
  self:print("head %s HTTP/1.%d%s%s", METHODS[p.method], p.version_minor,
    p.keep_alive == 1 and " keep-alive" or " close",
    p.expects_continue == 1 and " expects-100" or "")
  self:print("path %s%s", p.path_size == 0 and "/" or self:slice(p.path_at, p.path_size),
    p.has_query == 1 and " query " .. self:slice(p.query_at, p.query_size) or "")
  for i = 0, p.field_count - 1 do
    local f = self.fields[i]
    self:print("%s=%s", self:slice(f.name_at, f.name_size), self:slice(f.value_at, f.value_size))
  end
end

function Run:start()
  lib.http_parser_init(self.parser, limits, self.fields)
  self.state = "head"
end

function Run:head(visible)
  local rc = lib.http_parser_head(self.parser, self.data + self.at, visible - self.at)
  if rc == FAILED then
    self:fail(self.parser.failure)
  elseif rc == DONE then
    self:print_head()
    self.at = self.at + self.parser.size
    self.body = ""
    lib.http_chunked_init(self.chunked, limits, limits.body_bytes_max)
    self.state = self.parser.is_chunked == 1 and "chunks" or "length"
  end
  return rc ~= MORE
end

function Run:end_body()
  if self.body ~= "" or self.parser.is_chunked == 1 then
    self:print("body %s", cases_of.escape(self.body))
  end
  self.state = self.parser.keep_alive == 1 and "start" or "closed"
end

function Run:length(visible)
  local wanted = tonumber(self.parser.content_length)
  if visible - self.at < wanted then
    return false
  end
  self.body = ffi.string(self.data + self.at, wanted)
  self.at = self.at + wanted
  self:end_body()
  return true
end

local used, out, out_size = ffi.new("size_t[1]"), ffi.new("const char *[1]"), ffi.new("size_t[1]")

function Run:chunks(visible)
  local rc = lib.http_chunked_feed(self.chunked, self.data + self.at, visible - self.at,
    used, out, out_size)
  if rc == FAILED then
    self:fail(self.chunked.failure)
    return true
  end
  self.body = self.body .. ffi.string(out[0], out_size[0])
  self.at = self.at + tonumber(used[0])
  if rc == DONE then
    self:end_body()
  end
  return rc == DONE or self.at < visible
end

--- Shows the input up to `visible` and goes on as far as that allows.
function Run:show(visible)
  while true do
    if self.state == "failed" or self.state == "closed" then
      return
    elseif self.state == "start" then
      if self.at == visible then
        return
      end
      self:start()
    elseif not self[self.state](self, visible) then
      return
    end
  end
end

function Run:finish()
  if self.state ~= "failed" and self.state ~= "start" then
    self:print(self.state == "closed" and "closed" or "more")
  end
  return table.concat(self.log, "\n")
end

local function events(input, step)
  local run = new_run(input)
  for visible = step, #input, step do
    run:show(visible)
  end
  run:show(#input)
  return run:finish()
end

local tables = {}
for _, name in ipairs(TABLES) do
  tables[name] = cases_of.read(name)
  for _, case in ipairs(tables[name]) do
    case.actual = events(case.input, math.max(#case.input, 1))
  end
  if os.getenv("LOAM_REWRITE") then
    cases_of.rewrite(name, tables[name])
    tables[name] = cases_of.read(name)
  end
end

describe("http.parser", function()
  for _, name in ipairs(TABLES) do
    describe(name, function()
      for _, case in ipairs(tables[name]) do
        it(case.name, function()
          assert.equal(case.expected, events(case.input, math.max(#case.input, 1)))
          assert.equal(case.expected, events(case.input, 1))
          assert.equal(case.expected, events(case.input, 3))
        end)
      end
    end)
  end

  it("gives the same events for random bytes in random pieces", function()
    local alphabet = { "GET ", "POST ", "/", "a", " ", "HTTP/1.1", "\r\n", "\r\n\r\n", "\n",
      "Host: a",
      "Content-Length: 3", "Transfer-Encoding: chunked", ":", "3", "0", "\0", "\255", "%41", "\t" }
    for _ = 1, 2000 do
      local parts = { math.random(3) > 1 and "POST / HTTP/1.1\r\nHost: a\r\n" or "" }
      for i = 2, math.random(2, 14) do
        parts[i] = alphabet[math.random(#alphabet)]
      end
      local input = table.concat(parts)

      assert.equal(events(input, math.max(#input, 1)), events(input, math.random(1, 5)))
    end
  end)
end)
