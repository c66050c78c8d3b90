-- Draws the ratios of a run, or how far its goals are reached: one bar per workload or line, and a
-- line at 1.
local printer = require "scripts.lib.bench.print"

local svg = {}

local ROW, BAR, LEFT, WIDTH, RIGHT, TOP = 22, 14, 170, 460, 260, 56
local AHEAD, BEHIND = "#2a7f62", "#b5533c"
local RATIO_MAX = 5 -- Longer bars are cut and say so.

local ESCAPES = { ["<"] = "&lt;", [">"] = "&gt;", ["&"] = "&amp;" }

local function escape(text)
  return (text:gsub("[<>&]", ESCAPES))
end

local function text_at(x, y, anchor, text)
  return ("<text x=\"%d\" y=\"%d\" text-anchor=\"%s\">%s</text>"):format(x, y, anchor, escape(text))
end

local function bar(index, shown, scale)
  local y = TOP + (index - 1) * ROW
  local length = math.min(shown.ratio, RATIO_MAX) * scale
  local color = shown.ratio >= 1 and AHEAD or BEHIND
  local label = shown.text .. (shown.ratio > RATIO_MAX and " (bar cut)" or "")
  return table.concat({
    text_at(LEFT - 8, y + BAR - 2, "end", shown.label),
    ("<rect x=\"%d\" y=\"%d\" width=\"%.1f\" height=\"%d\" fill=\"%s\"/>"):format(LEFT, y, length,
      BAR, color),
    text_at(math.floor(LEFT + length + 6), y + BAR - 2, "start", label),
  }, "\n")
end

-- Draws bars of {label, ratio, text} with a line at 1.
local function draw_bars(bars, title, legend)
  local largest = 1
  for _, shown in ipairs(bars) do
    largest = math.max(largest, math.min(shown.ratio, RATIO_MAX))
  end
  local scale = WIDTH / largest
  local height = TOP + #bars * ROW + 12
  local level = LEFT + scale
  local parts = {
    ("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\""):format(
      LEFT + WIDTH + RIGHT, height) .. " font-family=\"sans-serif\" font-size=\"12\">",
    "<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>",
    text_at(12, 20, "start", title),
    text_at(12, 38, "start", legend),
  }
  for index, shown in ipairs(bars) do
    parts[#parts + 1] = bar(index, shown, scale)
  end
  parts[#parts + 1] = ("<line x1=\"%.1f\" x2=\"%.1f\" y1=\"%d\" y2=\"%d\" stroke=\"#222222\"/>")
    :format(level, level, TOP - 8, height - 8)
  parts[#parts + 1] = "</svg>\n"
  return table.concat(parts, "\n")
end

--- Returns the drawing of ratios as text.
---@param rows table[]   of report.make(); those without a ratio are left out
---@param title string
---@return string
function svg.draw(rows, title)
  local bars = {}
  for _, row in ipairs(rows) do
    if row.ratio then
      bars[#bars + 1] = { label = row.workload, ratio = row.ratio,
        text = ("%.2f x %s"):format(row.ratio, row.best_peer) }
    end
  end
  return draw_bars(bars, title,
    "Loam by the best peer of each workload; right of the line = faster")
end

--- Returns the drawing of goals as text: how far each is reached.
---@param lines table[]  of goals.lines(); those not measured are left out
---@param title string
---@return string
function svg.draw_goals(lines, title)
  local bars = {}
  for _, line in ipairs(lines) do
    if line.attainment then
      bars[#bars + 1] = { label = line.label, ratio = line.attainment,
        text = ("%s, goal %s"):format(printer.goal_texts(line)) }
    end
  end
  return draw_bars(bars, title, "Loam by the goal of each line; right of the line = reached")
end

return svg
