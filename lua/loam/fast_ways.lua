-- The ways around the general path: plain GETs and PUTs of a worker, how they are counted and
-- timed, and how they learn of buckets and content types. Called by loam.worker.
local books = require "loam.books"
local fast = require "loam.fast"
local fast_put = require "loam.fast_put"
local known_buckets = require "loam.known_buckets"
local slow = require "loam.slow"

local fast_ways = {}

--- Sets worker.fast_get, fast_put, get_duration. refuse_put(...): see `fail` of loam.fast_put.
function fast_ways.connect(worker, refuse_put)
  local buckets = known_buckets.new(worker.shared)
  local allows = worker.gate and worker.gate:fast_check()
  local slow_ms = worker.config.slow_log_ms
  local get_duration, put_duration = books.durations()
  worker.get_duration = get_duration
  local function make_get(count)
    return fast.new { db = worker.db, buckets = buckets, names = worker.names, allows = allows,
      count = count }
  end
  worker.fast_get = slow_ms > 0 and slow.watch_get(make_get, books.get_count(), slow_ms)
    or make_get(books.get_count())
  local created, replaced = books.put_slots()
  worker.fast_put = fast_put.new { queue = worker.commits:queue(), buckets = buckets,
    names = worker.names, config = worker.config, allows = allows, created = created,
    replaced = replaced, slow_ms = slow_ms,
    observe = function(count, seconds) put_duration:observe(seconds, count) end,
    fail = refuse_put }
  worker.commits.finish_put = worker.fast_put.finish
  worker.store.on_bucket = buckets.remember
  worker.store.on_type = worker.fast_put.remember_type
end

return fast_ways
