-- Warnings of slow requests on the fast ways.
local C = require "loam.native"
local ffi = require "ffi"
local http_server = require "spec.support.http_server"
local log = require "loam.log"
local slow = require "loam.slow"

describe("loam.slow", function()
  local lines, server

  before_each(function()
    lines = {}
    log.configure { level = "warn", write = function(line) lines[#lines + 1] = line end }
    server = http_server.new()
  end)
  after_each(function()
    log.configure { write = function() end }
    server:close()
  end)

  local function take(duration_ms)
    local started_ms = C.host_monotonic_ms()
    repeat until C.host_monotonic_ms() - started_ms >= duration_ms
  end

  -- A request that waits for its answer, of a client that waits too.
  local function receive(text)
    local client = server:connect()
    client:send(text)
    server:until_requests(1)
    return server.requests[1]
  end

  -- A try() that takes 3 ms and answers with 200, or lets the general way answer; 2 ms are slow.
  local function try(request, is_taken)
    local counted = {}
    local watched = slow.watch_get(function(count)
      return function()
        take(3)
        if is_taken then
          request:respond(200, "")
          count(200)
        end
        return is_taken
      end
    end, function(status) counted[#counted + 1] = status end, 2)
    return watched(request.c), counted
  end

  it("tells of a GET that took long by id and target, which are gone by then", function()
    local request = receive("GET /v1/kv/default/a%01b?x HTTP/1.1\r\nHost: a\r\n\r\n")

    local is_taken, counted = try(request, true)

    assert.same({ true, { 200 }, 1 }, { is_taken, counted, #lines })
    assert.matches("slow request GET /v1/kv/default/a%01b?x ", lines[1], 1, true)
    assert.matches("request_id=%x+%-1", lines[1])
    assert.matches("route=kv_get", lines[1])
    assert.matches("status=200", lines[1])
  end)

  it("is silent about what is answered elsewhere", function()
    local is_taken, counted = try(receive("GET /a HTTP/1.1\r\nHost: a\r\n\r\n"), false)

    assert.same({ false, {}, 0 }, { is_taken, counted, #lines })
  end)

  it("tells of a group of PUTs in one line", function()
    local request = receive("PUT /v1/kv/default/a HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
    local group = ffi.new("struct host_put_group")
    group.requests[0], group.generations[0], group.count = request.c, request.generation, 12

    slow.warn_put(group, 70.4)

    assert.equal(1, #lines)
    assert.matches("slow request PUT /v1/kv/default/a ", lines[1], 1, true)
    assert.matches("duration_ms=70 group=12 request_id=%x+%-1 route=kv_put", lines[1])
  end)
end)
