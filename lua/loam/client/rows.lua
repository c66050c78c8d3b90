-- The rows of a scan, line by line as they come. Called by loam.client.
local json = require "loam.json"

local rows = {}

-- Cuts the pieces of a body into lines.
local function line_reader(link, response)
  local block, at = "", 1
  return function()
    local finish = block:find("\n", at, true)
    local parts
    while not finish do
      local piece, err = link:read(response)
      if not piece then
        return nil, err
      end
      parts = parts or {}
      parts[#parts + 1] = block:sub(at)
      block, at = piece, 1
      finish = piece:find("\n", 1, true)
    end
    local line = block:sub(at, finish - 1)
    at = finish + 1
    if parts then
      parts[#parts + 1] = line
      line = table.concat(parts)
    end
    return line
  end
end

local function row_of(line)
  local object, message = json.decode(line)
  if message or type(object) ~= "table" then
    error({ code = "IO", text = "the server sent a row that is no JSON: " .. tostring(message) }, 0)
  elseif object["end"] then
    return nil
  elseif object.error then
    error({ code = object.code or "IO", text = object.error }, 0)
  end
  return {
    key = json.get_bytes(object, "k"), value = json.get_bytes(object, "v"), seq = object.seq,
    expires_at_ms = object.expires_at_ms, content_type = object.content_type,
  }
end

--- Returns an iterator over the rows of an answer; the connection is closed behind the last one.
--- Raises an error object when the scan failed or was cut.
function rows.iterator(link, response)
  local next_line = line_reader(link, response)
  return function()
    local line, failed = next_line()
    if not line then
      error(failed or { code = "IO", text = "the server ended the scan in the middle" }, 0)
    end
    local row = row_of(line)
    if not row then
      link:close()
    end
    return row
  end
end

--- Reads the lines of a deletion: the count, or nil, err, CODE with err.count, of what is known.
function rows.counted(link, response, on_progress)
  local next_line = line_reader(link, response)
  local count = 0
  while true do
    local line, failed = next_line()
    local told = line and json.decode(line)
    if type(told) ~= "table" then
      failed = failed or { code = "IO", text = "the server ended the deletion in the middle" }
      failed.count, failed.outcome = count, "unknown"
      return nil, failed, failed.code
    end
    count = told.count or count
    if told["end"] then
      return count
    elseif told.error then
      local code = told.code or "IO"
      return nil, { code = code, text = told.error, count = count, outcome = told.outcome }, code
    elseif on_progress then
      on_progress(count)
    end
  end
end

return rows
