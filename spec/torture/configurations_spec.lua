local configurations = require "spec.torture.configurations"
local env = require "spec.support.env"
local seed = require "spec.support.seed"
local store = require "spec.support.db"

describe("torture.configurations #fuzz", function()
  after_each(function()
    store.close_all()
    env.close_all()
  end)

  it("gives one history under 50 configurations (K04)", function()
    configurations.run(seed.new(), 400, 50)
  end)
end)
