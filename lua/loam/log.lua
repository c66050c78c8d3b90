-- Log lines on standard error: one line per message, text or JSON, nothing that a terminal would
-- obey.
--
--     log.info("listening", { port = 8080 })
--     log.warn("slow:", seconds, "s")
--
-- Arguments are joined with blanks; a table at the end gives fields. Used by every part of the host
-- and by app.lua. Each worker has its own copy; a line is one write, so lines of workers do not
-- mix.
local json = require "loam.json"

local log = {}
local LEVELS = { debug = 0, info = 1, warn = 2, error = 3 }
local NAMES = { [0] = "debug", "info", "warn", "error" }

--- The levels, from the least one on.
log.NAMES = { "debug", "info", "warn", "error" }

local state = { level = LEVELS.info, format = "text", worker = 0, write = nil }

local function write_to_stderr(line)
  io.stderr:write(line)
end

--- Sets level ("debug", "info", "warn", "error"), format ("text", "json"), worker (number) and
--- write (function, for specs). What is absent stays.
function log.configure(options)
  if options.level then
    state.level = assert(LEVELS[options.level], "unknown log level")
  end
  state.format = options.format or state.format
  state.worker = options.worker or state.worker
  state.write = options.write or state.write
end

--- Takes the level that somebody has set while the server runs: a number of log.NAMES, 0 = none.
---@param shared ffi.cdata*  what host_shared() gives
function log.follow(shared)
  log.configure { level = log.NAMES[shared.log_level] }
end

--- Returns the text with control bytes, and bytes that are not UTF-8, as escapes.
---@param text string
---@return string
function log.escape(text)
  if json.is_utf8(text) then
    text = text:gsub("[%z\1-\31\127]", function(byte)
      return byte == "\n" and "\\n" or byte == "\t" and "\\t" or ("\\x%02x"):format(byte:byte())
    end)
    -- The C1 controls, U+0080 to U+009F.
    return (text:gsub("\194([\128-\159])",
      function(byte) return ("\\x%02x"):format(byte:byte()) end))
  end
  return (text:gsub("[%z\1-\31\127-\255]",
    function(byte) return ("\\x%02x"):format(byte:byte()) end))
end

local function timestamp(at_ms)
  at_ms = at_ms or require("loam.native").host_now_ms()
  return os.date("!%Y-%m-%dT%H:%M:%S", math.floor(at_ms / 1000)) .. (".%03dZ"):format(at_ms % 1000)
end

local function sorted(fields)
  local names = {}
  for name in pairs(fields) do
    names[#names + 1] = tostring(name)
  end
  table.sort(names)
  return names
end

local function text_line(level, message, fields, at_ms)
  local parts = { timestamp(at_ms), NAMES[level]:upper(), "[" .. state.worker .. "]",
    log.escape(message) }
  for _, name in ipairs(sorted(fields)) do
    local value = log.escape(tostring(fields[name]))
    if value == "" or value:find("[%s\"=]") then
      value = '"' .. value:gsub('"', '\\"') .. '"'
    end
    parts[#parts + 1] = log.escape(name) .. "=" .. value
  end
  return table.concat(parts, " ") .. "\n"
end

local function json_line(level, message, fields, at_ms)
  local line = { time = timestamp(at_ms), level = NAMES[level], worker = state.worker,
    message = json.is_utf8(message) and message or log.escape(message) }
  for _, name in ipairs(sorted(fields)) do
    local value = fields[name]
    if type(value) ~= "number" and type(value) ~= "boolean" then
      value = log.escape(tostring(value))
    end
    line[log.escape(name)] = line[name] == nil and value or line[name]
  end
  return json.encode(line) .. "\n"
end

local function is_fields(value)
  return type(value) == "table" and not (getmetatable(value) or {}).__tostring
end

--- Writes a message of a numbered level that happened at a time, as the engine's threads report
--- them.
function log.write(level, message, fields, at_ms)
  if level < state.level then
    return
  end
  local make = state.format == "json" and json_line or text_line
  local write = state.write or write_to_stderr
  write(make(level, message, fields or {}, at_ms))
end

for name, level in pairs(LEVELS) do
  log[name] = function(...)
    if level < state.level then
      return
    end
    local count, values, fields = select("#", ...), { ... }, nil
    if count > 1 and is_fields(values[count]) then
      fields = values[count]
      count = count - 1
    end
    for at = 1, count do
      values[at] = tostring(values[at])
    end
    log.write(level, table.concat(values, " ", 1, count), fields)
  end
end

--- Says whether messages of a level are written: lets a hot path skip making them.
function log.is_on(name)
  return LEVELS[name] >= state.level
end

return log
