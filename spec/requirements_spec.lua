-- The list of requirements on reliability has a row in spec/README.md for each number, with places
-- that exist and of which one names the number: a case that was dropped, or never there, shows.
local files = require "spec.support.files"
local paths = require "spec.support.paths"

-- Groups of the list and how many cases each has: crash, disk errors, bit rot, resources,
-- concurrency, HTTP abuse.
local GROUPS = { C = 20, D = 12, B = 10, R = 7, K = 13, H = 20 }

local function numbers()
  local list = {}
  for letter, count in pairs(GROUPS) do
    for at = 1, count do
      list[#list + 1] = ("%s%02d"):format(letter, at)
    end
  end
  table.sort(list)
  return list
end

-- {number = {where = text, result = text}} of the table in spec/README.md.
local function read_rows()
  local rows = {}
  for line in assert(files.read(paths.root .. "/spec/README.md")):gmatch "[^\n]+" do
    local number, where, result = line:match("^| (%u%d%d) [^|]*|([^|]*)|([^|]*)|$")
    if number then
      assert(not rows[number], number .. " has two rows")
      rows[number] = { where = where:match("^%s*(.-)%s*$"), result = result:match("^%s*(.-)%s*$") }
    end
  end
  return rows
end

-- The files that a text names: specs by path, data of specs, rigs of torture in backquotes.
local function places_of(where)
  local found = {}
  for word in where:gmatch "[%w_/]+_spec%f[^%w_]" do
    found[#found + 1] = "spec/" .. word .. ".lua"
  end
  for word in where:gmatch "data/[%w_/]+" do
    found[#found + 1] = "spec/" .. word .. ".txt"
  end
  for word in where:gmatch "`([%w_]+)`" do
    found[#found + 1] = "spec/torture/rigs/" .. word .. ".lua"
  end
  return found
end

describe("requirements #plain", function()
  local rows = read_rows()

  it("are all in the table, and nothing else is", function()
    local listed = {}
    for number in pairs(rows) do
      listed[#listed + 1] = number
    end
    table.sort(listed)

    assert.same(numbers(), listed)
  end)

  -- What is wrong with a row, or nil.
  local function problem_of(number, where)
    if where:find("^not applicable: %S") then
      return nil
    end
    local is_named = false
    for _, path in ipairs(places_of(where)) do
      local text = files.read(paths.root .. "/" .. path)
      if not text then
        return path .. " is not there"
      end
      is_named = is_named or text:find("%f[%w]" .. number .. "%f[%W]") ~= nil
    end
    return not is_named and "no place that names it" or nil
  end

  it("are tested where the table says, by name, or say why not", function()
    local problems = {}
    for _, number in ipairs(numbers()) do
      problems[number] = problem_of(number, rows[number] and rows[number].where or "")
    end

    assert.same({}, problems)
  end)

  it("name guards that there are, and tell the last result", function()
    local guards = assert(files.read(paths.root .. "/core/base/guard.h"))
    for number, row in pairs(rows) do
      for name in (row.where:match("guards?%s+(.*)$") or ""):gmatch "%u[%u_]+" do
        assert.truthy(guards:find("X(" .. name .. ")", 1, true), number .. ": " .. name)
      end
      assert.is_true(row.result ~= "" or row.where:find("^not applicable") ~= nil, number)
    end
  end)
end)
