-- The client that keeps its own pace, against a real server. What it measures is not judged here.
local paths = require "spec.support.paths"
local server = require "spec.support.server"
local shell = require "spec.support.shell"
local tmpdir = require "spec.support.tmp"

describe("bench_paced #plain", function()
  local program

  after_each(server.stop_all)

  local function compile()
    program = tmpdir() .. "/paced"
    local core = paths.root .. "/core"
    local result = shell.run("cc", "-O1", "-std=gnu11", "-D_GNU_SOURCE", "-I" .. core,
      core .. "/bench/paced.c", core .. "/bench/latency.c", core .. "/base/check.c", "-o", program)
    assert.equal(0, result.status, result.err)
  end

  it("sends as many requests as the rate and the time make, and counts the answers", function()
    compile()
    local s = server.start()
    for number = 0, 9 do
      local path = ("/v1/kv/default/%016d?durability=os"):format(number)
      assert.equal(201, s:request("PUT", path, "value").status)
    end

    local result = shell.run(program, s.port, "4", "200", "1", "10")
    local other = shell.run(program, s.port, "4", "60", "1", "20")

    assert.equal(0, result.status, result.err)
    assert.matches("^RESULT 200 %d+ 0 [%d.]+ [%d.]+ [%d.]+ [%d.]+\n$", result.out)
    assert.matches("^RESULT 60 %d+ 30 ", other.out) -- Half of those keys are absent.
  end)

  it("says how it is used", function()
    compile()
    local result = shell.run(program, "1", "2")

    assert.equal(2, result.status)
    assert.matches("^usage: bench_paced PORT", result.err)
  end)
end)
