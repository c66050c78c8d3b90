-- A database in a directory, as commands see it. remote_store.lua has the same methods.
local failure = require "loam.cli.parts.failure"
local kv = require "kv"

local local_store = {}
local POLL_MS = 100

---@class loam.cli.store
local methods = {}
local metatable = { __name = "loam.cli.local_store", __index = methods }

local HINTS = {
  BUSY = "; if a server has it open, use --url",
  NOT_FOUND = "; loam put and loam load make one",
}

--- Opens the database of a directory.
---@param path string
---@param given {create: boolean, read_only: boolean, memory_bytes: number}
function local_store.open(path, given)
  local db, err, code = kv.open(path, { create = given.create or false,
    read_only = given.read_only or false, memory_bytes = given.memory_bytes })
  if not db then
    failure.runtime("cannot open the database '%s': %s%s", path, failure.line(err),
      HINTS[code] or "")
  end
  return setmetatable({ db = db, space = db, kind = "local", path = path }, metatable)
end

local function check(...)
  local first, err, code = ...
  if first == nil and code ~= nil then
    error(err, 0)
  end
  return ...
end

--- Makes a bucket the one that the other methods use.
function methods:use(name)
  self.space = name == "default" and self.db or check(self.db:bucket(name))
end

function methods:close()
  check(self.db:close())
end

local function row_of(entry)
  if entry then
    entry.expires_at_ms = entry.expires_at and math.floor(entry.expires_at * 1000 + 0.5) or nil
  end
  return entry
end

--- Returns a row {key, value, seq, expires_at_ms, content_type}, or nil.
function methods:get(key)
  return row_of((check(self.space:get_entry(key))))
end

local function put_options(row)
  if not (row.ttl or row.expires_at_ms or row.content_type or row.durability) then
    return nil
  end
  return { ttl = row.ttl, expire_at = row.expires_at_ms and row.expires_at_ms / 1000,
    content_type = row.content_type, durability = row.durability }
end

--- Writes a row {key, value, ttl, durability}; returns its sequence number.
function methods:put(row)
  return (check(self.space:put(row.key, row.value, put_options(row))))
end

function methods:delete(key)
  check(self.space:delete(key))
end

--- Removes the rows of a range {prefix} or {from, to}: how many, or nil, err with err.count.
function methods:delete_range(range)
  if range.prefix then
    return self.space:delete_prefix(range.prefix)
  end
  return self.space:delete_range(range.from, range.to)
end

--- Returns the new number, nil for an absent key without init.
function methods:incr(key, by, init)
  return (check(self.space:incr(key, by, init)))
end

--- Returns an iterator over the rows of a range.
function methods:scan(range)
  local scan = check(self.space:scan {
    prefix = range.prefix, from = range.from, to = range.to, limit = range.limit,
    reverse = range.reverse, keys_only = range.keys_only, entries = true,
  })
  return function()
    return row_of(scan())
  end
end

function methods:count(range)
  return (check(self.space:count {
    prefix = range.prefix, from = range.from, to = range.to, limit = range.limit,
  }))
end

--- Returns the statistics, with latencies by operation under `latencies`.
function methods:stats()
  local stats = self.db:stats()
  stats.latencies = self.db:histograms()
  return stats
end

--- Compacts everything and waits; on_progress gets the job now and then.
function methods:compact(on_progress)
  local job = check(self.db:compact())
  while true do
    local info, err, code = job:wait(POLL_MS)
    if info then
      return info
    elseif code ~= "TIMEOUT" then
      error(err, 0)
    end
    on_progress((check(job:info())))
  end
end

--- Checks everything: true and a report, or nil, err, CODE with err.report.
function methods:check(on_progress)
  return self.db:check { on_progress = on_progress }
end

--- Compares the hashes of all tables; returns one line, or nil, err, CODE.
function methods:scrub(rate, on_progress)
  local job, err, code = self.db:scrub { bytes_per_second = rate }
  local info
  if job then
    info, err, code = job:follow(on_progress)
  end
  return info and info.text, err, code
end

--- Returns the sequence number that the copy equals, or nil, err, CODE.
function methods:checkpoint(to, on_progress)
  return self.db:checkpoint(to, { on_progress = on_progress })
end

--- Returns {id, seq, bytes, new_bytes}, or nil, err, CODE. given: full, rate.
function methods:backup(to, given, on_progress)
  return self.db:backup(to, { incremental = not given.full, bytes_per_second = given.rate or 0,
    on_progress = on_progress })
end

function methods:buckets()
  return self.db:buckets()
end

function methods:create_bucket(name, given)
  check(self.db:bucket(name, { create = true, ttl = given.ttl, merge = given.merge }))
end

function methods:drop_bucket(name)
  check(self.db:drop_bucket(name))
end

-- ---- Loading ----

local loader_methods = {}
local loader_metatable = { __name = "loam.cli.local_loader", __index = loader_methods }

--- Returns an object with add(row) and finish(), which writes in batches. given: rows_max,
--- bytes_max, durability, on_acknowledged(count).
function methods:loader(given)
  return setmetatable({
    _batch = check(self.space:batch()), _given = given, _count = 0, _bytes = 0, acknowledged = 0,
  }, loader_metatable)
end

local function write(self)
  if self._count == 0 then
    return
  end
  local seq, err = self._batch:write { durability = self._given.durability }
  if not seq then
    self.is_broken = true
    local is_unknown = err.outcome == "unknown"
    failure.write(is_unknown, "%s; %d rows are acknowledged, %s", failure.line(err),
      self.acknowledged, is_unknown
        and ("the outcome of the %d behind them is unknown"):format(self._count)
        or ("the %d behind them are not written"):format(self._count))
  end
  self._batch:clear()
  self.acknowledged = self.acknowledged + self._count
  self._count, self._bytes = 0, 0
  self._given.on_acknowledged(self.acknowledged)
end

--- Adds a row, and writes when the batch is full.
function loader_methods:add(row)
  local size = #row.key + #row.value
  if self._count > 0 and self._bytes + size > self._given.bytes_max then
    write(self)
  end
  local is_added, err = self._batch:put(row.key, row.value, put_options(row))
  if not is_added then
    self.is_broken = true
    failure.runtime("%s", failure.line(err))
  end
  self._count, self._bytes = self._count + 1, self._bytes + size
  if self._count >= self._given.rows_max then
    write(self)
  end
end

--- Writes what is left.
function loader_methods:finish()
  write(self)
end

return local_store
