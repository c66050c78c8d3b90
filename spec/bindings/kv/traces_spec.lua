-- Hot loops are compiled, and allocate nothing but what they return.
local paths = require "spec.support.paths"
local shell = require "spec.support.shell"
local tmpdir = require "spec.support.tmp"

-- Kilobytes a loop may allocate: traces and a few blocks of rows. One cdata per call would be more
-- than 46 KB in the shortest loop (3000 calls of 16 bytes), 312 KB in the longest.
local KILOBYTES_MAX = 40
local ALLOCATES = { ["db:scan"] = 100, ["db:scan keys_only"] = 100, ["db:scan rows"] = 100 }

describe("kv traces #plain", function()
  it("has no call in a hot loop that the compiler refuses", function()
    local result = shell.run("luajit", "spec/support/kv_traces.lua", paths.library, tmpdir())

    assert.same({ status = 0, err = "" }, { status = result.status, err = result.err })
    local count = 0
    for line in result.out:gmatch("[^\n]+") do
      local name, traces, aborts, kilobytes, texts =
        line:match("^([^\t]+)\t(%d+)\t(%d+)\t(-?%d+)\t(.*)$")
      assert.equal("0", aborts, name .. ": " .. texts)
      assert.is_true(tonumber(traces) >= 1, name .. " is not compiled")
      assert.is_true(tonumber(kilobytes) <= (ALLOCATES[name] or KILOBYTES_MAX), line)
      count = count + 1
    end
    assert.equal(15, count)
  end)
end)
