-- A database behind a server, as commands see it. local_store.lua has the same methods.
local client = require "loam.client"
local failure = require "loam.cli.parts.failure"
local json = require "loam.json"
local socket = require "socket"
local system = require "loam.cli.parts.system"
local uri = require "loam.uri"

local remote_store = {}
local POLL_SECONDS = 0.1
local IN_FLIGHT_MAX = 4
local SINGLE_BYTES = 1024 * 1024 -- A larger value goes alone, as it is, and not as JSON.

---@class loam.cli.remote_store : loam.cli.store
local methods = {}
local metatable = { __name = "loam.cli.remote_store", __index = methods }

--- Makes a store of a server's URL.
---@param url string
---@param options? table  of loam.client
function remote_store.open(url, options)
  local made, err = client.new(url, options)
  if not made then
    failure.usage("--url: %s", err.text)
  end
  return setmetatable({ client = made, bucket = "default", kind = "remote", path = url }, metatable)
end

local function check(...)
  local first, err, code = ...
  if first == nil and code ~= nil then
    error(err, 0)
  end
  return ...
end

function methods:use(name)
  self.bucket = name
end

function methods:close()
  self.client:close()
end

function methods:get(key)
  return (check(self.client:get(self.bucket, key)))
end

function methods:put(row)
  return (check(self.client:put(self.bucket, row.key, row.value, row)))
end

function methods:delete(key)
  check(self.client:delete(self.bucket, key))
end

function methods:delete_range(range)
  return self.client:delete_range(self.bucket, range)
end

function methods:incr(key, by, init)
  return (check(self.client:incr(self.bucket, key, by, init)))
end

function methods:scan(range)
  return (check(self.client:scan(self.bucket, {
    prefix = range.prefix, from = range.from, to = range.to, limit = range.limit,
    reverse = range.reverse, keys_only = range.keys_only, meta = true,
  })))
end

function methods:count(range)
  return (check(self.client:count(self.bucket, range)))
end

function methods:stats()
  return (check(self.client:stats()))
end

-- Follows a job that was started to its end; on_progress may return false to cancel it. Returns its
-- last state, or nil, err, CODE.
local function follow(self, on_progress, job, err, code)
  if not job then
    return nil, err, code
  end
  while job.state == "running" do
    if on_progress(job) == false then
      self.client:cancel(job.id)
    end
    socket.sleep(POLL_SECONDS)
    job, err, code = self.client:job(job.id)
    if not job then
      return nil, err, code
    end
  end
  if job.state == "done" then
    return job
  end
  code = job.state == "cancelled" and "CANCELLED" or job.code or "IO"
  return nil, { code = code, text = job.text or "no reason given" }, code
end

-- The report of a check that went well, in the form of a local one.
local function report_of(job)
  return ("ok       %s: %s\n"):format(job.kind, job.text)
end

function methods:compact(on_progress)
  return (check(follow(self, on_progress, self.client:compact())))
end

--- True and a report of one line, or nil, err, CODE.
function methods:check(on_progress)
  local job, err, code = follow(self, on_progress,
    self.client:start("/v1/admin/verify", { deep = true }))
  return job and true, job and report_of(job) or err, code
end

function methods:scrub(rate, on_progress)
  local job, err, code = follow(self, on_progress,
    self.client:start("/v1/admin/scrub", { rate = rate }))
  return job and job.text, err, code
end

function methods:checkpoint(to, on_progress)
  local job, err, code = follow(self, on_progress,
    self.client:start("/v1/admin/checkpoint", { name = to }))
  return job and tonumber(job.text:match("%d+")), err, code
end

function methods:backup(to, given, on_progress)
  local job, err, code = follow(self, on_progress,
    self.client:start("/v1/admin/backup", { name = to, full = given.full, rate = given.rate }))
  if not job then
    return nil, err, code
  end
  local numbers = {}
  for number in job.text:gmatch("%d+") do -- "backup 2, sequence 9, 100 bytes, 5 of them new"
    numbers[#numbers + 1] = tonumber(number)
  end
  return { id = numbers[1], seq = numbers[2], bytes = numbers[3], new_bytes = numbers[4] }
end

-- ---- Backups of the server: see backup_place.lua ----

local places = {}
local place_metatable = { __name = "loam.cli.remote_place", __index = places }

function methods:backup_place()
  return setmetatable({ _store = self }, place_metatable)
end

function places:list(name)
  local list, err, code = self._store.client:backups(name)
  for _, info in ipairs(list or {}) do
    info.created_at = info.created_at_ms / 1000
    info.created_at_ms = nil
  end
  return list, err, code
end

function places:verify(name, id, on_progress)
  local job, err, code = follow(self._store, on_progress, self._store.client:start(
    "/v1/admin/backups/" .. uri.encode(name) .. "/verify", { id = id }))
  return job and true, job and report_of(job) or err, code
end

function places:delete(name, id, on_progress)
  return follow(self._store, on_progress, self._store.client:start(
    "/v1/admin/backups/" .. uri.encode(name), { id = id }, "DELETE"))
end

function places:restore(from, to, id, on_progress)
  return follow(self._store, on_progress, self._store.client:start("/v1/admin/restore",
    { from = from, to = to, id = id }))
end

function methods:buckets()
  return (check(self.client:buckets()))
end

function methods:create_bucket(name, given)
  check(self.client:create_bucket(name, given))
end

function methods:drop_bucket(name)
  check(self.client:drop_bucket(name))
end

-- ---- Loading ----

--[[
Rows go out as batches of NDJSON, up to IN_FLIGHT_MAX of them unanswered, so that the server commits
one while this side writes the next. Answers come in order, so `acknowledged` always counts a run of
rows from the first one. At the first failure nothing more is sent.
]]
local loader_methods = {}
local loader_metatable = { __name = "loam.cli.remote_loader", __index = loader_methods }

function methods:loader(given)
  return setmetatable({
    _client = self.client, _bucket = self.bucket, _given = given, _lines = {}, _bytes = 0,
    _origins = {}, _in_flight = {}, _first = 1, _last = 0, acknowledged = 0,
    _head = "{\"op\":\"put\",\"b\":" .. json.encode(self.bucket) .. ",",
  }, loader_metatable)
end

local function in_flight_count(self)
  local count = 0
  for at = self._first, self._last do
    count = count + self._in_flight[at].count
  end
  return count
end

local function counted(text, count)
  return count > 0 and text:format(count) or ""
end

-- The connection is gone: says what is known of the rows.
local function lost(self, err)
  self.is_broken = true
  if err.is_unsent then
    self._last = self._last - 1
  end
  local unknown = in_flight_count(self)
  failure.write(unknown > 0, "%s; %d rows are acknowledged%s", failure.line(err),
    self.acknowledged, counted(", the outcome of the %d rows in flight is unknown", unknown))
end

-- Receives the answers to what is still in flight. Returns how many rows of it are written, and of
-- how many nobody knows.
local function drain(self)
  local written, unknown, is_there = 0, 0, true
  for at = self._first, self._last do
    local count = self._in_flight[at].count
    local is_written, problem
    if is_there then
      is_written, problem = self._client:receive_write()
      is_there = is_written or problem.status ~= nil
    end
    written = written + (is_written and count or 0)
    unknown = unknown + (is_there and 0 or count)
  end
  return written, unknown
end

-- The server refused a write: nothing of it was applied, unless it says that it does not know.
local function refused(self, write, err)
  self.is_broken = true
  local written, unknown = drain(self)
  if err.code == "UNKNOWN_OUTCOME" then
    unknown = unknown + write.count
  end
  local line = err.index and write.origins[err.index + 1] or write.origins[1]
  failure.write(unknown > 0, "%s%s; %d rows are acknowledged%s%s", counted("line %d: ", line or 0),
    failure.line(err), self.acknowledged, counted(", %d later ones are written too", written),
    counted(", the outcome of %d later ones is unknown", unknown))
end

local function receive(self)
  local is_written, err = self._client:receive_write()
  local write = self._in_flight[self._first]
  if not is_written and not err.status then
    lost(self, err)
  end
  self._in_flight[self._first] = nil
  self._first = self._first + 1
  if not is_written then
    refused(self, write, err)
  end
  self.acknowledged = self.acknowledged + write.count
  self._given.on_acknowledged(self.acknowledged)
end

-- A failed send: answers that were already on their way still count.
local function check_sent(self, is_sent, err)
  if not is_sent then
    lost(self, err)
  end
end

local function push(self, count, origins)
  self._last = self._last + 1
  self._in_flight[self._last] = { count = count, origins = origins }
end

local function make_room(self)
  while self._last - self._first + 1 >= IN_FLIGHT_MAX do
    receive(self)
  end
end

local function send_batch(self)
  local count = #self._lines
  if count == 0 then
    return
  end
  make_room(self)
  push(self, count, self._origins)
  local body = table.concat(self._lines)
  self._lines, self._origins, self._bytes = {}, {}, 0
  check_sent(self, self._client:send_batch(body, self._given))
end

local function send_single(self, row, ttl)
  send_batch(self)
  make_room(self)
  push(self, 1, { row.line })
  check_sent(self, self._client:send_put(self._bucket, row.key, row.value,
    { ttl = ttl, content_type = row.content_type, durability = self._given.durability }))
end

local function member(name, bytes)
  if json.is_utf8(bytes) then
    return "\"" .. name .. "\":" .. json.encode(bytes)
  end
  return "\"" .. name .. "64\":\"" .. json.base64url(bytes) .. "\""
end

function loader_methods:add(row)
  local ttl = row.ttl
  if row.expires_at_ms then
    ttl = math.max(0.001, (row.expires_at_ms - system.wall_ms()) / 1000)
  end
  if row.content_type or #row.value > SINGLE_BYTES then
    return send_single(self, row, ttl)
  end
  local text = self._head .. member("k", row.key) .. "," .. member("v", row.value)
    .. (ttl and (",\"ttl\":%.3f}\n"):format(ttl) or "}\n")
  if self._bytes + #text > self._given.bytes_max then
    send_batch(self)
  end
  local count = #self._lines + 1
  self._lines[count], self._origins[count] = text, row.line or false
  self._bytes = self._bytes + #text
  if count >= self._given.rows_max then
    send_batch(self)
  end
end

--- Sends what is left and waits for every answer.
function loader_methods:finish()
  send_batch(self)
  while self._first <= self._last do
    receive(self)
  end
end

return remote_store
