-- Draws the ratios of a run: one bar per workload, a line at 1 = level with the best peer.
local svg = {}

local ROW, BAR, LEFT, WIDTH, TOP = 22, 14, 170, 460, 56
local AHEAD, BEHIND = "#2a7f62", "#b5533c"
local RATIO_MAX = 5 -- Longer bars are cut and say so.

local ESCAPES = { ["<"] = "&lt;", [">"] = "&gt;", ["&"] = "&amp;" }

local function escape(text)
  return (text:gsub("[<>&]", ESCAPES))
end

local function text_at(x, y, anchor, text)
  return ("<text x=\"%d\" y=\"%d\" text-anchor=\"%s\">%s</text>"):format(x, y, anchor, escape(text))
end

local function bar(index, row, scale)
  local y = TOP + (index - 1) * ROW
  local length = math.min(row.ratio, RATIO_MAX) * scale
  local color = row.ratio >= 1 and AHEAD or BEHIND
  local label = ("%.2f x %s%s"):format(row.ratio, row.best_peer,
    row.ratio > RATIO_MAX and " (bar cut)" or "")
  return table.concat({
    text_at(LEFT - 8, y + BAR - 2, "end", row.workload),
    ("<rect x=\"%d\" y=\"%d\" width=\"%.1f\" height=\"%d\" fill=\"%s\"/>"):format(LEFT, y, length,
      BAR, color),
    text_at(math.floor(LEFT + length + 6), y + BAR - 2, "start", label),
  }, "\n")
end

--- Returns the drawing as text.
---@param rows table[]   of report.make(); those without a ratio are left out
---@param title string
---@return string
function svg.draw(rows, title)
  local shown, largest = {}, 1
  for _, row in ipairs(rows) do
    if row.ratio then
      shown[#shown + 1] = row
      largest = math.max(largest, math.min(row.ratio, RATIO_MAX))
    end
  end
  local scale = WIDTH / largest
  local height = TOP + #shown * ROW + 12
  local level = LEFT + scale
  local parts = {
    ("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\""):format(
      LEFT + WIDTH + 150, height) .. " font-family=\"sans-serif\" font-size=\"12\">",
    "<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>",
    text_at(12, 20, "start", title),
    text_at(12, 38, "start", "Loam by the best peer of each workload; right of the line = faster"),
  }
  for index, row in ipairs(shown) do
    parts[#parts + 1] = bar(index, row, scale)
  end
  parts[#parts + 1] = ("<line x1=\"%.1f\" x2=\"%.1f\" y1=\"%d\" y2=\"%d\" stroke=\"#222222\"/>")
    :format(level, level, TOP - 8, height - 8)
  parts[#parts + 1] = "</svg>\n"
  return table.concat(parts, "\n")
end

return svg
