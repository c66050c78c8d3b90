-- Counters, gauges, histograms and the Prometheus text, over plain tables and over a real host.
local ffi = require "ffi"
local metrics = require "loam.metrics"
local C = require "loam.native"

local function text()
  return table.concat(metrics.lines(), "\n")
end

describe("loam.metrics", function()
  before_each(function() metrics.use() end)
  after_each(function() metrics.use() end)

  it("counts per series and gives the same series for the same labels", function()
    metrics.counter("orders_total", "Orders.", { kind = "web", area = "a" }):inc()
    metrics.counter("orders_total", "Orders.", { area = "a", kind = "web" }):inc(2)

    assert.equal('# HELP orders_total Orders.\n# TYPE orders_total counter\n'
      .. 'orders_total{area="a",kind="web"} 3', text())
  end)

  it("escapes label values and help", function()
    metrics.gauge("g", "a\\b\nc", { x = 'q"\\\n' }):set(1.5)

    assert.equal('# HELP g a\\\\b\\nc\n# TYPE g gauge\ng{x="q\\"\\\\\\n"} 1.5', text())
  end)

  it("makes cumulative buckets with sum and count", function()
    local h = metrics.histogram("t_seconds", "T.", nil, { 1, 2 })
    h:observe(0.5)
    h:observe(2)
    h:observe(9)

    assert.equal('# HELP t_seconds T.\n# TYPE t_seconds histogram\nt_seconds_bucket{le="1"} 1\n'
      .. 't_seconds_bucket{le="2"} 2\nt_seconds_bucket{le="+Inf"} 3\nt_seconds_sum 11.5\n'
      .. 't_seconds_count 3', text())
  end)

  it("groups the series of one name", function()
    metrics.counter("b_total", "B.", { n = 1 }):inc()
    metrics.counter("a_total", "A."):inc()
    metrics.counter("b_total", "B.", { n = 2 }):inc()

    local _, count = text():gsub("# TYPE b_total", "")
    assert.equal(1, count)
  end)

  it("refuses bad names, shrinking counters and a second kind", function()
    assert.error_matches(function() metrics.counter("a b") end, "metric 'a b'")
    assert.error_matches(function() metrics.counter("a", "", { ["x-y"] = 1 }) end, "label 'x%-y'")
    assert.error_matches(function() metrics.counter("a"):inc(-1) end, "only grows")
    assert.error_matches(function() metrics.gauge("a") end, "is a counter already")
  end)

  it("adds up the rows of all workers of a host", function()
    local out = ffi.new("struct host *[1]")
    assert.equal(0, C.host_open(2, out, nil))
    finally(function()
      metrics.use()
      C.host_close(out[0])
    end)

    metrics.use(out[0], 1)
    metrics.counter("n_total", "N."):inc(5)
    metrics.use(out[0], 2)
    metrics.counter("n_total", "N."):inc(2)

    assert.matches("n_total 7", text())
  end)

  it("goes on without counting when all slots are taken", function()
    local out = ffi.new("struct host *[1]")
    assert.equal(0, C.host_open(1, out, nil))
    finally(function()
      metrics.use()
      C.host_close(out[0])
    end)
    metrics.use(out[0], 1)

    for at = 1, 5000 do
      metrics.counter("n_total", "N.", { at = at }):inc()
    end

    assert.equal(4096, C.host_metric_count(out[0]))
  end)
end)
