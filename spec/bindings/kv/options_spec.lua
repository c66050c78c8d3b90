local options = require "kv.options"
local store = require "spec.support.store"

local KNOWN = {
  ttl = "number", create = "boolean", limit = "whole", prefix = "string", any = "any",
  durability = { sync = 1, interval = 2, os = 3 },
}

local function refusal(given)
  return store.misuse(function() options.check("call", given, KNOWN) end)
end

describe("kv.options", function()
  it("takes what is known and of its kind", function()
    options.check("call", { ttl = 0.5, create = false, limit = 0, prefix = "", any = print,
      durability = "os" }, KNOWN)
  end)

  it("suggests the nearest name for an unknown one", function()
    assert.equal("call: unknown option 'tll'; did you mean 'ttl'?", refusal({ tll = 1 }))
    assert.equal("call: unknown option 'durabilty'; did you mean 'durability'?",
      refusal({ durabilty = 1 }))
  end)

  it("lists what is known when nothing is near", function()
    assert.equal("call: unknown option 'colour of sky'; known are any, create, durability, limit, "
      .. "prefix, ttl", refusal({ ["colour of sky"] = 1 }))
    assert.matches("^call: unknown option '1'; known are", refusal({ "x" }))
  end)

  it("names the kind that an option has, and what came", function()
    assert.equal("call: option 'ttl' is a number, got a string", refusal({ ttl = "1" }))
    assert.equal("call: option 'create' is a boolean, got a number", refusal({ create = 1 }))
    assert.equal("call: option 'durability' is one of interval, os, sync, got 'fsync'",
      refusal({ durability = "fsync" }))
    assert.equal("call: option 'durability' is one of interval, os, sync, got a boolean",
      refusal({ durability = true }))
    assert.equal("call: options are a table, got a string", refusal("x"))
  end)

  it("takes whole numbers from 0 to below 2^53 only", function()
    for _, number in ipairs({ -1, 0.5, 2 ^ 53, 0 / 0, math.huge }) do
      assert.matches("^call: option 'limit' is a whole number of at least 0, got ",
        refusal({ limit = number }))
    end
  end)

  it("finds no neighbour of a name that is far from all", function()
    assert.equal("prefix", options.nearest("prefx", KNOWN))
    assert.is_nil(options.nearest("zzzzzz", KNOWN))
  end)
end)
