-- The progress line, units and aligned columns.
local columns = require "loam.cli.parts.columns"
local progress = require "loam.cli.parts.progress"
local show = require "loam.cli.parts.show"
local units = require "loam.cli.parts.units"

local function line_at(now)
  local written = {}
  local line = progress.new("load", {
    is_shown = true, write = function(text) written[#written + 1] = text end,
    now_ms = function() return now.ms end,
  })
  return line, written
end

describe("cli.progress", function()
  it("shows share, rows, bytes, rate and the time that remains", function()
    local now = { ms = 0 }
    local line, written = line_at(now)
    now.ms = 10000

    line:update(50000, 1048576, 0.25)

    assert.are.equal("\rload  [#####---------------]  25%  50,000 rows  1.0 MiB  5,000/s"
      .. "  0:30 left", written[1])
  end)

  it("tells no share and no remaining time where the whole is unknown", function()
    local now = { ms = 0 }
    local line, written = line_at(now)
    now.ms = 2000

    line:update(10, 2048, nil)

    assert.are.equal("\rload  10 rows  2.0 KiB  5/s", written[1])
  end)

  it("draws at most ten times a second", function()
    local now = { ms = 1 }
    local line, written = line_at(now)
    for step = 1, 1000 do
      now.ms = 1 + step
      line:update(step)
    end

    assert.is_true(#written <= 11)
  end)

  it("blanks what it has drawn", function()
    local line, written = line_at({ ms = 0 })
    line:update(1)
    local width = #written[1] - 1

    line:clear()

    assert.are.equal("\r" .. (" "):rep(width) .. "\r", written[2] .. written[3])
  end)
end)

describe("cli.units", function()
  it("groups digits and chooses units", function()
    assert.are.equal("0", units.count(0))
    assert.are.equal("999", units.count(999))
    assert.are.equal("1,234,567", units.count(1234567))
    assert.are.equal("512 bytes", units.bytes(512))
    assert.are.equal("1.5 KiB", units.bytes(1536))
    assert.are.equal("1:02:03", units.clock(3723))
    assert.are.equal("12.3 us", units.latency(12345))
  end)
end)

describe("cli.columns", function()
  it("aligns by characters, not by bytes", function()
    assert.are.same({ "name  n", "ä     1", "日本    22" },
      columns.lines({ { "name", "n" }, { "ä", "1" }, { "日本", "22" } }))
  end)

  it("sets numbers right", function()
    assert.are.same({ "a    1", "b  100" },
      columns.lines({ { "a", "1" }, { "b", "100" } }, { [2] = true }))
  end)
end)

describe("cli.show", function()
  it("prints Lua values on one line", function()
    assert.are.equal("\"a\\x00\", 1, nil, true", show.values(4, "a\0", 1, nil, true))
    assert.are.equal("{ 1, 2, [\"a b\"] = 0.5, key = { \"x\" } }",
      show.value({ 1, 2, key = { "x" }, ["a b"] = 0.5 }))
    assert.are.equal("{}", show.value({}))
  end)

  it("ends at deep and at endless tables", function()
    local loop = {}
    loop.self = loop

    assert.are.equal("{ self = { self = { self = { self = {...} } } } }", show.value(loop))
  end)
end)
