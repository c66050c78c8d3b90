-- Numbers as people read them, and back.
local units = {}

local BYTE_UNITS = { "bytes", "KiB", "MiB", "GiB", "TiB" }

--- 1234567 as "1,234,567".
function units.count(number)
  local head, rest = ("%.0f"):format(number), ""
  while head:find("%d%d%d%d") do
    rest = "," .. head:sub(-3) .. rest
    head = head:sub(1, -4)
  end
  return head .. rest
end

--- 1536 as "1.5 KiB".
function units.bytes(number)
  local at = 1
  while number >= 1024 and at < #BYTE_UNITS do
    number, at = number / 1024, at + 1
  end
  return (at == 1 and "%.0f %s" or "%.1f %s"):format(number, BYTE_UNITS[at])
end

--- Seconds as "0:07", "12:30" or "1:02:03".
function units.clock(seconds)
  seconds = math.floor(seconds + 0.5)
  local hours, minutes = math.floor(seconds / 3600), math.floor(seconds / 60) % 60
  if hours > 0 then
    return ("%d:%02d:%02d"):format(hours, minutes, seconds % 60)
  end
  return ("%d:%02d"):format(minutes, seconds % 60)
end

--- Nanoseconds as "850 ns", "12.3 us", "4.5 ms" or "1.2 s".
function units.latency(nanoseconds)
  if nanoseconds < 1000 then
    return ("%.0f ns"):format(nanoseconds)
  elseif nanoseconds < 1e6 then
    return ("%.1f us"):format(nanoseconds / 1e3)
  elseif nanoseconds < 1e9 then
    return ("%.1f ms"):format(nanoseconds / 1e6)
  end
  return ("%.1f s"):format(nanoseconds / 1e9)
end

return units
