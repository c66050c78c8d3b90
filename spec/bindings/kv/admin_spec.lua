local declarations = require "kv.cdef"
local kv = require "kv"
local store = require "spec.support.store"

describe("kv.admin", function()
  local db
  before_each(function() db = store.open() end)
  after_each(function() db:close() end)

  it("tells all statistics as plain numbers and strings", function()
    db:put("k", "v")

    local stats = db:stats()

    for _, member in ipairs(declarations.stats) do
      local wanted = (member.is_text or member.name == "health") and "string" or "number"
      assert.equal(wanted, type(stats[member.name]), member.name)
    end
    assert.equal(1, stats.seq)
    assert.equal("ok", stats.health)
    assert.same({ status = "ok", text = "" }, db:health())
  end)

  it("flushes to a table, which the levels show", function()
    for index = 1, 100 do
      db:put(("%03d"):format(index), "v")
    end
    assert.same({}, db:levels())

    assert.is_true(db:flush())

    local runs = db:levels()
    assert.equal(1, #runs)
    assert.equal(100, runs[1].rows)
    assert.equal("001", runs[1].tables[1].smallest)
    assert.equal("100", runs[1].tables[1].largest)
    assert.equal(runs[1].tables[1].bytes, runs[1].bytes)
    assert.equal("v", db:get("050"))
  end)

  it("syncs", function()
    local seq = assert(db:put("k", "v"))

    assert.is_true(db:sync())

    assert.is_true(db:durable_seq() >= seq)
  end)

  it("compacts in a job that can be waited for", function()
    for round = 1, 3 do
      for index = 1, 100 do
        db:put(("%03d"):format(index), "round " .. round)
      end
      db:flush()
    end

    local job = assert(db:compact())
    local info = assert(job:wait(60000))

    assert.equal(job.id, info.id)
    assert.equal("done", info.state)
    assert.equal("done", job:info().state)
    assert.equal("round 3", db:get("050"))
    assert.equal(100, db:levels()[1].rows)
    assert.equal(job.id, db:jobs()[1].id)
    assert.equal(job.id, db:job(job.id):info().id)
    assert.equal("kv.job(" .. job.id .. ")", tostring(job))
  end)

  it("fails for a job that does not exist and for a range", function()
    local info, _, code = db:job(999999):info()
    local job, _, unsupported = db:compact({ from = "a" })

    assert.is_nil(info)
    assert.equal("NOT_FOUND", code)
    assert.is_nil(job)
    assert.equal("UNSUPPORTED", unsupported)
  end)

  it("tells latencies", function()
    for index = 1, 200 do
      db:put("k" .. index, "v")
      db:get("k" .. index)
    end

    local histograms = db:histograms()

    assert.equal("number", type(histograms.sync.p99_ns))
    assert.is_true(histograms.write.count > 0)
    assert.is_true(histograms.write.p50_ns <= histograms.write.max_ns)
  end)

  it("finds a sound store sound", function()
    db:put("k", "v")
    db:flush()

    local is_sound, report = db:check()

    assert.is_true(is_sound)
    assert.equal("string", type(report))
  end)

  it("hands log lines to the function of option log, or to take_log()", function()
    local lines = {}
    local logged = store.open({ log = function(level, text, at)
      lines[#lines + 1] = { level = level, text = text, at = at }
    end })
    logged:put("k", "v")
    logged:flush()
    logged:close()

    for _, line in ipairs(lines) do
      assert.is_true(line.level == "debug" or line.level == "info" or line.level == "warn"
        or line.level == "error")
      assert.is_true(#line.text > 0 and line.at > 1e9)
    end
    assert.equal("table", type(db:take_log()))
  end)

  it("makes files readable", function()
    db:put("k", "v")
    db:flush()

    local text = assert(kv.inspect(db.path .. "/CURRENT"))
    local missing, err, code = kv.inspect(db.path .. "/absent")

    assert.matches("%S", text)
    assert.is_nil(missing)
    assert.is_true(code == "IO" or code == "NOT_FOUND" or code == "INVALID", tostring(err))
  end)

  it("raises for misuse", function()
    assert.equal("info is a method: call it with a colon, job:info(...)",
      store.misuse(function() assert(db:compact()).info() end))
    assert.equal("wait: timeout_ms is a number of at least 0, got soon",
      store.misuse(function() db:job(1):wait("soon") end))
    assert.equal("job: the id is a number, got a string", store.misuse(function() db:job("1") end))
    assert.equal("inspect: the path is a string, got nothing",
      store.misuse(function() kv.inspect() end))
  end)
end)
