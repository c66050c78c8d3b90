-- Keys for model specs, in the shapes that break sorted structures.
--
--     local keys = require "spec.support.keys"
--     for _, mode in ipairs(keys.modes) do local key = keys[mode](random, n) ... end
--
-- random: of spec.support.seed; n: a running number, for modes that are a chain.
local keys = {}

keys.modes = { "chain", "alphabet", "binary", "decimal", "long", "extreme" }

--- Each key is near the one before it; some are prefixes of each other.
function keys.chain(random, n)
  return ("chain"):rep(3) .. ("x"):rep(n % 5) .. tostring(math.floor(n / 3) + random:int(0, 2))
end

--- Short keys of two letters: many versions of few keys, the empty key among them.
function keys.alphabet(random)
  return random:bytes(random:int(0, 4), "ab")
end

--- Any bytes, zeros and 255 often.
function keys.binary(random)
  if random:int(1, 3) == 1 then
    return random:bytes(random:int(0, 12), "\0\1\254\255")
  end
  return random:bytes(random:int(0, 12))
end

--- Sixteen digits with many leading zeros, as counters are written.
function keys.decimal(random)
  return ("%016d"):format(random:int(0, 9999))
end

--- Long shared beginnings.
function keys.long(random)
  return ("long/"):rep(random:int(200, 202)) .. random:bytes(random:int(0, 3), "ab")
end

--- The shortest, the lowest and the highest keys.
function keys.extreme(random)
  return (random:pick { "", "\0", "\255", "\0\0\0\0\0\0\0\0", "\255\255\255\255\255\255\255\255" })
    :rep(random:int(0, 3))
end

return keys
