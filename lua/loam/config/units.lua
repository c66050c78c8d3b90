-- Texts of sizes and durations: "64MiB", "100ms", "5s". Used by loam.config.
local units = {}

local SIZES = {
  [""] = 1, b = 1, k = 1024, kb = 1000, kib = 1024, m = 1024 ^ 2, mb = 1000 ^ 2, mib = 1024 ^ 2,
  g = 1024 ^ 3, gb = 1000 ^ 3, gib = 1024 ^ 3, t = 1024 ^ 4, tb = 1000 ^ 4, tib = 1024 ^ 4,
}
local DURATIONS = { [""] = 1, ms = 1, s = 1000, m = 60000, min = 60000, h = 3600000, d = 86400000 }

local function parse(text, factors, what)
  local digits, unit = text:match("^%s*([%d.]+)%s*(%a*)%s*$")
  local number = digits and tonumber(digits)
  local factor = number and factors[unit:lower()]
  if not factor then
    return nil, what
  end
  local value = number * factor
  if value % 1 ~= 0 then
    return nil, "a whole number of " .. (factors == SIZES and "bytes" or "milliseconds")
  end
  return value
end

--- Returns bytes; or nil and what it should have been.
function units.size(text)
  return parse(text, SIZES, "a size such as 4096, 64KiB, 512MiB or 2GiB")
end

--- Returns milliseconds; or nil and what it should have been.
function units.duration(text)
  return parse(text, DURATIONS, "a duration such as 100ms, 5s or 10m")
end

--- Bytes as people write them: "64MiB".
function units.size_text(bytes)
  for _, unit in ipairs { { "GiB", 1024 ^ 3 }, { "MiB", 1024 ^ 2 }, { "KiB", 1024 } } do
    if bytes >= unit[2] and bytes % unit[2] == 0 then
      return ("%d%s"):format(bytes / unit[2], unit[1])
    end
  end
  return ("%.0f"):format(bytes)
end

--- Milliseconds as people write them: "5s".
function units.duration_text(ms)
  if ms > 0 and ms % 1000 == 0 then
    return ("%ds"):format(ms / 1000)
  end
  return ("%.0fms"):format(ms)
end

return units
