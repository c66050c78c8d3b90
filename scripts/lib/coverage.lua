-- Prints line coverage by room from what gcov counted, and that of error paths.
--
--     luajit scripts/lib/coverage.lua BUILD_FOLDER [WORD]
--
-- WORD: also lists lines of error paths that never ran, of files whose path contains it.
--
-- A line is one of an error path when it is
--   1. part of a statement that makes or names a failure: fail(...), fail_errno(...),
--      mem_fail(...) or a code of loam.h other than LOAM_OK and LOAM_NOT_FOUND (an answer) that is
--      returned or assigned,
--   2. in the body of an `if` that was taken because something failed: its condition compares with
--      LOAM_OK by !=, or its body contains a line of 1 at its own depth.
-- Lines without code do not count. TRY(call) has both ways on one line, so the table shows apart
-- how many of these calls have ever failed (branches of gcov).
-- Files of testing.c, *_testing.c, *_stress.c and env_fault*.c are tools of the specs: not counted.
local cjson = require "cjson"

local coverage = {}

local ROOMS = { "base", "env", "disk", "lsm", "db", "http", "host" }
local TOOLS = { "testing%.[ch]$", "_stress%.[ch]$", "env_fault", "/bench/", "guard%.[ch]$" }

local function lines_of_command(command)
  local pipe = assert(io.popen(command))
  local lines = {}
  for line in pipe:lines() do
    lines[#lines + 1] = line
  end
  pipe:close()
  return lines
end

-- ---- What a line of source is ----

local function is_failure(text)
  if text:find("%f[%w_]fail%s*%(") or text:find("%f[%w_]fail_errno%s*%(")
    or text:find("%f[%w_]mem_fail%s*%(") then
    return true
  end
  local code = text:match("return%s+(LOAM_[A-Z_]+)") or text:match("[^=!<>]=%s*(LOAM_[A-Z_]+);")
  return code ~= nil and code ~= "LOAM_OK" and code ~= "LOAM_NOT_FOUND"
    and not code:find("^LOAM_WAL") and not code:find("^LOAM_HEALTH")
end

local function depth_of(text)
  local _, opened = text:gsub("{", "")
  local _, closed = text:gsub("}", "")
  return opened - closed
end

-- Without comments and the contents of strings, so that braces and names count.
local function stripped(lines)
  local out, in_comment = {}, false
  for at, line in ipairs(lines) do
    line = line:gsub('\\"', ""):gsub('"[^"]*"', '""'):gsub("'[^']'", "' '")
    if in_comment then
      local stop = line:find("*/", 1, true)
      in_comment = not stop
      line = stop and line:sub(stop + 2) or ""
    end
    line = line:gsub("/%*.-%*/", "")
    local start = line:find("/*", 1, true)
    if start then
      in_comment = true
      line = line:sub(1, start - 1)
    end
    out[at] = line
  end
  return out
end

-- The last line of the statement that line `at` is in.
local function statement_end(lines, at)
  while lines[at + 1] and not lines[at]:find("[;{}]%s*$") do
    at = at + 1
  end
  return at
end

-- The first line of the statement that line `at` is in.
local function statement_start(lines, at)
  while at > 1 and not lines[at - 1]:find("[;{}:]%s*$") and lines[at - 1]:find("%S") do
    at = at - 1
  end
  return at
end

-- The block that opens at the end of line `at`: its first and last line, and whether a line of a
-- statement of it, not of a block inside it, is in `marked`.
local function block_of(lines, at, marked)
  local depth, last, is_marked = 1, at, false
  while lines[last + 1] do
    last = last + 1
    if depth == 1 and lines[last]:find("^%s*}") then -- Also one with an `else` behind it.
      break
    end
    is_marked = is_marked or depth == 1 and marked[last]
    depth = depth + depth_of(lines[last])
  end
  return at + 1, last - 1, is_marked
end

local function mark(marked, first, last)
  for index = first, last do
    marked[index] = true
  end
end

-- Marks the body of an `if` that begins at line `at` when it is taken after a failure.
local function mark_body(lines, at, marked)
  local head = statement_end(lines, at)
  local condition = table.concat(lines, " ", at, head)
  if condition:find("{%s*$") and not condition:find(";") then
    local first, last, is_marked = block_of(lines, head, marked)
    if is_marked or condition:find("!=%s*LOAM_OK") then
      mark(marked, first, last)
    end
  end
end

--- The error paths of a source: {line number = true}, and the lines with TRY.
---@param source string[]
function coverage.error_lines(source)
  local lines, marked, tries = stripped(source), {}, {}
  for at, line in ipairs(lines) do
    if is_failure(line) then
      mark(marked, statement_start(lines, at), statement_end(lines, at))
    end
    tries[at] = line:find("%f[%w_]TRY%s*%(") or line:find("%f[%w_]TRY_TO%s*%(") or nil
  end
  for at, line in ipairs(lines) do
    if line:find("^%s*}?%s*e?l?s?e?%s*if%s*%(") then
      mark_body(lines, at, marked)
    end
  end
  return marked, tries
end

-- ---- What gcov counted ----

local function is_counted(path)
  for _, pattern in ipairs(TOOLS) do
    if path:find(pattern) then
      return false
    end
  end
  return path:find("^core/") ~= nil
end

local function add_file(counts, root, file)
  local path = file.file
  if path:sub(1, #root + 1) == root .. "/" then
    path = path:sub(#root + 2)
  end
  if not is_counted(path) then
    return
  end
  counts[path] = counts[path] or {}
  for _, line in ipairs(file.lines) do
    local known = counts[path][line.line_number] or { count = 0, branches = {} }
    counts[path][line.line_number] = known
    known.count = known.count + line.count
    for at, branch in ipairs(line.branches or {}) do
      known.branches[at] = (known.branches[at] or 0) + branch.count
    end
  end
end

-- {path = {line number = {count, branches}}} of everything that was built in the folder.
local function read_counts(folder)
  local root = lines_of_command("pwd")[1]
  local counts = {}
  local notes = lines_of_command(("find '%s/core' -name '*.gcno'"):format(folder))
  for _, note in ipairs(notes) do
    for _, text in ipairs(lines_of_command(("gcov --json-format --stdout -b '%s' 2>/dev/null")
      :format(note))) do
      if text:sub(1, 1) == "{" then
        for _, file in ipairs(cjson.decode(text).files) do
          add_file(counts, root, file)
        end
      end
    end
  end
  return counts
end

local function read_source(path)
  local lines = {}
  for line in io.lines(path) do
    lines[#lines + 1] = line
  end
  return lines
end

-- ---- The table ----

local function new_sums()
  return { lines = 0, ran = 0, error_lines = 0, error_ran = 0, tries = 0, failed = 0 }
end

local function has_failed(branches)
  for _, count in ipairs(branches) do
    if count == 0 then
      return false
    end
  end
  return #branches > 0
end

local function add_line(sums, at, line, errors, tries)
  local ran = line.count > 0 and 1 or 0
  sums.lines, sums.ran = sums.lines + 1, sums.ran + ran
  if errors[at] then
    sums.error_lines, sums.error_ran = sums.error_lines + 1, sums.error_ran + ran
  end
  if tries[at] then
    sums.tries = sums.tries + 1
    sums.failed = sums.failed + (has_failed(line.branches) and 1 or 0)
  end
end

local function print_missed(path, source, lines, errors)
  for at, text in ipairs(source) do
    if lines[at] and lines[at].count == 0 and errors[at] then
      print(("%s:%d: %s"):format(path, at, text:match("^%s*(.*)")))
    end
  end
end

local function percent(part, whole)
  return whole == 0 and "    -" or ("%5.1f"):format(100 * part / whole)
end

local function print_row(name, sums)
  print(("%-8s %6d lines %s %%   error paths %5d lines %s %%   TRY that failed %4d of %4d %s %%")
    :format(name, sums.lines, percent(sums.ran, sums.lines), sums.error_lines,
      percent(sums.error_ran, sums.error_lines), sums.failed, sums.tries,
      percent(sums.failed, sums.tries)))
end

local function main(folder, word)
  local rooms, total = {}, new_sums()
  local counts = read_counts(folder)
  local paths = {}
  for path in pairs(counts) do
    paths[#paths + 1] = path
  end
  table.sort(paths)
  for _, path in ipairs(paths) do
    local room = path:match("^core/([^/]+)/") or "loam.h"
    local source = read_source(path)
    local errors, tries = coverage.error_lines(source)
    rooms[room] = rooms[room] or new_sums()
    for at, line in pairs(counts[path]) do
      add_line(rooms[room], at, line, errors, tries)
      add_line(total, at, line, errors, tries)
    end
    if word and path:find(word, 1, true) then
      print_missed(path, source, counts[path], errors)
    end
  end
  for _, room in ipairs(ROOMS) do
    print_row(room, rooms[room] or new_sums())
  end
  print_row("core/", total)
end

if arg and arg[0] and arg[0]:find("coverage%.lua$") then
  main(assert(arg[1], "usage: coverage.lua BUILD_FOLDER [WORD]"), arg[2])
end

return coverage
