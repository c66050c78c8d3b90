-- CSV: every case is read in pieces of 1, 2, 3 and many bytes.
local csv = require "loam.cli.parts.csv"
local text_source = require "spec.support.text_source"

local function read_all(text, separator, piece_size)
  local from = text_source(text, piece_size, "t.csv")
  local records, lines = {}, {}
  local fields, line = csv.read(from, separator)
  while fields do
    records[#records + 1], lines[#lines + 1] = fields, line
    fields, line = csv.read(from, separator)
  end
  return records, lines
end

local CASES = {
  { "a,b\nc,d\n", { { "a", "b" }, { "c", "d" } } },
  { "a,b\r\nc,d", { { "a", "b" }, { "c", "d" } } },
  { "\n\r\na\n\n", { { "a" } } },
  { "", {} },
  { ",\n", { { "", "" } } },
  { "a,\n", { { "a", "" } } },
  { "\"\"\n", { { "" } } },
  { "\"a\"\"b\",\"c,d\"\r\n", { { "a\"b", "c,d" } } },
  { "\"one\r\ntwo\n\",x\ny,z\n", { { "one\r\ntwo\n", "x" }, { "y", "z" } } },
  { "\239\187\191k,v\n", { { "k", "v" } } },
  { "a\0b,\255\n", { { "a\0b", "\255" } } },
  { "a;b", { { "a", "b" } }, ";" },
  { "a\tb,c", { { "a", "b,c" } }, "\t" },
}

describe("cli.csv", function()
  it("reads records, whatever the size of the reads", function()
    for _, case in ipairs(CASES) do
      for _, size in ipairs { 1, 2, 3, 4096 } do
        assert.are.same(case[2], (read_all(case[1], case[3] or ",", size)))
      end
    end
  end)

  it("counts physical lines", function()
    local _, lines = read_all("a\n\"b\nc\"\n\nd\n", ",", 5)

    assert.are.same({ 1, 2, 5 }, lines)
  end)

  it("gives back what it writes", function()
    local alphabet = { "a", ",", "\"", "\n", "\r", " ", "ü", "\0", "\255" }
    for _ = 1, 1000 do
      local fields = {}
      for at = 1, math.random(1, 3) do
        local parts = {}
        for part = 1, math.random(0, 5) do
          parts[part] = alphabet[math.random(#alphabet)]
        end
        fields[at] = table.concat(parts)
      end

      assert.are.same({ fields }, (read_all(csv.record(fields, ","), ",", 7)))
    end
  end)

  it("takes one character or the word tab as separator", function()
    assert.are.equal("\t", csv.separator("tab"))
    assert.are.equal(";", csv.separator(";"))
    assert.is_nil(csv.separator("::"))
    assert.is_nil(csv.separator("\""))
  end)

  -- Error paths of csv.lua
  it("refuses what is malformed, with its line", function()
    local cases = {
      { "a\n\"b", "t.csv:2: the quote that opens here is never closed" },
      { "a\n\"b\"c\n", "t.csv:2: text after the closing quote of a field" },
      { "x\"y\n", "t.csv:1: a quote inside a field that does not begin with one" },
    }
    for _, case in ipairs(cases) do
      local is_ok, problem = pcall(read_all, case[1], ",", 3)

      assert.is_false(is_ok)
      assert.are.equal(case[2], tostring(problem))
      assert.are.equal(3, problem.exit_code)
    end
  end)
end)
