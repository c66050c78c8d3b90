-- Reads the parts of our C headers that LuaJIT may see.
--
-- Called by scripts/gen_cdef.lua (which writes bindings/kv/cdef.lua) and by spec/support/cdef.lua
-- (which feeds internal headers to specs), so that no declaration is ever typed twice. A part
-- stands between the comment lines "ffi: begin" and "ffi: end"; a header may have several. Inside
-- them is plain C once the words below are dropped; anything else makes ffi.cdef complain, which is
-- what we want.
local cdef = {}

local BARE_WORDS = {
  "LOAM_API", "LOAM_NODISCARD", "NODISCARD", "NOINLINE", "UNUSED", "LOCKABLE", "CACHE_ALIGNED",
  "NO_THREAD_CHECK",
}
local CALL_WORDS = {
  "PRINTF_LIKE", "REQUIRES", "EXCLUDES", "ACQUIRES", "RELEASES", "PROTECTED_BY", "LOAM_THREAD_ATTR",
}

local function strip_words(text)
  for _, word in ipairs(CALL_WORDS) do
    text = text:gsub("%f[%w_]" .. word .. "%s*%b()", "")
  end
  for _, word in ipairs(BARE_WORDS) do
    text = text:gsub("%f[%w_]" .. word .. "%f[^%w_]", "")
  end
  return text
end

local function strip_comments(text)
  return (text:gsub("/%*.-%*/", ""))
end

-- Trailing blanks and empty lines are what the dropped words and comments leave behind.
local function tidy(text)
  text = text:gsub("[ \t]+\n", "\n"):gsub("[ \t]+;", ";"):gsub("\n+", "\n"):gsub("^\n", "")
  return (text:gsub("=\n +", "= "):gsub("\n +", "\n    "))
end

--- Returns the declarations of a header's text, or "" when it has no marked part.
---@param text string
---@param name string  for messages
---@return string
function cdef.extract(text, name)
  local parts, from = {}, 1
  while true do
    local _, begin = text:find("/%* ffi: begin %*/", from)
    if not begin then
      break
    end
    local finish, past = text:find("/%* ffi: end %*/", begin)
    assert(finish, name .. ": 'ffi: begin' without 'ffi: end'")
    parts[#parts + 1] = text:sub(begin + 1, finish - 1)
    from = past + 1
  end
  return tidy(strip_words(strip_comments(table.concat(parts, "\n"))) .. "\n")
end

--- Returns the house headers a header includes, as written: "base/status.h".
---@param text string
---@return string[]
function cdef.includes(text)
  local names = {}
  for name in ("\n" .. text):gmatch("\n#include \"([^\"]+)\"") do
    names[#names + 1] = name
  end
  return names
end

--- Returns the codes of loam.h as a list of {name = "NOT_FOUND", value = -1}, in their order.
---@param declarations string  result of extract()
function cdef.codes(declarations)
  local codes = {}
  local body = assert(declarations:match("enum {(.-)}"), "loam.h: no enum of codes")
  for name, value in body:gmatch("LOAM_([%u_]+)%s*=%s*(-?%d+)") do
    codes[#codes + 1] = { name = name, value = tonumber(value) }
  end
  return codes
end

--- Returns the members of a struct of numbers and texts as a list of {name = "seq", is_text =
--- false}, in their order. struct_size, which says nothing to a reader, is left out; no such
--- struct gives an empty list.
---@param declarations string  result of extract()
---@param struct string
function cdef.members(declarations, struct)
  local members = {}
  local body = declarations:match("struct " .. struct .. " {(.-)}") or ""
  for kind, name in body:gmatch("([%w_]+)%s+([%w_]+)[^;]*;") do
    if name ~= "struct_size" then
      members[#members + 1] = { name = name, is_text = kind == "char" }
    end
  end
  return members
end

--- Reads a whole file. Raises when it cannot.
---@param path string
---@return string
function cdef.read_file(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read("*a")
  file:close()
  return text
end

return cdef
