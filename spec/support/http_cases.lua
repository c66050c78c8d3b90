-- Case tables of the HTTP parser: text files that hold input and expected events side by side.
--
--     # name of the case
--     GET / HTTP/1.1\r\nHost: a\r\n
--     \r\n
--     ----
--     head GET / ...
--
-- Line breaks of the file are not part of the input; \r \n \t \0 \\ \xNN are, and \(text*N) stands
-- for text repeated N times. A blank line ends a case. LOAM_REWRITE=1 writes the expectations anew.
local paths = require "spec.support.paths"

local http_cases = {}

local SHORT = { ["\r"] = "\\r", ["\n"] = "\\n", ["\t"] = "\\t", ["\0"] = "\\0", ["\\"] = "\\\\" }
local ESCAPES = { r = "\r", n = "\n", t = "\t", ["0"] = "\0", ["\\"] = "\\" }

---@param text string
---@return string bytes
function http_cases.unescape(text)
  local repeated = text:gsub("\\%((.-)%*(%d+)%)", function(part, count)
    return part:rep(tonumber(count))
  end)
  return (repeated:gsub("\\(.)(%x?%x?)", function(kind, hex)
    if kind == "x" then
      return string.char(tonumber(hex, 16))
    end
    return assert(ESCAPES[kind], "unknown escape \\" .. kind) .. hex
  end))
end

--- Makes bytes readable: one line, escapes as above.
---@param bytes string
---@return string text
function http_cases.escape(bytes)
  if #bytes > 80 then
    return ("(%d bytes)"):format(#bytes)
  end
  return (bytes:gsub("[%c\\\127-\255]", function(byte)
    return SHORT[byte] or ("\\x%02x"):format(byte:byte())
  end))
end

local function path_of(name)
  return paths.root .. "/spec/data/http/" .. name .. ".txt"
end

--- Reads spec/data/http/<name>.txt.
---@param name string
---@return table cases of { name, comment, source, input, expected }
function http_cases.read(name)
  local cases, case, part = {}, nil, "input"
  local function close()
    if case and #case.lines > 0 then
      case.input = http_cases.unescape(table.concat(case.lines))
      case.expected = table.concat(case.expected, "\n")
      cases[#cases + 1] = case
    end
    case, part = nil, "input"
  end
  for line in io.lines(path_of(name)) do
    if line == "" then
      close()
    else
      case = case or { comments = {}, lines = {}, expected = {} }
      if part == "input" and line:sub(1, 2) == "# " then
        case.name = case.name or line:sub(3)
        table.insert(case.comments, line)
      elseif line == "----" then
        part = "expected"
      else
        table.insert(part == "input" and case.lines or case.expected, line)
      end
    end
  end
  close()
  return cases
end

--- Writes the file with the `actual` of each case as its expectation.
function http_cases.rewrite(name, cases)
  local out = {}
  for _, case in ipairs(cases) do
    out[#out + 1] = table.concat(case.comments, "\n") .. "\n" .. table.concat(case.lines, "\n")
      .. "\n----\n" .. case.actual .. "\n"
  end
  local file = assert(io.open(path_of(name), "w"))
  file:write(table.concat(out, "\n"))
  file:close()
end

return http_cases
