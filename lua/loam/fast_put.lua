-- The built-in PUT of a plain key: from the requests of a poll to the commit queue and back without
-- Lua strings, tables or coroutines.
--
-- worker.lua offers PUT requests here; core/host/put.c says whether one is plain and gathers them
-- in groups, each one commit. worker.lua calls flush() when the poll's events are through, and
-- before anything else of a connection that may follow a gathered PUT. The tag of a commit is
-- TAG_BASE plus the number of its group, so loam.commits can give the completion back here. A
-- commit that fails is answered in Lua.
local ffi = require "ffi"
local gate = require "loam.gate"
local known_buckets = require "loam.known_buckets"
local C = require "loam.native"
local slow = require "loam.slow"
local store = require "loam.store"

local fast_put = {}
local PREFIX_SIZE = known_buckets.PREFIX_SIZE
local PUT = 4
local WRITE = gate.WRITE
local GROUP_BYTES_MAX = 128 * 1024
local TAKEN, FLUSH = C.HOST_PUT_TAKEN, C.HOST_PUT_FLUSH
local DURABILITIES = { sync = C.LOAM_SYNC, interval = C.LOAM_INTERVAL, os = C.LOAM_OS }

-- Tags of loam.commits count up from 1 and never get here.
fast_put.TAG_BASE = 2 ^ 52

local err = ffi.new("loam_error")
local stall_ms = ffi.new("uint32_t[1]")

local function make_puts(options)
  local config = options.config
  local puts = ffi.gc(ffi.new("struct host_puts"), C.host_puts_close)
  puts.queue = options.queue
  puts.tag_base = fast_put.TAG_BASE
  puts.durability = DURABILITIES[config.durability]
  puts.deadline_ms = config.write_deadline_ms
  puts.key_bytes_max = config.key_bytes_max
  puts.value_bytes_max = config.value_bytes_max
  puts.group_bytes_max = math.min(GROUP_BYTES_MAX, math.floor(config.batch_bytes_max / 2))
  puts.created, puts.replaced = options.created, options.replaced
  if C.host_puts_open(puts, err) ~= 0 then
    error(ffi.string(err.text), 0)
  end
  return puts
end

--- Returns {try(request) -> boolean, flush(), finish(completion, index), give_up(now_ms),
--- remember_type(name, id), pending()}. options: queue, buckets, names, config, created, replaced
--- (slots of counters), fail(request, generation, failure, started_ms), observe(count, seconds) for
--- those that were answered, slow_ms (0 = no warnings), allows(request, right) of loam.gate or nil.
function fast_put.new(options)
  local puts = make_puts(options)
  local find, fail = options.buckets.find, options.fail
  local names, names_size, allows = options.names, #options.names, options.allows
  local observe, slow_ms = options.observe, options.slow_ms
  local patience_ms = store.patience_ms(options.config.write_deadline_ms)
  local type_name -- Keeps the memory behind puts.type_name.
  local started = {} -- Index of a group -> when it was submitted.
  local given_up = {} -- Index of a group whose requests were told that the disk hangs -> true.

  -- Each of them is told the whole reason.
  local function fail_all(group, count, code, detail, stalled_ms)
    local failure = store.write_failure(code, detail, stalled_ms)
    for at = 0, count - 1 do
      fail(group.requests[at], group.generations[at], failure, started[group.index])
    end
  end

  local function flush()
    local count, pending = puts.waiting, puts.pending
    if count == 0 then
      return
    end
    local group, now_ms = puts.open, C.host_monotonic_ms()
    started[group.index] = now_ms
    local code = C.host_puts_flush(puts, stall_ms, err)
    if code ~= 0 then
      puts.waiting = 0
      fail_all(group, count, code, err, stall_ms[0])
      started[group.index] = nil
    elseif puts.pending == pending then
      started[group.index] = nil
      observe(count, (C.host_monotonic_ms() - now_ms) / 1000)
    end
  end

  local function try(request)
    if request.method ~= PUT then
      return false
    end
    local path, path_size = request.path, request.path_size
    local bucket = find(path, path_size)
    if not bucket or C.host_admit(request, names, names_size) ~= 0
      or allows and not allows(request, WRITE) then
      return false
    end
    local skip = PREFIX_SIZE + bucket.size
    local verdict = C.host_puts_add(puts, request, bucket.id, path + skip, path_size - skip)
    if verdict == FLUSH then
      flush()
      verdict = C.host_puts_add(puts, request, bucket.id, path + skip, path_size - skip)
    end
    return verdict == TAKEN
  end

  -- Tells the requests of groups that have been at the disk for too long.
  local function give_up(now_ms)
    for index, since_ms in pairs(started) do
      if now_ms - since_ms > patience_ms then
        local group = puts.groups[index]
        fail_all(group, group.count, store.hung(err), err)
        started[index], given_up[index] = nil, true
      end
    end
  end

  local function finish(completion, index)
    if given_up[index] then
      given_up[index] = nil
      C.loam_buffer_free(completion.outcome.previous)
      return C.host_puts_recycle(puts, index)
    end
    local group = puts.groups[index]
    local count, duration_ms = group.count, C.host_monotonic_ms() - started[index]
    if slow_ms > 0 and duration_ms >= slow_ms then
      slow.warn_put(group, duration_ms)
    end
    local code = C.host_puts_finish(puts, index, completion)
    C.loam_buffer_free(completion.outcome.previous)
    if code ~= 0 then
      fail_all(group, count, code, completion.error, completion.outcome.stall_ms)
    else
      observe(count, duration_ms / 1000)
    end
    started[index] = nil
    C.host_puts_recycle(puts, index)
  end

  local function remember_type(name, id)
    type_name = ffi.new("char[?]", #name + 1)
    ffi.copy(type_name, name)
    puts.type_name, puts.type_size, puts.content_type = type_name, #name, id
  end

  return { try = try, flush = flush, finish = finish, give_up = give_up,
    remember_type = remember_type, pending = function() return puts.pending, type_name end }
end

return fast_put
