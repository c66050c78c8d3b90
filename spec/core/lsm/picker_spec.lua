-- What is compacted next: text tables, and the cost of it over many flushes.
local cdef = require "spec.support.cdef"
local data_file = require "spec.support.data_file"
local ffi = require "ffi"
local lib = require "spec.support.lib"

cdef.load("lsm/picker.h")

local function options_of(args)
  local options = ffi.new("struct picker_options")
  lib.picker_options_init(options)
  for name, value in args:gmatch("([%w_]+)=(%d+)") do
    options[name] = tonumber(value)
  end
  return options
end

-- { bytes, rows, deletes, busy } tables, newest first, as C runs.
local function runs_of(list)
  local runs = ffi.new("struct picker_run[?]", math.max(1, #list))
  for index, run in ipairs(list) do
    local out = runs[index - 1]
    out.bytes, out.row_count = run.bytes, run.rows or 0
    out.delete_count, out.is_busy = run.deletes or 0, run.busy or false
  end
  return runs
end

local function parse_run(line)
  return {
    bytes = tonumber(line:match("^%d+")),
    rows = tonumber(line:match("rows=(%d+)")),
    deletes = tonumber(line:match("deletes=(%d+)")),
    busy = line:match("busy") ~= nil,
  }
end

local function answer(case)
  local list = {}
  for index, line in ipairs(case.lines) do
    list[index] = parse_run(line)
  end
  local options, runs = options_of(case.args), runs_of(list)
  local plan = lib.picker_pick(runs, #list, options)
  local debt = tonumber(lib.picker_debt(runs, #list, options))
  local due = plan.score >= 1 and "due" or "not due"
  return ("[%d, %d) %s, %s, debt %d"):format(
    tonumber(plan.start), tonumber(plan.limit), ffi.string(plan.reason), due, debt)
end

-- Flushes `count` runs (uniformly random keys: nothing is overwritten) and does every plan at once.
-- Returns write amplification and the highest number of runs.
local function simulate(count, args, size)
  local options, list, written, flushed, most = options_of(args or ""), {}, 0, 0, 0
  for flush = 1, count do
    local bytes = size and size(flush) or 1000
    table.insert(list, 1, { bytes = bytes, rows = bytes })
    written, flushed = written + bytes, flushed + bytes
    most = math.max(most, #list)
    while true do
      local plan = lib.picker_pick(runs_of(list), #list, options)
      local start, limit = tonumber(plan.start), tonumber(plan.limit)
      if start == limit then
        break
      end
      local merged = 0
      for _ = start + 1, limit do
        merged = merged + table.remove(list, start + 1).bytes
      end
      table.insert(list, start + 1, { bytes = merged, rows = merged })
      written = written + merged
    end
  end
  return written / flushed, most
end

describe("lsm.picker", function()
  it("answers as the text tables say", function()
    data_file.run("spec/data/picker/pick.txt", answer, function(title, expected, actual)
      assert.equal(expected, actual, title)
    end)
  end)

  it("writes a byte about twice over twenty flushes", function()
    local amplification, most = simulate(20)

    assert.is_true(amplification <= 2.3, amplification)
    assert.is_true(most <= 12, most)
  end)

  it("grows gently", function()
    for _, case in ipairs { { 50, 2.7 }, { 200, 3.4 }, { 2000, 4.2 } } do
      local amplification, most = simulate(case[1])
      assert.is_true(amplification <= case[2], case[1] .. ": " .. amplification)
      assert.is_true(most <= 21, most)
    end
  end)

  it("keeps the number of runs bounded for flushes of any size", function()
    local sizes = {
      function(flush) return flush % 7 * 300 + 1 end,
      function(flush) return 1000000 / flush end,
      function(flush) return flush * flush end,
      function(flush) return flush % 20 == 0 and 100000 or 10 end,
    }
    for _, size in ipairs(sizes) do
      local _, most = simulate(400, "", size)
      assert.is_true(most <= 21, most)
    end
  end)

  it("has no debt when nothing is due", function()
    local runs = runs_of { { bytes = 10 }, { bytes = 1000 } }

    assert.equal(0, tonumber(lib.picker_debt(runs, 2, options_of(""))))
  end)
end)
