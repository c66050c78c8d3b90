-- Runs a compaction with a progress line, for the command and for the shell.
local progress = require "loam.cli.parts.progress"
local units = require "loam.cli.parts.units"

local compaction = {}

--- Compacts a store and waits. Returns one line about it.
---@param opened loam.cli.store
---@param is_shown? boolean  progress; on a terminal by default
---@return string
function compaction.run(opened, is_shown)
  local line = progress.new("compact", { is_shown = progress.is_wanted(is_shown), unit = "bytes" })
  local job = opened:compact(function(info)
    local total = info.bytes_total
    line:update(info.bytes_done, nil, total and total > 0 and info.bytes_done / total)
  end)
  line:clear()
  return ("compacted %s in %.1f s"):format(units.bytes(job.bytes_done or 0), line:elapsed())
end

return compaction
