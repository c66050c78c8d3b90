-- scripts/test adds up its parts, whatever they end with. It runs in a small tree whose other
-- scripts, and whose busted, are stand-ins.
local files = require "spec.support.files"
local paths = require "spec.support.paths"
local shell = require "spec.support.shell"
local tmpdir = require "spec.support.tmp"

local GOOD = {
  ["scripts/install-deps"] = "exit 0",
  ["scripts/build"] = "mkdir -p build",
  ["scripts/lint"] = "echo 'lint: 5 passed, 0 failed, 1 skipped'",
  ["bin/busted"] = "echo '10 successes / 0 failures / 0 errors / 2 pending : 0.1 seconds'",
}

-- Runs .ci/run with some stand-ins replaced; returns the last line and the exit status.
local function run(replaced)
  local dir = tmpdir()
  local contents = {}
  for path, text in pairs(GOOD) do
    contents[path] = "#!/bin/bash\n" .. (replaced[path] or text) .. "\n"
  end
  for _, path in ipairs { "scripts/test", ".ci/run" } do
    contents[path] = files.read(paths.root .. "/" .. path)
  end
  files.write(dir, contents)
  local result = shell.script(("chmod +x %s/scripts/* %s/bin/* %s/.ci/run; cd /; PATH=%s/bin:$PATH "
    .. "%s/.ci/run"):format(dir, dir, dir, dir, dir))
  return result.out:match("([^\n]*)\n$"), result.status
end

describe("scripts/test #plain", function()
  it("sums up all parts in its last line", function()
    local last, status = run {}

    assert.equal("25 passed, 0 failed, 5 skipped", last)
    assert.equal(0, status)
  end)

  it("counts failures and errors and fails", function()
    local last, status = run {
      ["bin/busted"] = "echo '1 success / 2 failures / 1 error / 0 pending : 1 seconds'; exit 3",
    }

    assert.equal("7 passed, 6 failed, 1 skipped", last)
    assert.equal(1, status)
  end)

  it("counts a part that ends without a summary as a failure", function()
    local last, status = run { ["bin/busted"] = "echo '+++'; kill -ABRT $$" }

    assert.equal("5 passed, 2 failed, 1 skipped", last)
    assert.equal(1, status)
  end)

  it("counts lint findings", function()
    local last, status = run {
      ["scripts/lint"] = "echo 'lint: 4 passed, 1 failed, 1 skipped'; exit 1",
    }

    assert.equal("24 passed, 1 failed, 5 skipped", last)
    assert.equal(1, status)
  end)

  it("goes on without the sanitizer build when that fails", function()
    local last, status = run { ["scripts/build"] = "mkdir -p build; [ $1 = build ]" }

    assert.equal("15 passed, 1 failed, 3 skipped", last)
    assert.equal(1, status)
  end)

  it("ends when the build fails", function()
    local last, status = run { ["scripts/build"] = "exit 1" }

    assert.equal("0 passed, 1 failed, 0 skipped", last)
    assert.equal(1, status)
  end)

  it("goes on when the lint tools cannot be installed", function()
    local last, status = run { ["scripts/install-deps"] = "[ $1 != lint ]" }

    assert.equal("25 passed, 0 failed, 5 skipped", last)
    assert.equal(0, status)
  end)
end)
