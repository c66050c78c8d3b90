-- scripts/install-deps without touching the machine: programs of the spec stand in for dpkg-query,
-- id, sudo and apt-get.
local files = require "spec.support.files"
local shell = require "spec.support.shell"
local tmpdir = require "spec.support.tmp"

-- Runs install-deps where `programs` ({name = shell text}) and the basic tools are all there is.
local function install_deps(programs, ...)
  local dir = tmpdir()
  local contents = {}
  for name, text in pairs(programs) do
    contents[name] = "#!/bin/bash\n" .. text .. "\n"
  end
  files.write(dir, contents)
  local line = ("chmod +x %s/* && for tool in bash dirname awk; do ln -s $(command -v $tool) %s/; "
    .. "done; PATH=%s scripts/install-deps"):format(dir, dir, dir)
  for _, group in ipairs { ... } do
    line = line .. " " .. group
  end
  return shell.script(line), dir
end

local function all_but(missing)
  return '[ "${@: -1}" = ' .. missing .. " ] && exit 1; echo -n installed"
end

describe("scripts/install-deps #plain", function()
  it("asks for nothing where nothing is missing", function()
    local result = install_deps { ["dpkg-query"] = "echo -n installed", ["apt-get"] = "exit 1" }

    assert.same({ status = 0, out = "", err = "" }, result)
  end)

  it("installs what is missing as root, after an update", function()
    local result, dir = install_deps {
      ["dpkg-query"] = all_but "ninja-build",
      id = "echo 0",
      ["apt-get"] = 'echo "$@" >>"${0%/*}/calls"',
    }

    assert.equal(0, result.status)
    local calls = files.read(dir .. "/calls")
    assert.matches("^%-qq update\n.*install .* ninja%-build\n$", calls)
  end)

  it("goes through sudo when it is not root", function()
    local result, dir = install_deps({
      ["dpkg-query"] = all_but "lua-busted",
      id = "echo 1000",
      sudo = 'echo "$@" >>"${0%/*}/calls"',
    }, "test")

    assert.equal(0, result.status)
    assert.matches("^apt%-get %-qq update\napt%-get .*lua%-busted\n$", files.read(dir .. "/calls"))
  end)

  describe("error paths", function()
    it("names what is missing without root and sudo", function()
      local result = install_deps({ ["dpkg-query"] = all_but "gcc", id = "echo 1000" }, "build")

      assert.equal(1, result.status)
      assert.equal("install-deps: needs root, and there is no sudo; as root: apt-get install gcc\n",
        result.err)
    end)

    it("says when this is no Debian", function()
      local result = install_deps { id = "echo 0" }

      assert.equal(1, result.status)
      assert.matches("^install%-deps: this is not a Debian system; [^\n]*\n$", result.err)
    end)

    it("refuses an unknown group", function()
      local result = install_deps({ ["dpkg-query"] = "echo -n installed" }, "tests")

      assert.equal(1, result.status)
      assert.matches("^install%-deps: unknown group 'tests'; [^\n]*\n$", result.err)
    end)

    it("ends when the update fails", function()
      local result = install_deps({
        ["dpkg-query"] = all_but "gcc", id = "echo 0", ["apt-get"] = "exit 100",
      }, "build")

      assert.equal(1, result.status)
      assert.matches("install%-deps: apt%-get update fails\n$", result.err)
    end)
  end)
end)
