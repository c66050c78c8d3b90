-- Mutation of guards: each is switched off in a build of its own, and the specs have to notice.
local guards = require "spec.torture.guards"

local rig = { seconds = 1800, rounds_max = 1,
  about = "each guard switched off is noticed by the specs" }

function rig.round(context)
  guards.make()
  local broken, missed = guards.judge()
  context:count("guards switched off", #guards.list)
  context:count("guards switched off and noticed", #guards.list - #missed)
  if #broken > 0 then
    error("fails with every guard on: " .. table.concat(broken, "\n"))
  elseif #missed > 0 then
    error("switched off and not noticed: " .. table.concat(missed, ", "))
  end
end

return rig
