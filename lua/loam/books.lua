-- Counts the answers of a worker by route, method and status, and how long handlers take. Called by
-- loam.worker for every answer.
local metrics = require "loam.metrics"

local books = {}

local function answers_counter(route, method, status)
  return metrics.counter("loam_http_answers_total", "Answers by route, method and status.",
    { route = route, method = method, status = status })
end

local function duration_of(route)
  return metrics.histogram("loam_http_handler_seconds",
    "Time from the whole request to the end of its answer.", { route = route })
end

-- Counts answers by route, method and status; one table look-up per answer.
function books.new()
  local counters, durations = {}, {}
  return function(route, method, status, seconds)
    local key = route.name .. " " .. method .. " " .. status
    local counter = counters[key]
    if not counter then
      counter = answers_counter(route.name, method, status)
      counters[key] = counter
    end
    counter:inc()
    if seconds then
      local duration = durations[route.name]
      if not duration then
        duration = duration_of(route.name)
        durations[route.name] = duration
      end
      duration:observe(seconds)
    end
  end
end

-- Counter functions for the fast ways: plain slots, nothing looked up on the trace.
function books.get_count()
  local found = answers_counter("kv_get", "GET", 200)
  local unchanged = answers_counter("kv_get", "GET", 304)
  local absent = answers_counter("kv_get", "GET", 404)
  local part = answers_counter("kv_get", "GET", 206)
  return function(status)
    local counter = status == 200 and found or status == 404 and absent
      or status == 304 and unchanged or part
    counter:inc()
  end
end

-- The histograms of the fast ways, for what a poll answers together: kv_get, kv_put.
function books.durations()
  return duration_of("kv_get"), duration_of("kv_put")
end

-- Where core/host/put.c counts: the slots of 201 and 204, nil when there was none left.
function books.put_slots()
  return answers_counter("kv_put", "PUT", 201):slot(), answers_counter("kv_put", "PUT", 204):slot()
end

return books
