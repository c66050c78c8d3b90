-- From answers to rows: medians of repetitions, ratios, write amplification, and whether all stores
-- found the same.
local report = {}

-- Fields of an answer that a row keeps as they are.
local KEPT = {
  "ops", "seconds", "close_seconds", "found", "rows", "p50_ns", "p99_ns", "p999_ns", "max_ns",
  "cpu_seconds", "peak_memory_bytes", "disk_bytes", "log_bytes", "written_bytes",
  "user_bytes", "threads",
}

-- The answer in the middle when ordered by time per operation.
local function median(answers)
  local function cost(answer)
    return answer.ops and answer.seconds / answer.ops or answer.seconds
  end
  local sorted = { unpack(answers) }
  table.sort(sorted, function(left, right) return cost(left) < cost(right) end)
  return sorted[math.floor((#sorted + 1) / 2)]
end

local function write_amplification(answer)
  local written, user = answer.written_bytes, answer.user_bytes or 0
  if not answer.ops then
    -- Of a full compaction: everything written since the store was made.
    written, user = answer.total_written_bytes, answer.total_user_bytes
  end
  return user > 0 and written / user or nil
end

local function figures(answer, is_time)
  local out = {}
  for _, name in ipairs(KEPT) do
    out[name] = answer[name]
  end
  if not is_time then
    out.ops_per_second = answer.ops / answer.seconds
  end
  if (answer.background_ops or 0) > 0 then
    out.background_ops_per_second = answer.background_ops / answer.seconds
  end
  if answer.workload ~= "reopen" and answer.workload ~= "open" then
    out.write_amplification = write_amplification(answer)
  end
  return out
end

-- Larger is better.
local function merit(figure)
  return figure.ops_per_second or 1 / math.max(figure.seconds, 1e-6)
end

-- Sets ratio and best_peer of a row: Loam's merit by that of the best peer.
local function compare(row)
  local best
  for name, figure in pairs(row.engines) do
    local is_peer = name ~= "loam" and name ~= "file"
    if is_peer and (not best or merit(figure) > merit(row.engines[best])) then
      best = name
    end
  end
  row.best_peer = best
  if best and row.engines.loam then
    row.ratio = merit(row.engines.loam) / merit(row.engines[best])
  end
end

local function same_counts(step, row, differences)
  if step.is_loose then
    return
  end
  local first, first_name
  for name, figure in pairs(row.engines) do
    local counts = ("%d found, %d rows"):format(figure.found or 0, figure.rows or 0)
    first, first_name = first or counts, first_name or name
    if counts ~= first then
      differences[#differences + 1] = ("%s: %s has %s, %s has %s"):format(step.label, name, counts,
        first_name, first)
    end
  end
end

--- Returns the rows in plan order, and a list of lines that say where stores disagree.
---@return table[] rows, string[] differences
function report.make(groups, results)
  local rows, differences = {}, {}
  local is_loose_since -- What a loose step wrote differs; so does what is read after it.
  for _, group in ipairs(groups) do
    for _, step in ipairs(group.steps) do
      is_loose_since = is_loose_since and not group.is_fresh or step.is_loose
      if results[step.label] then
        local kind = step.is_time and "time" or "rate"
        local row = { workload = step.label, kind = kind, engines = {} }
        for name, answers in pairs(results[step.label]) do
          row.engines[name] = figures(median(answers), step.is_time)
        end
        compare(row)
        if not is_loose_since then
          same_counts(step, row, differences)
        end
        rows[#rows + 1] = row
      end
    end
  end
  return rows, differences
end

return report
