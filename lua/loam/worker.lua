-- One worker: the poll loop that takes events from core/http and lets handlers answer them.
--
-- core/host/workers.c calls this module with a `struct host_worker` in a fresh lua_State of a fresh
-- thread. It returns when it was told to stop and nothing is left to do; what it raises is the
-- worker's failure. C never calls in: every turn asks http_poll() for a batch and goes through it.
local address = require "loam.address"
local answer = require "loam.answer"
local app = require "loam.app"
local app_loader = require "loam.app_loader"
local books = require "loam.books"
local calls = require "loam.calls"
local chores = require "loam.chores"
local commits = require "loam.commits"
local dispatch = require "loam.dispatch"
local fast_ways = require "loam.fast_ways"
local ffi = require "ffi"
local guards = require "loam.guards"
local json = require "loam.json"
local kv = require "kv"
local log = require "loam.log"
local metrics = require "loam.metrics"
local C = require "loam.native"
local request = require "loam.request"
local scheduler = require "loam.scheduler"
local sink = require "loam.sink"
local stats = require "loam.stats"
local store = require "loam.store"
local timers = require "loam.timers"
local turns = require "loam.turns"
local upload = require "loam.upload"

local EVENT_CAPACITY = 1024 -- 32 pipelining connections fill it in one poll.
local COMMITS_FD = 1 -- The number of the queue's descriptor in FD events.
local FAST_PUT = { name = "kv_put", role = "write" }

-- ---- Requests ----

local function admission_answer(worker, req)
  local verdict = C.host_admit(req._p, worker.names, #worker.names)
  if verdict == 1 then
    return answer.error(req, 403, "the Host of this request is not one that this server is called; "
      .. "see the option hosts")
  elseif verdict == 2 then
    return answer.error(req, 403, "requests from pages of other origins are refused; see the "
      .. "option origins")
  end
end

local function handle(worker, p, generation)
  local started_ms = C.host_monotonic_ms()
  local req = request.from_http(p, generation)
  req.started_ms = started_ms
  guards.start(worker, req)
  worker.calls:add(req)
  scheduler.set_subject(req)
  local made, route = admission_answer(worker, req), dispatch.UNROUTED
  if not made then
    made, route = dispatch.answer(worker.registry, req, worker.ctx)
  end
  local status, bytes = sink.send(req, made)
  upload.forget(p.slot, generation)
  guards.settle(worker, req, route, status, bytes)
  if log.is_on("debug") then
    log.debug(req.method, req.path, { status = status, route = route.name })
  end
end

-- Sends an answer to a request that no route was asked for.
local function answer_with(worker, req, made, route, started_ms)
  req.started_ms = started_ms or C.host_monotonic_ms()
  guards.start(worker, req)
  guards.settle(worker, req, route, sink.send(req, made))
end

-- A commit of the fast PUT that failed.
local function refuse_put(worker, p, generation, failure, started_ms)
  local req = request.from_http(p, generation)
  answer_with(worker, req, answer.failure(req, failure), FAST_PUT, started_ms)
end

-- The head of a request whose body is still to come: refuse it now, or say how long it may be.
local function handle_head(worker, p, generation)
  local req = request.from_http(p, generation)
  local limit, name, is_stream = dispatch.body_limit(worker.registry, req, worker.ctx)
  if not limit or C.host_admit(p, worker.names, #worker.names) ~= 0 then
    return handle(worker, p, generation)
  elseif p.body_expected > limit then
    local text = ("request body: %.0f, and %s is %.0f"):format(p.body_expected, name, limit)
    local made = answer.error(req, 413, text, { limit = name, value = limit })
    return answer_with(worker, req, made, dispatch.UNROUTED)
  elseif is_stream then
    upload.begin(p, generation)
    return handle(worker, p, generation)
  end
  C.http_request_limit_name(p, generation, name)
  C.http_request_buffer(p, generation, limit)
end

-- ---- app.lua ----

local function use_registry(worker, registry)
  if worker.stop_timers then
    worker.stop_timers()
  end
  worker.registry = registry
  worker.is_fast = #registry.middleware == 0
  worker.fingerprint = app_loader.fingerprint(registry.files)
  if worker.index == 1 then
    worker.stop_timers = worker.timers:run_all(registry.timers)
  end
end

local function reload(worker)
  local path = worker.config.app
  if not path then
    return
  end
  local registry, message = app_loader.load(path, worker.registry, worker.config.handler_ms > 0)
  if registry then
    use_registry(worker, registry)
    log.info("loaded", path)
  else
    worker.fingerprint = app_loader.fingerprint(worker.registry.files)
    log.error("the old version stays:", message)
  end
end

local function watch_app(worker)
  if app_loader.fingerprint(worker.registry.files) ~= worker.fingerprint then
    reload(worker)
  end
end

local function load_first(worker)
  local path = worker.config.app
  if not path then
    return use_registry(worker, app_loader.empty())
  end
  local registry, message = app_loader.load(path, nil, worker.config.handler_ms > 0)
  if not registry then
    error(message, 0)
  end
  use_registry(worker, registry)
end

-- ---- The loop ----

local function on_wake(worker)
  worker.commits:take_tasks()
  worker.calls:answer()
  local shared = worker.shared
  log.follow(shared)
  if shared.reload_count ~= worker.reload_count then
    worker.reload_count = shared.reload_count
    guards.reload(worker)
    reload(worker)
  end
  if shared.stop_ms >= 0 and not worker.is_draining then
    worker.is_draining = true
    if worker.stop_timers then
      worker.stop_timers()
    end
    C.http_worker_drain(worker.http, shared.stop_ms)
  end
end

-- The client has gone. A handler that runs ends the handle; before the body was there none does,
-- but for those that read it in pieces.
local function on_closed(p, generation)
  if p.is_complete == 0 and not upload.on_closed(p.slot, generation) then
    C.http_request_release(p, generation)
  else
    sink.wake(p.slot, true)
  end
end

local function on_event(worker, event)
  local kind = event.type
  if kind == 1 then
    scheduler.spawn(handle, worker, event.request, event.generation)
  elseif kind == 2 then
    scheduler.spawn(handle_head, worker, event.request, event.generation)
  elseif kind == 3 then
    upload.on_piece(event)
  elseif kind == 4 then
    sink.wake(event.request.slot, false)
  elseif kind == 5 then
    on_closed(event.request, event.generation)
  elseif kind == 6 then
    worker.timers:fire(event.id)
  elseif kind == 7 then
    worker.commits:take()
  elseif kind == 8 then
    on_wake(worker)
  elseif kind == 9 then
    worker.is_drained = true
  end
end

-- PUTs are gathered, and what follows one in the same poll must not overtake it: what a connection
-- asks next may depend on it. What is to be written down goes the general way.
--
-- Of plain GETs the time of all is taken when the last is done: answers wait for it, but for the
-- first ones of idle connections.
local function take_events(worker, events, count)
  local got, started_ms = 0, C.host_monotonic_ms()
  worker.turn.since_ms = started_ms
  local try_get, is_fast, noted = worker.fast_get, worker.is_fast, worker.notes
  local try_put, flush = worker.fast_put.try, worker.fast_put.flush
  for at = 0, count - 1 do
    local event = events[at]
    local is_plain = event.type == 1 and is_fast and not (noted and noted:wants())
    if not (is_plain and try_put(event.request)) then
      flush()
      if is_plain and try_get(event.request) then
        got = got + 1
      else
        on_event(worker, event)
      end
    end
  end
  flush()
  if got > 0 then
    worker.get_duration:observe((C.host_monotonic_ms() - started_ms) / 1000, got)
  end
end

local function turn(worker, events)
  local timeout_ms = scheduler.has_ready() and 0 or -1
  worker.turn.since_ms = 0
  local count = C.http_poll(worker.http, timeout_ms, events, EVENT_CAPACITY)
  if count < 0 then
    error("the poll of the event loop failed", 0)
  end
  take_events(worker, events, count)
  if scheduler.has_ready() then
    scheduler.run_ready()
  end
  guards.flush(worker)
end

-- After the drain only commits and slow calls are waited for: their results belong to nobody any
-- more, but the queue must be empty before it can be closed.
local function is_finished(worker)
  return worker.is_drained and worker.commits.pending + worker.fast_put.pending() == 0
end

local function run(worker)
  local events = ffi.new("struct http_event[?]", EVENT_CAPACITY)
  while not is_finished(worker) do
    turn(worker, events)
  end
end

-- ---- Start ----

local function make_context(worker)
  local uuid
  return {
    store = worker.store,
    config = worker.config,
    host = worker.host,
    worker_count = worker.shared.worker_count,
    started_at_ms = worker.shared.started_at_ms,
    version = ffi.string(C.loam_version()),
    gate = worker.gate,
    calls = worker.calls,
    config_rows = function() return worker.config_rows end,
    is_bare = function() return worker.is_fast end, -- No middleware.
    is_stopping = function() return worker.shared.stop_ms >= 0 end,
    sleep = function(seconds) worker.timers:sleep(seconds) end,
    -- Whether the running step is one that handler_ms has ended.
    was_ended = function() return worker.turn.ended == worker.turn.step end,
    stalled = function()
      return turns.stalled(worker.host, worker.shared.worker_count, worker.config.worker_stall_ms)
    end,
    volume_id = function()
      if not uuid then
        local given = worker.config.volume_id
        uuid = given ~= "" and given or stats.read(worker.db).uuid
      end
      return uuid
    end,
  }
end

local function read_config(handle_of_worker)
  local size = ffi.new("size_t[1]")
  local text = C.host_worker_config(handle_of_worker, size)
  return assert(json.decode(ffi.string(text, size[0])))
end

local function open(handle_of_worker)
  local given = read_config(handle_of_worker)
  local host = C.host_worker_host(handle_of_worker)
  local worker = {
    handle = handle_of_worker,
    host = host,
    http = C.host_worker_http(handle_of_worker),
    db = C.host_worker_db(handle_of_worker),
    index = C.host_worker_index(handle_of_worker),
    shared = C.host_shared(host),
    turn = C.host_turn(host, C.host_worker_index(handle_of_worker)),
    config = given.values,
    config_rows = given.rows,
    names = address.names_text(given.hosts),
  }
  worker.reload_count = worker.shared.reload_count
  log.configure { level = worker.config.log_level, format = worker.config.log_format,
    worker = worker.index }
  metrics.use(host, worker.index)
  scheduler.watch(turns.writer(worker.turn))
  return worker
end

local function connect(worker)
  guards.open(worker)
  worker.timers = timers.new(worker.http)
  worker.commits = commits.open(worker.handle, worker.db)
  worker.store = store.new(worker.db, { waiter = worker.commits:store_waiter(),
    shared = worker.shared,
    host = worker.host })
  worker.calls = calls.new { host = worker.host, shared = worker.shared, index = worker.index,
    worker_count = worker.shared.worker_count,
    abandon = function(req, made)
      upload.forget(req._p.slot, req._generation)
      guards.settle(worker, req, req.route or dispatch.UNROUTED, sink.abandon(req, made))
    end }
  worker.ctx = make_context(worker)
  worker.count = books.new()
  fast_ways.connect(worker, function(...) refuse_put(worker, ...) end)
  if C.http_fd_add(worker.http, worker.commits:fd(), COMMITS_FD) ~= 0 then
    error("cannot watch the completion queue", 0)
  end
  kv.waiter = worker.commits:kv_waiter(worker.ctx.sleep)
  kv.use(kv.attach(worker.db, { durability = worker.config.durability }))
  app.set_sleep(worker.ctx.sleep)
end

local function serve(worker)
  load_first(worker)
  chores.start(worker, function() watch_app(worker) end)
  C.host_worker_ready(worker.handle)
  run(worker)
  if worker.index == 1 then
    chores.take_log(worker)
  end
end

-- Also after a failure, at whichever step: the store cannot be closed while the queue is open.
local function close(worker)
  if worker.commits then
    C.http_fd_remove(worker.http, worker.commits:fd())
    worker.commits:close()
  end
  guards.close(worker)
end

--- Called by core/host/workers.c.
return function(pointer)
  local worker = open(ffi.cast("struct host_worker *", pointer))
  local is_ok, problem = pcall(function()
    connect(worker)
    serve(worker)
  end)
  close(worker)
  if not is_ok then
    error(problem, 0)
  end
end
