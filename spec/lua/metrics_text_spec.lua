-- /metrics by the rules that Prometheus and its linter hold a page to: every family with its help
-- and type in front of its samples, once; names that say the kind and the unit; histograms whole.
local metrics = require "loam.metrics"
local served = require "spec.support.served"

local OF_KIND = { -- What a sample's name may have behind the family's.
  counter = { [""] = true }, gauge = { [""] = true },
  summary = { [""] = true, _sum = true, _count = true },
  histogram = { _bucket = true, _sum = true, _count = true },
}
-- What no name of another kind may end with, and units that are not the base ones.
local RESERVED = { counter = { "_count", "_sum", "_bucket" },
  gauge = { "_count", "_sum", "_bucket", "_total" }, summary = { "_total" },
  histogram = { "_total" } }
local UNITS = { "ms", "us", "ns", "milliseconds", "microseconds", "kb", "mb", "minutes", "hours" }

local function labels_of(text)
  local labels, rest = {}, text
  while rest ~= "" do
    local name, more = rest:match('^([%a_][%w_]*)="",?(.*)$')
    local value = ""
    if not name then
      name, value, more = rest:match('^([%a_][%w_]*)="(.-[^\\])",?(.*)$')
    end
    assert(name, "labels: " .. text)
    labels[name], rest = value, more
  end
  return labels
end

-- The families of a page: {name, kind, help, samples = {{suffix, labels, value, line}}}.
local function parse(page)
  local list, family, seen, lines = {}, nil, {}, {}
  assert.equal("\n", page:sub(-1))
  for line in page:gmatch("([^\n]*)\n") do
    local help_of, help = line:match("^# HELP ([%a_:][%w_:]*) (.*)$")
    local type_of, kind = line:match("^# TYPE ([%a_:][%w_:]*) (%a+)$")
    if help_of then
      assert(not seen[help_of], "a second family " .. help_of)
      seen[help_of] = true
      family = { name = help_of, help = help, samples = {} }
      list[#list + 1] = family
    elseif type_of then
      assert.equal(family.name, type_of)
      assert(OF_KIND[kind], line)
      family.kind = kind
    else
      local name, labels, value = line:match("^([%a_:][%w_:]*){(.*)} (%S+)$")
      if not name then
        name, value = line:match("^([%a_:][%w_:]*) (%S+)$")
      end
      assert(name and tonumber(value), "no sample: " .. line)
      local key = line:match("^(.*) %S+$")
      assert(not lines[key], "twice: " .. key)
      lines[key] = true
      assert.equal(family.name, name:sub(1, #family.name), line)
      family.samples[#family.samples + 1] = { suffix = name:sub(#family.name + 1), line = line,
        labels = labels_of(labels or ""), value = tonumber(value) }
    end
  end
  return list
end

local function check_name(family)
  local name, kind = family.name, family.kind
  assert.equal(kind == "counter", name:find("_total$") ~= nil, name)
  for _, ending in ipairs(RESERVED[kind]) do
    assert.is_nil(name:find(ending .. "$"), name)
  end
  for _, unit in ipairs(UNITS) do
    assert.is_nil((name:gsub("_total$", "") .. "_"):find("_" .. unit .. "_", 1, true), name)
  end
end

local function check_samples(family)
  for _, sample in ipairs(family.samples) do
    assert(OF_KIND[family.kind][sample.suffix], sample.line)
    assert(sample.labels.quantile == nil or family.kind == "summary", sample.line)
    assert(sample.labels.le == nil or sample.suffix == "_bucket", sample.line)
  end
end

-- Buckets rise in bound and count and end with +Inf, which is the count.
local function check_histogram(family)
  local bound, count, last = -math.huge, 0, nil
  for _, sample in ipairs(family.samples) do
    if sample.suffix == "_bucket" then
      local le = sample.labels.le == "+Inf" and math.huge or tonumber(sample.labels.le)
      assert.is_true(le > bound and sample.value >= count, sample.line)
      bound, count, last = le, sample.value, sample
    elseif sample.suffix == "_count" then
      assert.equal("+Inf", last.labels.le)
      assert.equal(last.value, sample.value, sample.line)
      bound, count = -math.huge, 0
    end
  end
end

local function check(page)
  local families = parse(page)
  for _, family in ipairs(families) do
    assert.is_true(#family.help > 0 and #family.samples > 0, family.name)
    check_name(family)
    check_samples(family)
    if family.kind == "histogram" then
      check_histogram(family)
    end
  end
  return families
end

describe("/metrics", function()
  after_each(function() metrics.use() end)

  it("is a page by the rules of Prometheus", function()
    local s = served.open()
    metrics.histogram("app_seconds", "T.", { way = 'a"b' }, { 0.5, 1 }):observe(0.7)
    s:request { method = "PUT", target = "/v1/kv/default/a", body = "1" }
    s:request { target = "/v1/kv/default/a" }

    local families = check(s:request { target = "/metrics" }.body)

    assert.is_true(#families > 60)
    s:close()
  end)

  it("tells latencies of the engine as a summary, with sum and count", function()
    local s = served.open()
    s:request { method = "PUT", target = "/v1/kv/default/a", body = "1" }

    local page = s:request { target = "/metrics" }.body

    assert.matches("\n# TYPE loam_latency_seconds summary\n", page, 1, true)
    assert.matches('\nloam_latency_seconds{operation="write",quantile="0.99"} [%d.e-]+\n', page)
    assert.matches('\nloam_latency_seconds_count{operation="write"} 1\n', page, 1, true)
    s:close()
  end)

  it("has a series once whose help or bounds were changed by another app.lua", function()
    metrics.counter("jobs_total", "Jobs."):inc(3)
    metrics.histogram("job_seconds", "T.", nil, { 1 }):observe(2)
    metrics.counter("jobs_total", "Jobs that ended."):inc(1)
    metrics.histogram("job_seconds", "T.", nil, { 1, 5 }):observe(2)

    local page = table.concat(metrics.lines(), "\n") .. "\n"

    check(page)
    assert.matches("jobs_total 1\n", page, 1, true)
    assert.matches('job_seconds_bucket{le="5"} 1\n', page, 1, true)
  end)
end)
