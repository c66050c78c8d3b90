-- Statistics as a table for people: the members of loam_stats in their order, then latencies.
local columns = require "loam.cli.parts.columns"
local declarations = require "kv.cdef"
local units = require "loam.cli.parts.units"

local stats_text = {}
local OPERATIONS = { "get", "write", "sync", "flush", "compaction" }
local QUANTILES = { "p50_ns", "p90_ns", "p99_ns", "p999_ns", "max_ns" }

local function shown(name, value)
  if type(value) ~= "number" then
    return tostring(value), ""
  elseif name:find("_at_ms$") then
    return os.date("!%Y-%m-%dT%H:%M:%SZ", value / 1000), ""
  elseif name:find("_bytes$") then
    return units.count(value), units.bytes(value)
  end
  return units.count(value), ""
end

local function latency_rows(latencies)
  local rows = { { "operation", "count", "p50", "p90", "p99", "p99.9", "max" } }
  for _, name in ipairs(OPERATIONS) do
    local found = latencies[name]
    if found and found.count > 0 then
      local row = { name, units.count(found.count) }
      for _, quantile in ipairs(QUANTILES) do
        row[#row + 1] = units.latency(found[quantile])
      end
      rows[#rows + 1] = row
    end
  end
  return rows
end

--- The lines of the table.
---@param stats table  as store:stats() gives it
---@return string[]
function stats_text.lines(stats)
  local rows = {}
  for _, member in ipairs(declarations.stats) do
    local value = stats[member.name]
    if value ~= nil and value ~= "" then
      rows[#rows + 1] = { member.name, shown(member.name, value) }
    end
  end
  local lines = columns.lines(rows, { [2] = true, [3] = true })
  local latencies = latency_rows(stats.latencies or {})
  if #latencies > 1 then
    lines[#lines + 1] = ""
    local right = { [2] = true, [3] = true, [4] = true, [5] = true, [6] = true, [7] = true }
    for _, line in ipairs(columns.lines(latencies, right)) do
      lines[#lines + 1] = line
    end
  end
  return lines
end

return stats_text
