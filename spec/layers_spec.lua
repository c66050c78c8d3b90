-- Floors stay floors, and the check would notice if they did not.
local files = require "spec.support.files"
local shell = require "spec.support.shell"
local tmpdir = require "spec.support.tmp"

local function layers(path, text)
  local dir = tmpdir()
  files.write(dir, { [path] = text })
  return shell.run("scripts/layers.lua", dir)
end

describe("layers #plain", function()
  it("finds nothing in this tree", function()
    assert.same({ status = 0, out = "", err = "" }, shell.run("scripts/layers.lua"))
  end)

  it("allows the own folder, lower floors and the public header", function()
    local text = '#include "lsm/a.h"\n#include "disk/b.h"\n#include "loam.h"\n#include <stdio.h>\n'

    assert.equal(0, layers("core/lsm/a.c", text).status)
  end)

  local CASES = {
    { "a higher floor", "core/disk/a.c", '#include "lsm/b.h"\n', "core/disk onto core/lsm" },
    { "the HTTP room from the database", "core/db/a.c", '#include "http/b.h"\n',
      "core/db onto core/http" },
    { "the database from the HTTP room", "core/http/a.h", '# include "db/b.h"\n',
      "core/http onto core/db" },
    { "the engine from the HTTP room", "core/http/a.c", '#include "lsm/b.h"\n',
      "core/http onto core/lsm" },
    { "a folder without floor", "core/base/a.c", '#include "attic/b.h"\n', "on no floor" },
    { "code in a folder without floor", "core/attic/a.c", "int a;\n", "on no floor" },
    { "an include without folder", "core/base/a.c", '#include "b.h"\n', "by its path" },
    { "the host from the binding", "bindings/kv/a.lua", 'local log = require("loam.log")\n',
      'must not require "loam.log"' },
  }
  for _, case in ipairs(CASES) do
    it("reports " .. case[1], function()
      local result = layers(case[2], case[3])

      assert.equal(1, result.status)
      assert.is_truthy(result.err:find(case[2] .. ":1: ", 1, true), result.err)
      assert.is_truthy(result.err:find(case[4], 1, true), result.err)
    end)
  end
end)
