-- What machine and what build a run was made on: a figure without them says nothing.
local machine = {}

local function first_line(command)
  local pipe = io.popen(command .. " 2>/dev/null")
  local line = pipe and pipe:read("*l")
  if pipe then
    pipe:close()
  end
  return line and line ~= "" and line or "unknown"
end

--- Returns texts by name.
---@param dir string  where the stores are
---@param build string
---@return table<string, string>
function machine.describe(dir, build)
  local quoted = "'" .. dir:gsub("'", "'\\''") .. "'"
  local cache = "'" .. build:gsub("'", "'\\''") .. "/CMakeCache.txt'"
  return {
    cpu = first_line("sed -n 's/^model name[^:]*: //p' /proc/cpuinfo"),
    cores = first_line("nproc"),
    memory = first_line("awk '/^MemTotal/ {printf \"%.0f GiB\", $2 / 1048576}' /proc/meminfo"),
    kernel = first_line("uname -sr"),
    file_system = first_line("stat -f -c %T " .. quoted),
    build_type = first_line("sed -n 's/^CMAKE_BUILD_TYPE:[A-Z]*=//p' " .. cache),
    sanitizer = first_line("sed -n 's/^LOAM_SANITIZE:[A-Z]*=//p' " .. cache),
  }
end

return machine
