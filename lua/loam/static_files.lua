-- Serves files of a directory: for app.static.
--
-- Names come decoded from the URL. Any segment that is "..", empty in the middle, or has a zero
-- byte or a backslash is 404: a request never leaves the directory by its name (links that the
-- operator puts there are followed). Files are streamed in pieces, so that a slow client costs one
-- piece of memory.
local answer = require "loam.answer"
local C = require "loam.native"

local static_files = {}
local PIECE = 65536
local TYPES = {
  html = "text/html; charset=utf-8", htm = "text/html; charset=utf-8",
    css = "text/css; charset=utf-8",
  js = "text/javascript; charset=utf-8", json = "application/json",
    txt = "text/plain; charset=utf-8",
  md = "text/markdown; charset=utf-8", csv = "text/csv; charset=utf-8", svg = "image/svg+xml",
  png = "image/png", jpg = "image/jpeg", jpeg = "image/jpeg", gif = "image/gif",
    webp = "image/webp",
  ico = "image/x-icon", pdf = "application/pdf", wasm = "application/wasm", xml = "application/xml",
}

--- Returns the name when it stays inside, nil otherwise.
---@param name string
---@return string?
function static_files.safe_name(name)
  if name:find("[%z\\]") then
    return nil
  end
  for segment in (name .. "/"):gmatch("([^/]*)/") do
    if segment == ".." or segment == "." or segment == "" then
      return nil
    end
  end
  return name
end

local function open(directory, name)
  local path = directory .. "/" .. name
  if C.host_is_directory(path) == 1 then
    return nil
  end
  return io.open(path, "rb")
end

local function stream_of(file)
  return function(write)
    local piece = file:read(PIECE)
    while piece do
      write(piece)
      piece = file:read(PIECE)
    end
    file:close()
  end
end

--- Returns a handler of a route with the parameter `file`.
function static_files.handler(directory)
  return function(req)
    local name = req.params.file
    if name == "" or name:sub(-1) == "/" then
      name = name .. "index.html"
    end
    local safe = static_files.safe_name(name)
    local file = safe and open(directory, safe)
    if not file then
      return answer.error(req, 404, "no such file")
    end
    local extension = name:match("%.(%w+)$")
    local made = answer.stream(200, {
      ["Content-Type"] = TYPES[extension and extension:lower()] or "application/octet-stream",
      ["X-Content-Type-Options"] = "nosniff",
    }, stream_of(file))
    local size = file:seek("end")
    file:seek("set", 0)
    made.size = size
    return made
  end
end

return static_files
