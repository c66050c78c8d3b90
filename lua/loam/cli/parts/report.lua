-- Reports of check, repair and verification: a line per file, as text or as JSON.
local json = require "loam.json"
local output = require "loam.cli.parts.output"

local report = {}

--- The lines of a report as {verdict, name, text}.
---@param text string
---@return table[]
function report.rows(text)
  local rows = json.array()
  for line in text:gmatch("[^\n]+") do
    local verdict, name, rest = line:match("^(%S+)%s+([^%s:]+):?%s*(.*)$")
    rows[#rows + 1] = { verdict = verdict or "note", name = name or line,
      text = rest ~= "" and rest or nil }
  end
  return rows
end

--- Prints a report: its lines and a last one, or with is_json one object with `files` in it.
---@param text string
---@param last string
---@param is_json? boolean
---@param members? table  of the object
function report.print(text, last, is_json, members)
  if not is_json then
    output.write(text, (text == "" or text:sub(-1) == "\n") and "" or "\n")
    return output.line(last)
  end
  local object = { files = report.rows(text), text = last }
  for name, value in pairs(members or {}) do
    object[name] = value
  end
  output.line(json.encode(object))
end

return report
