-- Tables of text with aligned columns.
local columns = {}

-- Characters of UTF-8 text; bytes for anything else.
local function width_of(text)
  local _, continuation = text:gsub("[\128-\191]", "")
  return #text - continuation
end

--- Lines of a table. Columns whose number is in `right` are set right.
---@param rows string[][]
---@param right? table<number, boolean>
---@return string[]
function columns.lines(rows, right)
  local widths = {}
  for _, row in ipairs(rows) do
    for at, cell in ipairs(row) do
      widths[at] = math.max(widths[at] or 0, width_of(cell))
    end
  end
  local lines = {}
  for number, row in ipairs(rows) do
    local cells = {}
    for at, cell in ipairs(row) do
      local blanks = (" "):rep(widths[at] - width_of(cell))
      cells[at] = right and right[at] and blanks .. cell or cell .. blanks
    end
    lines[number] = (table.concat(cells, "  "):gsub("%s+$", ""))
  end
  return lines
end

return columns
