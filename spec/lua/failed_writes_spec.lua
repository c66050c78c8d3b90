-- What clients are told when the disk fails under a served store: status, code, outcome, and the
-- first cause, the same everywhere (D01, D11, F5-F7).
local env = require "spec.support.env"
local fault = require "spec.support.fault"
local ffi = require "ffi"
local json = require "loam.json"
local lib = require "spec.support.lib"
local seed = require "spec.support.seed"
local served_store = require "spec.support.served"
local store = require "loam.store"

local ENOSPC = 28
local MIB = 2 ^ 20

describe("failed writes of a served store", function()
  local files, served

  before_each(function()
    files = fault.new(1)
    served = served_store.open({ memtable_bytes = 65536, memory_bytes = 4 * 2 ^ 20 }, files)
  end)
  after_each(function()
    files:clear()
    served:close()
    env.close_all()
  end)

  local function call(method, target, body)
    local made = served:request { method = method, target = target, body = body }
    return made, json.decode(made.body)
  end

  local function put(durability)
    return call("PUT", "/v1/kv/default/a?durability=" .. (durability or "sync"), "1")
  end

  -- While a flush or a merge runs, its output stands beside its input: a refusal in between is
  -- right, one for ever is not. Returns the status.
  local function once_there_is_room(method, target, body)
    local deadline, status = os.time() + 30, 507
    while status == 507 and os.time() < deadline do
      status = call(method, target, body).status
    end
    return status
  end

  it("are 507 with outcome not_committed while the disk is full", function()
    files:fail { kind = "write", name = ".wal", errno = ENOSPC, times = "forever" }

    local made, body = put()

    assert.same({ 507, "NO_SPACE", "not_committed" }, { made.status, body.code, body.outcome })
    assert.matches("^not committed: cannot write %d+.wal .*No space left on device", body.error)
    assert.equal(404, call("GET", "/v1/kv/default/a").status)
    made, body = call("GET", "/health")
    assert.same({ 200, "degraded" }, { made.status, body.status })
    assert.matches("cannot write %d+.wal", body.reasons[1])
    files:clear()
    assert.equal(201, put().status)
    assert.equal("ok", select(2, call("GET", "/health")).status)
  end)

  it("are 500 with outcome not_committed when a write fails otherwise", function()
    files:fail { kind = "write", name = ".wal" }

    local made, body = put("os")

    assert.same({ 500, "IO", "not_committed" }, { made.status, body.code, body.outcome })
  end)

  it("are 503 with outcome unknown after a failed sync, then refused for that cause", function()
    files:fail { kind = "sync", name = ".wal" }

    local made, body = put()

    assert.same({ 503, "UNKNOWN_OUTCOME", "unknown" }, { made.status, body.code, body.outcome })
    assert.truthy(made.headers["Retry-After"])
    local cause = body.error:match("^outcome unknown until the store is reopened: (.*)$")
    assert.matches("^cannot sync %d+.wal .*Input/output error$", cause)
    files:fail { kind = "any", times = "forever", errno = ENOSPC } -- Later ones change nothing.
    local said = "the store is read-only: " .. cause
    for _, request in ipairs {
      { "PUT", "/v1/kv/default/b", "2" }, { "DELETE", "/v1/kv/default/b" },
      { "POST", "/v1/batch", '[{"op":"put","k":"b","v":"2"}]' }, { "PUT", "/v1/buckets/new" },
      { "POST", "/v1/kv/default/n?op=incr&by=1&init=0" }, { "POST", "/blobs/b", "2" },
    } do
      made, body = call(unpack(request))
      assert.same({ 503, "READ_ONLY", "not_committed", said },
        { made.status, body.code, body.outcome, body.error }, request[2])
    end
    made, body = call("GET", "/health")
    assert.same({ 503, "read_only", cause }, { made.status, body.status, body.reasons[1] })
    assert.same({ cause }, select(2, call("GET", "/readyz")).reasons)
    local metrics = call("GET", "/metrics").body
    assert.truthy(metrics:find('loam_health_info{', 1, true), "there is the metric")
    assert.truthy(metrics:find(cause, 1, true), "it names the cause")
    assert.matches("\nloam_healthy{[^\n]*} 0\n", metrics)
  end)

  it("tell the same cause after a failed sync of the manifest", function()
    assert.equal(201, put().status)
    files:fail { kind = "sync", name = "MANIFEST" }

    local made, body = call("PUT", "/v1/buckets/new")

    assert.same({ 503, "UNKNOWN_OUTCOME", "unknown" }, { made.status, body.code, body.outcome })
    made, body = put()
    assert.same({ 503, "READ_ONLY", "not_committed" }, { made.status, body.code, body.outcome })
    assert.matches("^the store is read%-only: cannot sync MANIFEST", body.error)
  end)

  it("are 503 STALLED with the predicted wait in seconds and milliseconds", function()
    files:fail { kind = "create", name = ".sst", times = "forever" }
    local made, body
    for at = 1, 400 do
      made, body = call("PUT", "/v1/kv/default/k" .. at .. "?deadline_ms=20", ("v"):rep(1000))
      if made.status ~= 201 then
        break
      end
    end

    assert.same({ 503, "STALLED", "not_committed" }, { made.status, body.code, body.outcome })
    assert.is_true(tonumber(made.headers["Retry-After"]) >= 1)
    assert.is_true(body.stall_ms == nil or body.stall_ms > 0)
    files:clear()
  end)

  it("name option, limit and what is free in front of the reserve; deletes go on (R02)", function()
    served:close()
    files:space(16 * MIB)
    served = served_store.open({ memtable_bytes = 256 * 1024, memory_bytes = 4 * MIB,
      reserve_bytes = 6 * MIB, durability = "os" }, files)
    local made, body
    local value = seed.new():bytes(100000)
    for at = 1, 200 do
      made, body = call("PUT", "/v1/kv/default/k" .. at, value)
      if made.status ~= 201 then
        break
      end
    end

    assert.same({ 507, "NO_SPACE", "not_committed" }, { made.status, body.code, body.outcome })
    assert.matches("^%d+ bytes are free on the disk; writes stop below reserve_bytes 6291456",
      body.error)
    assert.equal(204, once_there_is_room("DELETE", "/v1/kv/default/k1"))
    files:space(nil)
    assert.equal(201, once_there_is_room("PUT", "/v1/kv/default/again", value))
  end)

  it("and reads are 503 while no descriptor is left (D12)", function()
    assert.equal(201, put().status)
    assert.equal(200, call("POST", "/v1/admin/flush").status)
    served:close() -- A new table is open and its blocks are resident.
    served = served_store.open({}, files)
    files:fail { kind = "open_read", name = ".sst", times = "forever", errno = 24 }

    local made, body = call("GET", "/v1/kv/default/a")

    assert.same({ 503, "IO" }, { made.status, body.code })
    assert.matches("Too many open files", body.error)
    assert.truthy(made.headers["Retry-After"])
    files:clear()
    assert.equal("1", call("GET", "/v1/kv/default/a").body)
  end)

  it("tell each PUT of a group the whole reason", function()
    local err = ffi.new("loam_error")
    ffi.copy(err.text, "no room")
    local failure = store.write_failure(lib.LOAM_NO_SPACE, err, 0)

    assert.same({ code = "NO_SPACE", text = "no room", outcome = "not_committed", stall_ms = 0 },
      failure)
    assert.equal("unknown", store.write_failure(lib.LOAM_UNKNOWN_OUTCOME, nil).outcome)
  end)
end)
