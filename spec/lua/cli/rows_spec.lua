-- Rows of load and dump in both formats.
local rows = require "loam.cli.parts.rows"
local text_source = require "spec.support.text_source"

local function read_all(text, format, given)
  local list = {}
  for row in rows.reader(text_source(text, 11, "in"), format, given or {}) do
    list[#list + 1] = row
  end
  return list
end

local function message_of(text, format, given)
  local is_ok, problem = pcall(read_all, text, format, given)
  assert.is_false(is_ok)
  return tostring(problem)
end

describe("cli.rows ndjson", function()
  it("reads plain and base64url members, expiry and content type", function()
    local list = read_all('{"k":"a","v":"ü"}\n\n{"k64":"AP8","v64":"","ttl":1.5}\n'
      .. '{"k":"b","v":"1","expires_at_ms":1893456000000,"content_type":"text/plain","seq":7}',
      "ndjson")

    assert.are.same({
      { key = "a", value = "ü", line = 1 },
      { key = "\0\255", value = "", ttl = 1.5, line = 3 },
      { key = "b", value = "1", expires_at_ms = 1893456000000, content_type = "text/plain",
        line = 4 },
    }, list)
  end)

  it("reads the answer of a scan over HTTP and refuses one that failed", function()
    local text = '{"k":"a","v":"1"}\n{"end":true,"count":1,"next":null}\n'

    assert.are.equal(1, #read_all(text, "ndjson"))
    assert.are.equal("in:2: the server ended this scan with an error: block damaged",
      message_of('{"k":"a","v":"1"}\n{"error":"block damaged","code":"CORRUPT"}\n', "ndjson"))
  end)

  it("writes what it reads", function()
    local text_of, header = rows.writer("ndjson", {})
    local row = { key = "a\"\n", value = "\0\255", expires_at_ms = 1893456000123 }

    local text = text_of(row)

    assert.are.equal("", header)
    assert.are.equal('{"k":"a\\"\\n","v64":"AP8","expires_at_ms":1893456000123}\n', text)
    row.line = 1
    assert.are.same({ row }, read_all(text, "ndjson"))
  end)

  -- Error paths of rows.lua, NDJSON
  it("names file, line and what is wrong", function()
    local cases = {
      { '{"k":"a"}', "in:1: v or v64 is missing" },
      { '\n{"v":"a"}', "in:2: k or k64 is missing" },
      { '[1]', "in:1: a row is a JSON object" },
      { '7', "in:1: a row is a JSON object" },
      { '{"k":"a","v":1}', "in:1: v is a string, got number" },
      { '{"k":"a","k64":"YQ","v":"1"}', "in:1: k and k64 exclude each other" },
      { '{"k64":"?","v":"1"}', "in:1: k64 is not base64url" },
      { '{"k":"a","v":"1","ttl":-1}', "in:1: ttl is a number of at least 0, got -1" },
      { '{"k":"a","v":"1","expires_at_ms":true}',
        "in:1: expires_at_ms is a number of at least 0, got true" },
    }
    for _, case in ipairs(cases) do
      assert.are.equal(case[2], message_of(case[1], "ndjson"))
    end
    assert.matches("^in:1: unknown member 'vv';", message_of('{"k":"a","vv":"1"}', "ndjson"))
    assert.matches("^in:1: no JSON: ", message_of('{"k":', "ndjson"))
    assert.matches("^in:1: no JSON: ", message_of('{"k":"\255"}', "ndjson"))
  end)
end)

describe("cli.rows csv", function()
  it("finds the columns by name, by number, or in the default places", function()
    local expected = { { key = "a", value = "1", line = 2 } }

    assert.are.same(expected, read_all("value,key\n1,a\n", "csv"))
    assert.are.same(expected, read_all("id,n\na,1\n", "csv",
      { key_column = "id", value_column = "2" }))
    assert.are.same({ { key = "a", value = "1", line = 1 } },
      read_all("a,1\n", "csv", { no_header = true }))
  end)

  it("reads ttl and expiry where there are such columns", function()
    local list = read_all("key,value,ttl,expires_at_ms\na,1,60,\nb,2,,1893456000000\n", "csv")

    assert.are.equal(60, list[1].ttl)
    assert.is_nil(list[1].expires_at_ms)
    assert.are.equal(1893456000000, list[2].expires_at_ms)
  end)

  it("writes what it reads", function()
    local text_of, header = rows.writer("csv", {})
    local row = { key = "a,\"", value = "\0\255\r\n", expires_at_ms = 1893456000123 }

    local text = header .. text_of(row)

    row.line = 2
    assert.are.same({ row }, read_all(text, "csv"))
  end)

  it("has no rows in an empty file", function()
    assert.are.same({}, read_all("", "csv"))
  end)

  -- Error paths of rows.lua, CSV
  it("names file, line and what is wrong", function()
    assert.are.equal("in:1: no column 'key'; there are 'a', 'b'", message_of("a,b\n1,2\n", "csv"))
    assert.are.equal("in:2: the header has 2 columns, this record 3",
      message_of("key,value\n1,2,3\n", "csv"))
    assert.are.equal("in:1: the value is column 2, and this record has 1",
      message_of("a\n", "csv", { no_header = true }))
    assert.are.equal("without a header a column is its number from 1, got 'x'",
      message_of("a,b\n", "csv", { no_header = true, key_column = "x" }))
    assert.are.equal("in:2: ttl is a number of at least 0, got soon",
      message_of("key,value,ttl\na,1,soon\n", "csv"))
  end)
end)

describe("cli.rows", function()
  it("takes the format from the name when none is given", function()
    assert.are.equal("csv", rows.format(nil, "a.CSV"))
    assert.are.equal("csv", rows.format(nil, "a.tsv"))
    assert.are.equal("ndjson", rows.format(nil, "a.jsonl"))
    assert.are.equal("ndjson", rows.format(nil, nil))
    assert.are.equal("csv", rows.format("csv", "a.json"))
  end)
end)
