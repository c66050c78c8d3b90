-- A client of a Loam server: the calls of HTTP_API over one connection, with kv's conventions.
--
--     local client = require "loam.client"
--     local c = assert(client.new "http://127.0.0.1:8080")
--     c:put("default", "a", "1")      print(c:get("default", "a").value)
--
-- Not found is nil alone, a failure nil, err, CODE with err = {code, text}. A write that failed has
-- err.outcome: "not_committed", or "unknown" when the server said so or did not get to answer. A
-- failing scan raises its error. While a scan runs, other calls use a connection of their own.
-- c.api has every route of the server as a function: loam.client.api.
local admin = require "loam.client.admin"
local api = require "loam.client.api"
local connection = require "loam.client.connection"
local json = require "loam.json"
local rows = require "loam.client.rows"
local uri = require "loam.uri"
local urls = require "loam.client.url"

local client = {}
local TIMEOUT_SECONDS = 60
local NO_TYPE = "application/octet-stream"
local WRITE_DEADLINE_MS = 600000
local READS = { GET = true, HEAD = true }
local RETRIED = { GET = true, HEAD = true, PUT = true, DELETE = true }

---@class loam.client
---@field url string
local methods = {}
local metatable = { __name = "loam.client", __index = methods }

function metatable.__tostring(self)
  return ("loam.client(%q)"):format(self.url)
end

--- Makes a client; it connects with the first request.
---@param url string
---@param given? {timeout_seconds: number?, token: string?, ca: string?, insecure_tls: boolean?}
---   token: LOAM_TOKEN by default; https: ca = PEM file of who signs the server, in place of those
---   that the system trusts; insecure_tls = any certificate will do
---@return loam.client? client, table? err, string? code
function client.new(url, given)
  given = given or {}
  local place, message = urls.parse(url)
  local token = given.token or os.getenv("LOAM_TOKEN") or ""
  if not place then
    return nil, { code = "INVALID", text = message }, "INVALID"
  elseif token:find("[^%w_-]") then
    return nil, { code = "INVALID", text = "that is no token of Loam" }, "INVALID"
  end
  local function connect()
    return connection.new(place, given.timeout_seconds or TIMEOUT_SECONDS,
      { token = token ~= "" and token or nil, ca = given.ca, is_blind = given.insecure_tls })
  end
  local self = setmetatable({ url = url, _connect = connect, _connection = connect() }, metatable)
  self.api = api.new(self)
  return self
end

--- Closes the connection. A later call opens it again.
function methods:close()
  self._connection:close()
end

-- ---- Requests ----

local function key_path(bucket, key)
  return "/v1/kv/" .. uri.encode(bucket) .. "/" .. uri.encode(key)
end

--- The failure that an answer tells, as nil, err, CODE.
local function refusal(status, body)
  local told = json.decode(body or "")
  if type(told) ~= "table" or type(told.error) ~= "string" then
    told = { error = ("the server answered with status %d"):format(status) }
  end
  local code = type(told.code) == "string" and told.code or status == 404 and "NOT_FOUND" or "IO"
  return nil, { code = code, text = told.error, status = status, index = told.index,
    count = told.count, line = told.line, stall_ms = told.stall_ms, outcome = told.outcome }, code
end

methods.refusal = refusal

-- The request went out, whole or in part, and no answer came, unless a failed send carries the one
-- that the server gave before it closed.
local function pass(method, err, code)
  if err.status then
    return refusal(err.status, err.body)
  end
  err.outcome = not READS[method] and (err.is_unsent and "not_committed" or "unknown") or nil
  return nil, err, code
end

-- Sends on a live connection and receives the head of the answer. What is safe to repeat is sent
-- again when a kept connection turns out to be dead.
local function exchange(self, method, target, headers, body)
  local link = self._connection
  local is_there, is_old, code = link:ensure()
  if not is_there then
    return pass(method, is_old, code)
  end
  local response, err
  for _ = 1, 2 do
    response, err, code = link:send(method, target, headers, body)
    if response then
      response, err, code = link:receive()
    end
    if response or not (is_old and RETRIED[method] and code == "IO") or err.status then
      break
    end
    is_old = false
  end
  if not response then
    return pass(method, err, code)
  end
  return response
end

--- Makes a request and returns {status, headers, body}.
---@param method string
---@param path string
---@param given? {query: table, headers: table, body: string}
---@return table? response, table? err, string? code
function methods:request(method, path, given)
  given = given or {}
  local target = path .. uri.query(given.query)
  local response, err, code = exchange(self, method, target, given.headers, given.body)
  if not response then
    return nil, err, code
  end
  response.body, err, code = self._connection:read_all(response)
  if not response.body then
    return pass(method, err, code)
  end
  return response
end

-- True, or what pass() makes of a failure.
local function done(method, is_done, err, code)
  if is_done then
    return true
  end
  return pass(method, err, code)
end

-- A request whose good answer is JSON.
local function call(self, method, path, given)
  local response, err, code = self:request(method, path, given)
  if not response then
    return nil, err, code
  elseif response.status >= 300 then
    return refusal(response.status, response.body)
  elseif response.body == "" then
    return {}
  end
  local value, message = json.decode(response.body)
  if message then
    return nil, { code = "IO", text = "the answer of the server is no JSON: " .. message }, "IO"
  end
  return value
end

methods.call = call
-- One member of an answer; a failure passes through.
local function member(name, made, err, code)
  if made then
    return made[name]
  end
  return nil, err, code
end

-- ---- One key ----

local function seq_of(response)
  return tonumber(response.headers["x-kv-seq"])
end

--- Returns {key, value, seq, expires_at_ms, content_type}, nil when the key is absent.
function methods:get(bucket, key)
  local response, err, code = self:request("GET", key_path(bucket, key))
  if not response then
    return nil, err, code
  elseif response.status == 404 then
    err, code = select(2, refusal(404, response.body))
    if err.text:find("^no such key") then
      return nil
    end
    return nil, err, code
  elseif response.status ~= 200 then
    return refusal(response.status, response.body)
  end
  local content_type = response.headers["content-type"]
  return {
    key = key, value = response.body, seq = seq_of(response),
    expires_at_ms = tonumber(response.headers["x-kv-expires-at"]),
    content_type = content_type ~= NO_TYPE and content_type or nil,
  }
end

-- What a put sends: the target and the headers.
local function put_parts(bucket, key, given)
  given = given or {}
  local query = { ttl = given.ttl, durability = given.durability, deadline_ms = given.deadline_ms }
  local headers = given.content_type and { ["Content-Type"] = given.content_type } or nil
  return key_path(bucket, key) .. uri.query(query), headers
end

--- Stores a value; given: ttl (seconds), content_type, durability. Returns its sequence number.
function methods:put(bucket, key, value, given)
  local target, headers = put_parts(bucket, key, given)
  local response, err, code =
    self:request("PUT", target, { headers = headers, body = value })
  if not response then
    return nil, err, code
  elseif response.status >= 300 then
    return refusal(response.status, response.body)
  end
  return seq_of(response) or 0
end

--- Removes a key, present or not.
function methods:delete(bucket, key)
  local response, err, code = self:request("DELETE", key_path(bucket, key))
  if not response then
    return nil, err, code
  elseif response.status >= 300 then
    return refusal(response.status, response.body)
  end
  return true
end

--- Adds to a number; nil when the key is absent and init is not given.
function methods:incr(bucket, key, by, init)
  local made, err, code = call(self, "POST", key_path(bucket, key),
    { query = { op = "incr", by = by, init = init } })
  if made then
    return made.value
  elseif code == "NOT_FOUND" and err.text:find("^no such key") then
    return nil
  end
  return nil, err, code
end

-- ---- Scans ----

local function scan_query(range)
  return { prefix = range.prefix, from = range.from, to = range.to, after = range.after,
    limit = range.limit, reverse = range.reverse, keys_only = range.keys_only,
    count_only = range.count_only, meta = range.meta }
end

-- Asks for a stream of lines on a connection of its own: the answer, or nil, err, CODE.
local function open_stream(link, method, bucket, query)
  local is_sent, err, code = link:send(method, "/v1/kv/" .. uri.encode(bucket) .. uri.query(query))
  local response
  if is_sent then
    response, err, code = link:receive()
  end
  if not response then
    return pass(method, err, code)
  elseif response.status ~= 200 then
    local body = link:read_all(response)
    link:close()
    return refusal(response.status, body)
  end
  return response
end

--- Returns an iterator over the rows {key, value} of a range {prefix, from, to, limit, reverse,
--- keys_only}, as one snapshot has them. It has a connection of its own.
---@return function? next_row, table? err, string? code
function methods:scan(bucket, range)
  local link = self._connect()
  local response, err, code = open_stream(link, "GET", bucket, scan_query(range))
  if not response then
    return nil, err, code
  end
  return rows.iterator(link, response)
end

--- Returns how many rows a range has.
function methods:count(bucket, range)
  local query = scan_query(range)
  query.count_only, query.keys_only, query.reverse = true, nil, nil
  return member("count",
    call(self, "GET", "/v1/kv/" .. uri.encode(bucket), { query = query }))
end

--- Removes the rows of a range {prefix} or {from, to}, at most `limit`; dry_run only counts. Other
--- members: durability, deadline_ms, on_progress(count), called behind each batch. Returns how many
--- rows. Batches are atomic, the whole is not: err.count tells how many went before a failure.
---@return number? count, table? err, string? code
function methods:delete_range(bucket, range)
  local query = { prefix = range.prefix, from = range.from, to = range.to, limit = range.limit,
    dry_run = range.dry_run, confirm = not range.dry_run or nil, format = "ndjson",
    durability = range.durability, deadline_ms = range.deadline_ms }
  local link = self._connect()
  local response, err, code = open_stream(link, "DELETE", bucket, query)
  if not response then
    return nil, err, code
  end
  local count
  count, err, code = rows.counted(link, response, range.on_progress)
  link:close()
  return count, err, code
end

--- Stores rows of any number: read() gives pieces of NDJSON, cut anywhere, nil at the end. given:
--- durability, deadline_ms. Returns how many rows. Batches are atomic, the whole is not: err.count
--- tells how many, from the first, are stored, and err.line which line is at fault.
---@return number? count, table? err, string? code
function methods:load(bucket, read, given)
  given = given or {}
  local made, err, code = call(self, "POST", "/v1/kv/" .. uri.encode(bucket), { body = read,
    query = { durability = given.durability, deadline_ms = given.deadline_ms },
    headers = { ["Content-Type"] = "application/x-ndjson" } })
  return member("count", made, err, code)
end

-- ---- Pipelined writes ----

--- Sends a batch of NDJSON lines without waiting for its answer; see receive_write().
---@param body string
---@param given? {durability: string}
function methods:send_batch(body, given)
  local query = { durability = given and given.durability, deadline_ms = WRITE_DEADLINE_MS }
  local headers = { ["Content-Type"] = "application/x-ndjson" }
  return done("POST",
    self._connection:send("POST", "/v1/batch" .. uri.query(query), headers, body))
end

--- Sends a put without waiting for its answer.
function methods:send_put(bucket, key, value, given)
  local target, headers = put_parts(bucket, key, given)
  return done("PUT", self._connection:send("PUT", target, headers, value))
end

--- Receives the answer to the oldest write that was sent: true, or nil, err, CODE.
function methods:receive_write()
  local response, err, code = self._connection:receive()
  if not response then
    return pass("POST", err, code)
  end
  local body
  body, err, code = self._connection:read_all(response)
  if not body then
    return pass("POST", err, code)
  elseif response.status >= 300 then
    return refusal(response.status, body)
  end
  return true
end

admin.add_to(methods, call)

return client
