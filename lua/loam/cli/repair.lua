-- `loam repair`: makes a database that does not open any more one that does, with every row that
-- can be read. Explicit, and nothing is destroyed: what it does not use stands in lost/.
local arguments = require "loam.cli.parts.arguments"
local command = require "loam.cli.parts.command"
local failure = require "loam.cli.parts.failure"
local kv = require "kv"
local long = require "loam.cli.parts.long"
local report = require "loam.cli.parts.report"
local system = require "loam.cli.parts.system"

local function setup(parser)
  arguments.directory(parser)
  parser:flag("-y --yes", "Do not ask.")
  parser:flag("--json", "One JSON object.")
  long.option(parser)
end

local function ask(path)
  if not system.is_terminal(system.INPUT) then
    failure.usage("repair changes the files of '%s': give --yes", path)
  end
  io.stderr:write(("Repair '%s'? Rows that cannot be read are lost to it; files that it does not "
    .. "use move to '%s/lost'. [y/N] "):format(path, path))
  local answer = io.read("*l") or ""
  if not answer:lower():find("^%s*y") then
    failure.raise(failure.DONE, "nothing was changed")
  end
end

local SAID = { damaged = "damaged", lost = "lost", moved = "moved to lost/" }

-- One line about what was done.
local function summary(path, rows)
  local counts = {}
  for _, row in ipairs(rows) do
    counts[row.verdict] = (counts[row.verdict] or 0) + 1
  end
  local parts = {}
  for _, verdict in ipairs { "damaged", "lost", "moved" } do
    if counts[verdict] then
      parts[#parts + 1] = ("%d %s"):format(counts[verdict], SAID[verdict])
    end
  end
  return ("'%s' opens again: %s"):format(path,
    #parts > 0 and table.concat(parts, ", ") or "nothing was damaged")
end

local function run(given)
  local path = arguments.directory_of(given)
  if not given.yes then
    ask(path)
  end
  local text, err = long.call("repair", given.progress, function(on_progress)
    return kv.repair(path, { on_progress = on_progress })
  end)
  if not text then
    long.raise("repair", err, true)
  end
  report.print(text, summary(path, report.rows(text)), given.json, { path = path })
end

return command.new { summary = "Make a damaged database open again.", setup = setup, run = run }
