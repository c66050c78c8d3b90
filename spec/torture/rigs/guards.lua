-- Mutation of guards: each is switched off in a build of its own, and the specs have to notice.
local guards = require "spec.torture.guards"

local rig = { seconds = 1800, rounds_max = 1,
  about = "each guard switched off is noticed by the specs" }

function rig.round(context)
  guards.make()
  for _, spec in ipairs(guards.specs()) do
    local passes, output = guards.passes("", spec)
    if not passes then
      error(spec .. " fails with every guard on: " .. output:sub(-3000))
    end
  end
  local missed = {}
  for _, guard in ipairs(guards.list) do
    context:count "guards switched off"
    if guards.passes(guard.name, guard.spec) then
      missed[#missed + 1] = guard.name
    else
      context:count "guards switched off and noticed"
    end
  end
  if #missed > 0 then
    error("switched off and not noticed: " .. table.concat(missed, ", "))
  end
end

return rig
