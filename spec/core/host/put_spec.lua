-- The fast PUT in C, from a request of core/http to the engine and back, where memory runs out at
-- each step in turn (R01): every request is answered once, and what is answered 201 is there.
local C = require "loam.native"
local cdef = require "spec.support.cdef"
local ffi = require "ffi"
local http_server = require "spec.support.http_server"
local lib = require "spec.support.lib"
local served = require "spec.support.served"

cdef.load("base/memory.h")
cdef.load("host/host.h")

local NEVER = 2 ^ 63
local NO_MEMORY = C.LOAM_NO_MEMORY
local VALUE = ("v"):rep(3000)

describe("host.put", function()
  local err = ffi.new("loam_error")
  local s, server, queue, puts

  local function open_puts()
    puts = ffi.new("struct host_puts")
    puts.queue, puts.durability = queue, C.LOAM_SYNC
    puts.key_bytes_max, puts.value_bytes_max, puts.group_bytes_max = 1000, 100000, 8000
    return C.host_puts_open(puts, err)
  end

  before_each(function()
    s, server = served.open(), assert(http_server.new())
    local out = ffi.new("loam_completions *[1]")
    assert.equal(0, C.loam_completions_open(s.db, out, err))
    queue = out[0]
    assert.equal(0, open_puts())
  end)

  after_each(function()
    lib.memory_fail_at(NEVER, 0)
    C.host_puts_close(puts)
    assert.equal(0, C.loam_completions_close(queue, err))
    server:close()
    s:close()
  end)

  -- Requests that wait, of `count` clients that are connected for them.
  local function requests(count)
    local clients = {}
    server.requests = {}
    for at = 1, count do
      clients[at] = server:connect()
      clients[at]:send(("PUT /k HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%s"):format(#VALUE,
        VALUE))
      server:until_requests(at)
    end
    return server.requests, clients
  end

  -- Waits for what was submitted and lets it be answered; what failed is answered here.
  local function finish()
    local done = ffi.new("loam_completion[1]")
    while puts.pending > 0 do
      if C.loam_completions_take(queue, done, 1) == 1 then
        local index = tonumber(done[0].tag)
        local group = puts.groups[index]
        if C.host_puts_finish(puts, index, done[0]) ~= 0 then
          for at = 0, group.count - 1 do
            C.http_respond(group.requests[at], group.generations[at], 503, "", 0, "", 0)
          end
        end
        C.loam_buffer_free(done[0].outcome.previous)
        C.host_puts_recycle(puts, index)
      end
    end
  end

  -- Takes a request the way the worker does. Refuses it where memory fails.
  local function take(request, key)
    local stall_ms = ffi.new("uint32_t[1]")
    local function flush()
      local group, count = puts.open, puts.waiting
      if count > 0 and C.host_puts_flush(puts, stall_ms, err) ~= 0 then
        puts.waiting = 0
        for at = 0, count - 1 do
          C.http_respond(group.requests[at], group.generations[at], 503, "", 0, "", 0)
        end
      end
    end
    local verdict = C.host_puts_add(puts, request.c, 1, key, #key)
    if verdict == C.HOST_PUT_FLUSH then
      flush()
      verdict = C.host_puts_add(puts, request.c, 1, key, #key)
    end
    if verdict ~= C.HOST_PUT_TAKEN then
      request:respond(503)
    end
    return flush
  end

  it("is NO_MEMORY at its start, at each allocation", function()
    C.host_puts_close(puts)
    local failures = 0
    for after = 0, 3 do
      lib.memory_fail_at(after, 1)
      local code = open_puts()
      lib.memory_fail_at(NEVER, 0)
      assert.is_true(code == 0 or code == NO_MEMORY)
      failures = failures + (code == 0 and 0 or 1)
      C.host_puts_close(puts)
    end
    assert.equal(3, failures)
    assert.equal(0, open_puts())
  end)

  it("answers each request once, whichever allocation on its way fails", function()
    local refused, stored = 0, 0
    for after = 0, 20 do
      server:close()
      C.host_puts_close(puts)
      server = assert(http_server.new()) -- With no buffers in its pool, as the groups.
      assert.equal(0, open_puts())
      local list, clients = requests(3)
      lib.memory_fail_at(after, 1)
      local flush
      for at, request in ipairs(list) do
        flush = take(request, ("k%d-%d"):format(after, at))
      end
      flush()
      finish()
      lib.memory_fail_at(NEVER, 0)
      assert.equal(0, server:counters().in_flight)
      for at, client in ipairs(clients) do
        local is_there = s.store:get(1, ("k%d-%d"):format(after, at)) ~= nil
        server:until_true(function()
          client:receive()
          return client.is_closed or client.received:find("\r\n\r\n", 1, true)
        end)
        local status = client.received:match("^HTTP/1%.1 (%d+) ")
        if status == "201" then
          stored = stored + 1
          assert.is_true(is_there)
        else
          -- An answer that found no memory is cut off: nobody knows, and all may be.
          refused = refused + 1
          assert.is_true(status == "503" or status == nil, status)
          assert.is_true(status == nil or not is_there)
        end
        client:close()
      end
    end
    assert.is_true(refused >= 3 and stored >= 3)
  end)

  it("takes more groups than there is room for at first", function()
    local list, clients = requests(20)
    for at, request in ipairs(list) do
      take(request, "k" .. at)()
    end
    finish()

    for _, client in ipairs(clients) do
      client:expect("HTTP/1.1 201 Created")
    end
    assert.equal(VALUE, (s.store:get(1, "k20")))
  end)
end)
