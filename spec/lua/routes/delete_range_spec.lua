-- DELETE of a range by fake requests on a real store: what goes and what stays, every refusal, and
-- failures in the middle.
local json = require "loam.json"
local scheduler = require "loam.scheduler"
local served_store = require "spec.support.served"

describe("loam.routes.delete_range", function()
  local served

  before_each(function() served = served_store.open() end)
  after_each(function() served:close() end)

  local function call(method, target, body, headers)
    return served:request { method = method, target = target, body = body, headers = headers }
  end

  local function erase(query, headers)
    return call("DELETE", "/v1/kv/default?" .. query, nil, headers)
  end

  local function decoded(made)
    return assert(json.decode(made.body))
  end

  local function fill(count, prefix)
    local lines = {}
    for at = 1, count do
      lines[at] = ('{"op":"put","k":"%s%05d","v":"v"}'):format(prefix or "k", at)
    end
    served.ctx.config.batch_ops_max = count
    assert.equal(200, call("POST", "/v1/batch", table.concat(lines, "\n")).status)
  end

  local function count_of(query)
    return decoded(call("GET", "/v1/kv/default?count_only=1&" .. (query or ""))).count
  end

  it("removes a prefix, and nothing beside it", function()
    fill(3000, "a:")
    fill(5, "b:")

    local made = erase("prefix=a:&confirm=1")

    assert.same({ 200, 3000 }, { made.status, decoded(made).count })
    assert.is_true(decoded(made).seq > 3000)
    assert.same({ 0, 5 }, { count_of("prefix=a:"), count_of() })
    assert.same({ count = 0 }, decoded(erase("prefix=a:&confirm=1")))
  end)

  it("removes from the first key up to the one in front of which the range ends", function()
    fill(10)

    local made = erase("from=k00003&to=k00006&confirm=1")

    assert.same({ 3, 7 }, { decoded(made).count, count_of() })
    assert.equal(404, call("GET", "/v1/kv/default/k00005").status)
    assert.equal(200, call("GET", "/v1/kv/default/k00006").status)
    assert.equal(0, decoded(erase("from=k9&to=k1&confirm=1")).count)
  end)

  it("counts only in a dry run, with or without confirm", function()
    fill(700)

    for _, query in ipairs { "prefix=k&dry_run=1", "prefix=k&dry_run=1&confirm=1" } do
      local made = erase(query)
      assert.same({ 200, { count = 700, dry_run = true } }, { made.status, decoded(made) })
      assert.matches("^%d+$", made.headers["X-KV-Seq"])
    end
    assert.equal(20, decoded(erase("prefix=k&dry_run=1&limit=20")).count)
    assert.equal(700, count_of())
  end)

  it("stops at its limit, in order, so that it can be repeated", function()
    fill(1500)

    local counts = {}
    repeat
      counts[#counts + 1] = decoded(erase("prefix=k&confirm=1&limit=700")).count
      if #counts == 1 then
        assert.equal(404, call("GET", "/v1/kv/default/k00700").status)
        assert.equal(200, call("GET", "/v1/kv/default/k00701").status)
      end
    until counts[#counts] < 700

    assert.same({ 700, 700, 100 }, counts)
  end)

  it("tells its progress as lines in format=ndjson", function()
    fill(2500)

    local made = erase("prefix=k&confirm=1&format=ndjson")
    local dry = erase("prefix=k&dry_run=1&format=ndjson")

    local lines = {}
    for line in made.body:gmatch("[^\n]+") do
      lines[#lines + 1] = assert(json.decode(line))
    end
    assert.equal("application/x-ndjson", made.headers["Content-Type"])
    assert.is_true(#lines >= 3)
    assert.is_true(lines[1].count > 0 and lines[1].count < 2500 and lines[1]["end"] == nil)
    assert.same({ true, 2500 }, { lines[#lines]["end"], lines[#lines].count })
    assert.matches('^{"count":0,"dry_run":true,"end":true}\n$', dry.body)
  end)

  it("takes bounds of any bytes", function()
    call("PUT", "/v1/kv/default/%00%FF", "1")
    call("PUT", "/v1/kv/default/%FF", "1")
    call("PUT", "/v1/kv/default/a", "1")

    assert.equal(1, decoded(erase("prefix=AP8&enc=b64u&confirm=1")).count)
    assert.equal(1, decoded(erase("from=&to=%FF&confirm=1")).count)
    assert.equal(1, decoded(erase("prefix=%FF&confirm=1")).count)
    assert.equal(0, count_of())
  end)

  it("refuses a missing bound, a missing confirmation and whatever it does not know", function()
    fill(10)
    for query, word in pairs {
      [""] = "prefix, or from and to", ["confirm=1"] = "prefix, or from and to",
      ["dry_run=1"] = "prefix, or from and to", ["from=k&confirm=1"] = "to is missing",
      ["to=k&confirm=1"] = "from is missing", ["prefix=&confirm=1"] = "prefix is empty",
      ["from=&to=&confirm=1"] = "to is empty",
      ["prefix=k&from=k&to=l&confirm=1"] = "not both", ["prefix=k&to=l&confirm=1"] = "not both",
      ["prefix=k"] = "confirm=1", ["prefix=k&confirm=0"] = "confirm=1",
      ["prefix=k&confirm=yes"] = "confirm is 1 or 0", ["prefix=k&confirm"] = "confirm",
      ["prefx=k&confirm=1"] = "unknown parameter 'prefx'",
      ["fromKey=a&endKey=z&confirm=1"] = "unknown parameter",
      ["prefix=k&confirm=1&reverse=1"] = "unknown parameter 'reverse'",
      ["prefix=k&confirm=1&limit=0"] = "limit is a whole number",
      ["prefix=k&confirm=1&limit=1.5"] = "limit is a whole number",
      ["prefix=k&confirm=1&format=xml"] = "format is one of",
      ["prefix=k&confirm=1&durability=no"] = "durability is one of",
      ["prefix=k&confirm=1&deadline_ms=0"] = "deadline_ms is a whole number",
      ["prefix=*&enc=b64u&confirm=1"] = "prefix is not base64url",
      ["prefix=k&prefix=j&confirm=1"] = "prefix", ["prefix=%zz&confirm=1"] = "escape",
    } do
      local made = erase(query)
      assert.equal(400, made.status, query)
      assert.matches(word, decoded(made).error, 1, true)
    end
    for _, name in ipairs { "If-Match", "If-None-Match" } do
      assert.equal(400, erase("prefix=k&confirm=1", { [name] = '"1"' }).status)
    end
    assert.equal(10, count_of())
  end)

  it("knows buckets that are there and are not the system's", function()
    assert.equal(404, call("DELETE", "/v1/kv/none?prefix=k&confirm=1").status)
    assert.equal(403, call("DELETE", "/v1/kv/_blobs?prefix=k&confirm=1").status)
    assert.equal(400, call("DELETE", "/v1/kv/a%2Fb?prefix=k&confirm=1").status)
  end)

  it("keeps what comes behind its snapshot, and lets others have turns between batches", function()
    fill(5000)
    local turns, made = 0, nil
    scheduler.spawn(function() made = erase("prefix=k&confirm=1") end)
    while scheduler.has_ready() do
      turns = turns + 1
      if turns == 1 then
        call("PUT", "/v1/kv/default/k99999", "new")
      end
      scheduler.run_ready()
    end

    assert.equal(5000, decoded(made).count)
    assert.is_true(turns >= 4, turns .. " turns")
    assert.equal("new", call("GET", "/v1/kv/default/k99999").body)
  end)

  it("can be ended between batches", function()
    fill(5000)
    local task, made
    scheduler.spawn(function()
      task = scheduler.current()
      made = erase("prefix=k&confirm=1")
    end)
    local answer = require "loam.answer"
    local ended = answer.error({ id = "1" }, 503, "ended", { code = "CANCELLED" })
    ended.is_answer = true

    scheduler.kill(task, ended, function() end)
    scheduler.run_ready()

    assert.equal(503, made.status)
    assert.is_true(count_of() > 0 and count_of() < 5000)
  end)

  it("tells how many are gone when it fails in the middle", function()
    local write = served.store.delete_rows
    local calls = 0
    local function fail_second(...)
      calls = calls + 1
      if calls == 2 then
        return { code = "NO_SPACE", text = "disk full", outcome = "not_committed" }
      end
      return write(...)
    end
    fill(2000)
    served.store.delete_rows = fail_second

    local made = erase("prefix=k&confirm=1")
    calls = 0
    local streamed = erase("prefix=k&confirm=1&format=ndjson")

    local told = decoded(made)
    assert.same({ 507, "NO_SPACE", "not_committed" }, { made.status, told.code, told.outcome })
    assert.equal(2000 - told.count - tonumber(streamed.body:match('"count":(%d+)')), count_of())
    assert.equal(200, streamed.status)
    local last = json.decode(streamed.body:match("([^\n]+)\n$"))
    assert.same({ "NO_SPACE", "not_committed" }, { last.code, last.outcome })
    assert.is_true(last.count > 0 and last.request_id ~= nil)
  end)

  it("bounds a batch by its bytes too", function()
    local key = ("k"):rep(60000)
    for at = 1, 100 do
      call("PUT", ("/v1/kv/default/%s%03d"):format(key, at), "")
    end

    local made = erase("prefix=k&confirm=1&format=ndjson")

    local _, lines = made.body:gsub("\n", "")
    assert.is_true(lines > 2)
    assert.equal(0, count_of())
  end)
end)
