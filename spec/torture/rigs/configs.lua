-- Metamorphic: one list of operations, 50 configurations with restarts at random, one history.
-- Cases: K04 K07.
local configurations = require "spec.torture.configurations"

local OPERATIONS, CONFIGURATIONS = 1500, 50

local rig = { seconds = 400, about = "one operation list under 50 configurations: one history" }

function rig.round(context)
  configurations.run(context.random, OPERATIONS, CONFIGURATIONS)
  context:count("configurations compared", CONFIGURATIONS)
  context:count("operations under configurations", OPERATIONS * CONFIGURATIONS)
end

return rig
