-- Allocations that fail: the n-th of a store's life, once and for ever. A round takes every eighth
-- place, by its seed: eight rounds with neighbouring seeds take all.
-- Cases: R01.
local allocations = require "spec.torture.allocations"
local env = require "spec.support.env"
local store = require "spec.support.db"

local ROUNDS = 8

local rig = { seconds = 600, about = "the n-th allocation fails, once and for ever" }

function rig.round(context)
  local total = allocations.count()
  for n = 0, total - 1 do
    context:mark("failing allocations known", n)
    if n % ROUNDS == context.seed % ROUNDS then
      for _, times in ipairs { 1, "forever" } do
        allocations.fail(n, times)
        store.close_all()
        env.close_all()
      end
      context:mark("failing allocations tried, each once and for ever", n)
    end
  end
end

return rig
