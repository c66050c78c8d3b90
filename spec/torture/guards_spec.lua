local guards = require "spec.torture.guards"

describe("torture.guards #slow #plain", function()
  it("knows a spec for every guard of core/base/guard.h", function()
    assert.same({}, guards.forgotten())
  end)

  it("every guard that is switched off is noticed, and none while all are on", function()
    guards.make()

    local broken, missed = guards.judge()

    assert.same({}, broken)
    assert.same({}, missed)
  end)
end)
