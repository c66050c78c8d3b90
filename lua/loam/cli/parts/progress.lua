-- One line on standard error that shows how far a long command is: rows, bytes, share, rate and the
-- time that remains. Drawn at most ten times a second, over itself.
local system = require "loam.cli.parts.system"
local units = require "loam.cli.parts.units"

local progress = {}
local INTERVAL_MS = 100
local BAR_WIDTH = 20

---@class loam.cli.progress
local methods = {}
local metatable = { __name = "loam.cli.progress", __index = methods }

--- Makes a progress line.
---@param title string
---@param given {is_shown: boolean, unit: string?, write: function?, now_ms: function?}
---@return loam.cli.progress
function progress.new(title, given)
  local now_ms = given.now_ms or system.monotonic_ms
  return setmetatable({
    _title = title,
    _is_shown = given.is_shown,
    _unit = given.unit or "rows",
    _write = given.write or function(text) io.stderr:write(text) end,
    _now_ms = now_ms,
    _started_ms = now_ms(),
    _drawn_ms = -math.huge,
    _width = 0,
  }, metatable)
end

--- Whether a command shows its progress: when told so, else on a terminal.
---@param asked? boolean
function progress.is_wanted(asked)
  if asked ~= nil then
    return asked
  end
  return system.is_terminal(system.ERRORS)
end

local function bar(share)
  local filled = math.floor(share * BAR_WIDTH + 0.5)
  return "[" .. ("#"):rep(filled) .. ("-"):rep(BAR_WIDTH - filled) .. "]"
end

local function text_of(self, count, bytes, share, elapsed)
  local parts = { self._title }
  share = share and math.max(0, math.min(1, share))
  if share then
    parts[#parts + 1] = ("%s %3.0f%%"):format(bar(share), share * 100)
  end
  local is_bytes = self._unit == "bytes"
  parts[#parts + 1] = is_bytes and units.bytes(count) or units.count(count) .. " " .. self._unit
  if bytes then
    parts[#parts + 1] = units.bytes(bytes)
  end
  if elapsed > 0 then
    parts[#parts + 1] = (is_bytes and units.bytes or units.count)(count / elapsed) .. "/s"
    if share and share > 0 then
      parts[#parts + 1] = units.clock(elapsed / share - elapsed) .. " left"
    end
  end
  return table.concat(parts, "  ")
end

local function draw(self, text)
  local blanks = (" "):rep(math.max(0, self._width - #text))
  self._write("\r" .. text .. blanks)
  self._width = #text
end

--- Tells how far it is.
---@param count number   rows
---@param bytes? number
---@param share? number  0..1, where the whole is known
function methods:update(count, bytes, share)
  if not self._is_shown then
    return
  end
  local now = self._now_ms()
  if now - self._drawn_ms < INTERVAL_MS then
    return
  end
  self._drawn_ms = now
  draw(self, text_of(self, count, bytes, share, (now - self._started_ms) / 1000))
end

--- Takes the line away.
function methods:clear()
  if self._is_shown and self._width > 0 then
    draw(self, "")
    self._write("\r")
    self._width = 0
  end
end

--- Seconds since the start.
function methods:elapsed()
  return (self._now_ms() - self._started_ms) / 1000
end

return progress
