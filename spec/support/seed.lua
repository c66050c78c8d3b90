-- Random numbers that can be repeated.
--
--     local random = require("spec.support.seed").new()
--     random:int(1, 6)   random:bytes(16)   random:pick(list)
--
-- Each generator depends on the seed of the run and nothing else, so one spec alone sees the
-- numbers it saw in the whole run. SEED=n repeats a run; spec/helper.lua prints the seed of each.
local seed = {}

local MODULUS = 2147483647 -- Park and Miller; products stay below 2^53.
local MULTIPLIER = 48271

seed.value = tonumber(os.getenv("SEED") or "") or os.time() % (MODULUS - 1) + 1

local methods = {}
local metatable = { __name = "seed.random", __index = methods }

--- Returns a whole number in [low, high].
function methods:int(low, high)
  self._state = self._state * MULTIPLIER % MODULUS
  return low + math.floor(self._state / MODULUS * (high - low + 1))
end

--- Returns `size` random bytes, of the characters in `alphabet` when given.
function methods:bytes(size, alphabet)
  local bytes = {}
  for index = 1, size do
    if alphabet then
      local at = self:int(1, #alphabet)
      bytes[index] = alphabet:sub(at, at)
    else
      bytes[index] = string.char(self:int(0, 255))
    end
  end
  return table.concat(bytes)
end

--- Returns one element of a list.
function methods:pick(list)
  return list[self:int(1, #list)]
end

--- Returns a generator; salt tells apart several in one spec.
---@param salt? number
function seed.new(salt)
  local state = (seed.value * MULTIPLIER + (salt or 0) * 7919) % MODULUS
  local random = setmetatable({ _state = state == 0 and 1 or state }, metatable)
  random:int(0, 1)
  return random
end

return seed
