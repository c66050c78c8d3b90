local guards = require "spec.torture.guards"

local has_build = io.open(guards.build .. "/libloam_testing.so") ~= nil

describe("torture.guards #slow #plain", function()
  it("the specs pass while every guard is on", function()
    if not has_build then
      pending("build-guards is missing: scripts/build build-guards -DLOAM_GUARDS=ON")
    end
    for _, spec in ipairs(guards.specs()) do
      local passes, output = guards.passes("", spec)
      assert.is_true(passes, output)
    end
  end)

  for _, guard in ipairs(guards.list) do
    it("notice that a guard is off: " .. guard.name, function()
      if not has_build then
        pending("build-guards is missing: scripts/build build-guards -DLOAM_GUARDS=ON")
      end
      assert.is_false((guards.passes(guard.name, guard.spec)))
    end)
  end
end)
