-- The checked-in declarations are those of the headers.
local paths = require "spec.support.paths"

describe("loam.cdef", function()
  it("is what scripts/gen_host_cdef.lua makes of the headers", function()
    assert.equal(0, os.execute("luajit " .. paths.root .. "/scripts/gen_host_cdef.lua --check"))
  end)
end)
