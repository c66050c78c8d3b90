-- The tables that scripts/bench prints: rates and ratios first, then what each rate has cost.
local printer = {}

--- Returns a number with three digits and k or M: 266k, 1.33M.
function printer.short(number)
  if number >= 1e6 then
    return ("%.3gM"):format(number / 1e6)
  elseif number >= 1e5 then
    return ("%.0fk"):format(number / 1e3)
  elseif number >= 1e3 then
    return ("%.3gk"):format(number / 1e3)
  end
  return ("%.3g"):format(number)
end

local function duration(ns)
  if not ns then
    return "-"
  elseif ns >= 1e9 then
    return ("%.2fs"):format(ns / 1e9)
  elseif ns >= 1e6 then
    return ("%.3gms"):format(ns / 1e6)
  elseif ns >= 1e3 then
    return ("%.3gus"):format(ns / 1e3)
  end
  return ("%.0fns"):format(ns)
end

local function megabytes(bytes)
  return bytes and ("%.0f"):format(bytes / 1e6) or "-"
end

local function merit(figure)
  if not figure then
    return "-"
  elseif figure.ops_per_second then
    return printer.short(figure.ops_per_second)
  end
  return duration(figure.seconds * 1e9)
end

local function write_line(out, widths, cells)
  local parts = {}
  for index, cell in ipairs(cells) do
    local width = widths[index] * (index == 1 and -1 or 1)
    parts[index] = ("%" .. width .. "s"):format(cell)
  end
  out:write((table.concat(parts, "  "):gsub("%s+$", "")), "\n")
end

-- Writes lines of cells, each column as wide as its widest cell.
local function write_table(out, lines)
  local widths = {}
  for _, cells in ipairs(lines) do
    for index, cell in ipairs(cells) do
      widths[index] = math.max(widths[index] or 0, #cell)
    end
  end
  for _, cells in ipairs(lines) do
    write_line(out, widths, cells)
  end
end

local function writer_line(row, names)
  local cells, has_writer = { row.workload .. " (writer)" }, false
  for _, name in ipairs(names) do
    local figure = row.engines[name]
    local rate = figure and figure.background_ops_per_second
    has_writer = has_writer or rate ~= nil
    cells[#cells + 1] = rate and printer.short(rate) or "-"
  end
  return has_writer and cells or nil
end

local function rates(rows, names)
  local lines = { { "workload (per second)", unpack(names) } }
  lines[1][#names + 2] = "loam / best peer"
  for _, row in ipairs(rows) do
    local cells = { row.workload }
    for _, name in ipairs(names) do
      cells[#cells + 1] = merit(row.engines[name])
    end
    local has_ratio = row.ratio ~= nil
    cells[#cells + 1] = has_ratio and ("%.2f %s"):format(row.ratio, row.best_peer) or "-"
    lines[#lines + 1] = cells
    lines[#lines + 1] = writer_line(row, names)
  end
  return lines
end

local function costs(rows, names)
  local lines = { { "workload", "store", "p50", "p99", "p99.9", "max", "CPU s", "memory MB",
    "disk MB", "write amp." } }
  for _, row in ipairs(rows) do
    for _, name in ipairs(names) do
      local figure = row.engines[name]
      if figure then
        local amplification = figure.write_amplification
        lines[#lines + 1] = { row.workload, name, duration(figure.p50_ns),
          duration(figure.p99_ns), duration(figure.p999_ns), duration(figure.max_ns),
          ("%.2f"):format(figure.cpu_seconds), megabytes(figure.peak_memory_bytes),
          megabytes(figure.disk_bytes), amplification and ("%.2f"):format(amplification) or "-" }
      end
    end
  end
  return lines
end

local SHOWN = {
  rate = printer.short,
  ns = duration,
  bytes = function(bytes) return megabytes(bytes) .. " MB" end,
  ratio = function(ratio) return ("%.2f"):format(ratio) end,
}

local function verdict(line)
  if line.is_reached == nil then
    return "not measured"
  elseif line.is_reached then
    return "yes"
  end
  local part = line.at_most and line.value / line.limit - 1 or 1 - line.value / line.limit
  return ("no, %.0f %% %s"):format(part * 100, line.at_most and "over" or "short")
end

--- Returns what a line of goals.lua compares: the value with what it relates to, and the limit.
---@return string value, string limit
function printer.goal_texts(line)
  local show = SHOWN[line.value_unit]
  local value = line.value and show(line.value) .. (line.of and " " .. line.of or "") or "-"
  local limit = line.limit and (line.at_most and "<= " or ">= ") .. show(line.limit) or "-"
  return value, limit
end

local function goal_cells(line, names)
  local cells = { line.label }
  for _, name in ipairs(names) do
    local number = line.numbers[name]
    cells[#cells + 1] = number and SHOWN[line.unit](number) or "-"
  end
  local value, limit = printer.goal_texts(line)
  local by_cpu = line.by_cpu and SHOWN.ratio(line.by_cpu) or "-"
  for _, cell in ipairs { value, by_cpu, limit, verdict(line) } do
    cells[#cells + 1] = cell
  end
  return cells
end

--- Writes the table of goals: what each store has reached, Loam's ratio, the goal, and by how much
--- it is missed.
---@param out file*
---@param lines table[]    of goals.lines()
---@param names string[]   the stores, in the order of the columns
function printer.goals(out, lines, names)
  local head = { "line", unpack(names) }
  for _, title in ipairs { "ratio", "by CPU", "goal", "reached" } do
    head[#head + 1] = title
  end
  local cells, reached, measured = { head }, 0, 0
  for index, line in ipairs(lines) do
    cells[index + 1] = goal_cells(line, names)
    measured = measured + (line.is_reached ~= nil and 1 or 0)
    reached = reached + (line.is_reached and 1 or 0)
  end
  write_table(out, cells)
  out:write(("%d of %d lines reached\n"):format(reached, measured))
end

--- Writes both tables: rates, then what they have cost.
---@param out file*
---@param rows table[]     of report.make()
---@param names string[]   the stores, in the order of the columns
function printer.tables(out, rows, names)
  write_table(out, rates(rows, names))
  out:write("\n")
  write_table(out, costs(rows, names))
end

return printer
