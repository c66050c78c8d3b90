-- The examples of core/FORMAT.md as bytes.
--
--     local example = require "spec.support.format_example"
--     example "ops"      -- the bytes below the line that begins with: Example `ops`
--
-- In a block, what stands behind "|" in a line is comment.
local paths = require "spec.support.paths"

local function read_all()
  local file = assert(io.open(paths.root .. "/core/FORMAT.md", "rb"))
  local text = file:read("*a")
  file:close()
  return text
end

return function(name)
  local text = read_all()
  local _, at = text:find("\nExample `" .. name .. "`", 1, true)
  assert(at, "core/FORMAT.md has no example `" .. name .. "`")
  local block = assert(text:match("```hex\n(.-)```", at), "example `" .. name .. "` has no bytes")
  local bytes = {}
  for line in block:gmatch("[^\n]+") do
    for pair in line:match("^[^|]*"):gmatch("%S+") do
      bytes[#bytes + 1] = string.char((assert(tonumber(pair, 16), "not a byte: " .. pair)))
    end
  end
  return table.concat(bytes)
end
