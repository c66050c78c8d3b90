-- Counters, gauges and histograms, and their Prometheus text.
--
--     local orders = metrics.counter("orders_total", "Orders taken.", { kind = "web" })
--     orders:inc()
--
-- A series is a name with fixed labels; asking for it again gives the same object. In the host
-- every worker adds to a row of its own in shared memory (core/host/metrics.c) and a scrape adds up
-- the rows, so any worker answers for all. Outside the host a plain table takes the place of the
-- row. A gauge is the sum over workers too: set it in one worker (app.every runs in one), or use
-- add().
local ffi = require "ffi"

local metrics = {}
local BOUNDS = { 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01,
  0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10 }
local SEPARATOR = "\31" -- Between the parts of a key; refused in all of them.

local backend, series, kinds

--- Slots in a plain table: one thread, no host.
local function local_backend()
  local row, list, by_key, used = {}, {}, {}, 0
  return {
    row = row,
    slot = function(key, width)
      if not by_key[key] then
        by_key[key] = used
        list[#list + 1] = { key = key, slot = used, width = width }
        for slot = used, used + width - 1 do
          row[slot] = 0
        end
        used = used + width
      end
      return by_key[key]
    end,
    each = function() return ipairs(list) end,
    sum = function(slot) return row[slot] end,
  }
end

--- Slots in the shared memory of a `struct host`; row `index` is this thread's.
local function host_backend(host, index)
  local C = require "loam.native"
  local size, slot, width = ffi.new("size_t[1]"), ffi.new("int[1]"), ffi.new("int[1]")
  return {
    row = C.host_metric_row(host, index),
    slot = function(key, slot_count)
      local found = C.host_metric_slot(host, key, #key, slot_count)
      return found >= 0 and found or nil
    end,
    each = function()
      local count = C.host_metric_count(host)
      return function(_, at)
        if at < count then
          local key = C.host_metric_get(host, at, size, slot, width)
          return at + 1, { key = ffi.string(key, size[0]), slot = slot[0], width = width[0] }
        end
      end, nil, 0
    end,
    sum = function(at) return C.host_metric_sum(host, at) end,
  }
end

--- Counts in this host from now on; without one, in a fresh table.
---@param host? ffi.cdata*
---@param index? number  row of this thread
function metrics.use(host, index)
  backend = host and host_backend(host, index) or local_backend()
  series, kinds = {}, {}
end

metrics.use()

local function check_name(name, pattern, what)
  if type(name) ~= "string" or not name:find(pattern) then
    error(("%s '%s': letters, digits and _, a letter first"):format(what, tostring(name)), 4)
  end
end

local function escape_label(text)
  return (text:gsub("[\\\n\"]", { ["\\"] = "\\\\", ["\n"] = "\\n", ['"'] = '\\"' }))
end

local function label_text(labels)
  local names, parts = {}, {}
  for name in pairs(labels or {}) do
    check_name(name, "^[%a_][%w_]*$", "label")
    names[#names + 1] = name
  end
  table.sort(names)
  for _, name in ipairs(names) do
    parts[#parts + 1] = ('%s="%s"'):format(name, escape_label(tostring(labels[name])))
  end
  return table.concat(parts, ",")
end

-- What a series counts into when all slots are taken, so that a handler never fails for its
-- metrics.
local function lost_row()
  return setmetatable({}, { __index = function() return 0 end, __newindex = function() end })
end

local function make(kind, methods, name, help, labels, bounds)
  check_name(name, "^[%a_:][%w_:]*$", "metric")
  if kinds[name] and kinds[name] ~= kind then
    error(("metric '%s' is a %s already"):format(name, kinds[name]), 3)
  end
  local parts = { kind, name, help or "", label_text(labels), table.concat(bounds or {}, " ") }
  for at, part in ipairs(parts) do
    parts[at] = part:gsub(SEPARATOR, " ")
  end
  local key = table.concat(parts, SEPARATOR)
  if not series[key] then
    local slot = backend.slot(key, bounds and #bounds + 2 or 1)
    kinds[name] = kind
    series[key] = setmetatable(
      { _row = slot and backend.row or lost_row(), _slot = slot or 0, _bounds = bounds },
      { __name = "metrics." .. kind, __index = methods })
  end
  return series[key]
end

local counter = {}

--- Adds `by`, 1 by default; counters only grow.
function counter:inc(by)
  by = by or 1
  if by < 0 then
    error("a counter only grows", 2)
  end
  self._row[self._slot] = self._row[self._slot] + by
end

--- Where C adds to this counter: a double *, or nil outside the host and when all slots are taken.
function counter:slot()
  return type(self._row) == "cdata" and self._row + self._slot or nil
end

local gauge = {}

function gauge:set(value)
  self._row[self._slot] = value
end

function gauge:add(by)
  self._row[self._slot] = self._row[self._slot] + (by or 1)
end

-- Slots: one count per bound, the rest above all bounds, the sum.
local histogram = {}

--- Counts a value, `times` of them at once when given.
function histogram:observe(value, times)
  times = times or 1
  local row, slot, bounds = self._row, self._slot, self._bounds
  local at = 1
  while at <= #bounds and value > bounds[at] do
    at = at + 1
  end
  row[slot + at - 1] = row[slot + at - 1] + times
  row[slot + #bounds + 1] = row[slot + #bounds + 1] + value * times
end

--- Returns a counter, by convention called something_total.
function metrics.counter(name, help, labels)
  return make("counter", counter, name, help, labels)
end

function metrics.gauge(name, help, labels)
  return make("gauge", gauge, name, help, labels)
end

--- Returns a histogram; bounds are ascending upper limits, seconds by default.
function metrics.histogram(name, help, labels, bounds)
  return make("histogram", histogram, name, help, labels, bounds or BOUNDS)
end

-- ---- Prometheus text ----

local function number_text(value)
  if value % 1 == 0 and math.abs(value) < 2 ^ 53 then
    return ("%d"):format(value)
  end
  return ("%.17g"):format(value)
end

local function line(name, labels, value)
  return name .. (labels ~= "" and "{" .. labels .. "}" or "") .. " " .. number_text(value)
end

local function histogram_lines(lines, entry, name, labels, bounds)
  local comma = labels ~= "" and labels .. "," or ""
  local count, slot = 0, entry.slot
  for bound in bounds:gmatch("%S+") do
    count = count + backend.sum(slot)
    lines[#lines + 1] = line(name .. "_bucket", comma .. 'le="' .. bound .. '"', count)
    slot = slot + 1
  end
  count = count + backend.sum(slot)
  lines[#lines + 1] = line(name .. "_bucket", comma .. 'le="+Inf"', count)
  lines[#lines + 1] = line(name .. "_sum", labels, backend.sum(slot + 1))
  lines[#lines + 1] = line(name .. "_count", labels, count)
end

local function split(key)
  local parts = {}
  for part in (key .. SEPARATOR):gmatch("(.-)" .. SEPARATOR) do
    parts[#parts + 1] = part
  end
  return parts[1], parts[2], parts[3], parts[4], parts[5]
end

local function escape_help(text)
  return (text:gsub("[\\\n]", { ["\\"] = "\\\\", ["\n"] = "\\n" }))
end

--- Adds one family of {labels table, value, suffix of the name} to a list of lines, for numbers
--- that live elsewhere.
function metrics.family(lines, kind, name, help, values)
  lines[#lines + 1] = ("# HELP %s %s"):format(name, escape_help(help))
  lines[#lines + 1] = ("# TYPE %s %s"):format(name, kind)
  for _, value in ipairs(values) do
    lines[#lines + 1] = line(name .. (value[3] or ""), label_text(value[1]), value[2])
  end
end

-- The series by their parts, in the order in which they were made. Of two that differ in help or
-- bounds alone, as an app.lua leaves them that was changed and loaded again, the later one counts:
-- no sample may be there twice.
local function all_series()
  local list, place = {}, {}
  for _, entry in backend.each() do
    local kind, name, help, labels, bounds = split(entry.key)
    local identity = name .. SEPARATOR .. labels
    place[identity] = place[identity] or #list + 1
    list[place[identity]] = { kind = kind, name = name, help = help, labels = labels,
      bounds = bounds, slot = entry.slot }
  end
  return list
end

local function family_head(one)
  return { ("# HELP %s %s"):format(one.name, escape_help(one.help)),
    ("# TYPE %s %s"):format(one.name, one.kind) }
end

--- Returns the lines of every series, grouped by name as the format demands.
---@return string[]
function metrics.lines()
  local families, order = {}, {}
  for _, one in ipairs(all_series()) do
    local family = families[one.name]
    if not family then
      family = family_head(one)
      families[one.name] = family
      order[#order + 1] = one.name
    end
    if one.kind == "histogram" then
      histogram_lines(family, one, one.name, one.labels, one.bounds)
    else
      family[#family + 1] = line(one.name, one.labels, backend.sum(one.slot))
    end
  end
  table.sort(order)
  local lines = {}
  for _, name in ipairs(order) do
    lines[#lines + 1] = table.concat(families[name], "\n")
  end
  return lines
end

return metrics
