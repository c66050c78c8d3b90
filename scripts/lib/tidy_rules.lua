-- The rules of scripts/tidy.lua, as data where possible. Each check is called with
-- (path, text, complain) and reports through complain(line, rule, text).
local tree = require "scripts.lib.tree"

local rules = {}

local COLUMNS_MAX = 100
local FUNCTION_LINES_MAX = 70
local FILE_LINES_MAX = { c = 500, h = 300, lua = 400 }
local BLOB_BYTES_MAX = 256 * 1024

-- Called functions that are banned in C, what to call instead, and where they are at home: one
-- pattern, or two.
local BANNED = {
  { "malloc calloc realloc free strdup", "mem_* of base/memory.h", "^core/base/memory%.c$" },
  { "strcpy strcat sprintf vsprintf strncpy", "memcpy or snprintf with the size at hand" },
  { "asprintf vasprintf", "buf_printf" },
  { "gets scanf sscanf", "a reader that knows the size" },
  { "atoi atol atoll atof strtok", "a parser that reports bad input" },
  { "rand srand random", "env random" },
  { "alloca", "mem_alloc or a fixed array" },
  { "fsync fdatasync sync_file_range", "env_sync", "^core/env/" },
  { "printf fprintf puts fputs perror", "an error code; only the host prints", "^core/host/",
    "^core/bench/" },
  { "exit abort", "an error code; only the host ends the process", "^core/host/", "^core/bench/" },
}

-- Words that stay out of main, in halves, so that this file passes.
local WORDS = { "TO" .. "DO", "FIX" .. "ME", "XX" .. "X", "HA" .. "CK" }

local EXTENSIONS = {
  c = true, h = true, lua = true, md = true, map = true, ["in"] = true, cmake = true, txt = true,
  json = true, yaml = true, yml = true, cfg = true,
}
local PLAIN_NAMES = {
  LICENSE = true, [".gitignore"] = true, [".busted"] = true, [".luacheckrc"] = true,
  [".clang-format"] = true, [".clang-tidy"] = true, [".editorconfig"] = true, [".git"] = true,
}

-- Tables and prose whose lines nobody breaks.
local UNWRAPPED = { md = true, json = true }

local function extension(path)
  return path:match("%.(%w+)$")
end

local function is_data(path)
  return path:find("^spec/data/") or path:find("^examples/data/")
end

local function is_code(path)
  local kind = extension(path)
  return not is_data(path) and (kind == "c" or kind == "h" or kind == "lua")
end

-- Returns the last byte of the comment, string or character constant that starts at `from`, or nil
-- for a plain slash.
local function token_end(text, from)
  local opener = text:sub(from, from)
  if opener == "/" then
    local is_comment = text:sub(from + 1, from + 1) == "*"
    return is_comment and (select(2, text:find("*/", from + 2, true)) or #text) or nil
  end
  local at = from
  repeat
    at = text:find("[\\" .. opener .. "\n]", at + 1) or #text
    local is_escape = text:sub(at, at) == "\\"
    at = is_escape and at + 1 or at
  until not is_escape
  return at
end

-- Blanks comments, strings and character constants of C, keeps line breaks.
local function code_only(text)
  local out, at = {}, 1
  while true do
    local from = text:find("[\"'/]", at)
    if not from then
      out[#out + 1] = text:sub(at)
      return table.concat(out)
    end
    out[#out + 1] = text:sub(at, from - 1)
    local finish = token_end(text, from)
    out[#out + 1] = finish and (text:sub(from, finish):gsub("[^\n]", " ")) or "/"
    at = (finish or from) + 1
  end
end

local function check_lines(path, text, complain)
  if is_data(path) or UNWRAPPED[extension(path) or ""] or PLAIN_NAMES[path] then
    return
  end
  for number, line in tree.lines(text) do
    local _, continuation_bytes = line:gsub("[\128-\191]", "")
    if #line - continuation_bytes > COLUMNS_MAX then
      complain(number, "long line", ("%d columns, at most %d"):format(#line, COLUMNS_MAX))
    end
    if line:find("[ \t\r]$") then
      complain(number, "blanks", "blanks at the end of the line")
    end
    if line:find("\t") then
      complain(number, "blanks", "a tab; indent with spaces")
    end
  end
  if text ~= "" and text:sub(-1) ~= "\n" then
    complain(1, "blanks", "the last line has no line break")
  end
end

local function check_words(path, text, complain)
  if not is_code(path) then
    return
  end
  for number, line in tree.lines(text) do
    for _, word in ipairs(WORDS) do
      if line:find("%f[%w_]" .. word .. "%f[^%w_]") then
        complain(number, "word", word .. " may not reach main")
      end
    end
  end
end

local function check_banned(path, text, complain)
  if not path:find("^core/.*%.[ch]$") then
    return
  end
  for number, line in tree.lines(code_only(text)) do
    if line:find("//", 1, true) then
      complain(number, "comment", "a // comment; write /* */")
    end
    for _, rule in ipairs(BANNED) do
      local names, instead = rule[1], rule[2]
      local is_home = rule[3] and path:find(rule[3]) or rule[4] and path:find(rule[4])
      for name in names:gmatch("%S+") do
        local is_call = line:find("%f[%w_]" .. name .. "%s*%(") and not line:find("[%.>]" .. name)
        if is_call and not is_home then
          complain(number, "banned call", ("%s: use %s"):format(name, instead))
        end
      end
    end
  end
end

-- A function is what stands between "{" and "}" in the first column, as clang-format writes it.
local function check_c_functions(path, text, complain)
  if not path:find("%.c$") then
    return
  end
  local opened_at
  for number, line in tree.lines(text) do
    if line == "{" then
      opened_at = number
    elseif line == "}" and opened_at then
      local count = number - opened_at - 1
      if count > FUNCTION_LINES_MAX then
        complain(opened_at, "function length",
          ("%d lines, at most %d"):format(count, FUNCTION_LINES_MAX))
      end
      opened_at = nil
    end
  end
end

local function check_file(path, text, complain)
  local _, count = text:gsub("\n", "")
  local limit = is_code(path) and FILE_LINES_MAX[extension(path)]
  if limit and count > limit then
    complain(1, "file length", ("%d lines, at most %d"):format(count, limit))
  end
  if #text > BLOB_BYTES_MAX then
    complain(1, "large file", ("%d bytes, at most %d"):format(#text, BLOB_BYTES_MAX))
  end
  if is_code(path) and not path:find("^spec/") then
    if not (text:find("^/%*") or text:find("^%-%-") or text:find("^#!")) then
      complain(1, "opening comment", "the file does not open with a comment that says what it is")
    end
  end
end

local function check_type(path, _, complain)
  local name = path:match("[^/]+$")
  local is_script = (path:find("^scripts/") or path:find("^%.ci/")) and not name:find("%.")
  if not (EXTENSIONS[extension(path) or ""] or PLAIN_NAMES[name] or is_script or is_data(path)) then
    complain(1, "file type", "an unexpected type of file")
  end
end

rules.checks = {
  check_lines, check_words, check_banned, check_c_functions, check_file, check_type,
}

--- Complains about C files that no CMakeLists.txt of their folder names.
---@param files string[]
---@param read fun(path: string): string
function rules.check_listed(files, read, complain)
  local lists = {}
  for _, path in ipairs(files) do
    if path:find("CMakeLists%.txt$") then
      lists[path:match("^(.*)/") or ""] = read(path)
    end
  end
  for _, path in ipairs(files) do
    local folder, name = path:match("^(core/.*)/([^/]+%.c)$")
    while folder and folder:find("/") and not lists[folder] do
      name = folder:match("[^/]+$") .. "/" .. name
      folder = folder:match("^(.*)/")
    end
    if folder then
      local escaped = name:gsub("%p", "%%%0")
      if not (lists[folder] or ""):find("%f[%w_]" .. escaped .. "%f[^%w_]") then
        complain(path, 1, "not built", "named by no CMakeLists.txt: it is not built")
      end
    end
  end
end

return rules
