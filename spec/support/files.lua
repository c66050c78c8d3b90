-- Small trees of files for specs.
local files = {}

--- Writes `contents` ({["a/b.c"] = text}) below dir, folders included.
function files.write(dir, contents)
  for path, text in pairs(contents) do
    local folder = (dir .. "/" .. path):match("^(.*)/")
    assert(os.execute("mkdir -p '" .. folder .. "'") == 0)
    local file = assert(io.open(dir .. "/" .. path, "wb"))
    assert(file:write(text))
    file:close()
  end
end

--- Returns the text of a file, or nil.
function files.read(path)
  local file = io.open(path, "rb")
  local text = file and file:read("*a")
  if file then
    file:close()
  end
  return text
end

return files
