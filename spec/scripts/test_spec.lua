-- scripts/test adds up its parts, whatever they end with. It runs in a small tree whose other
-- scripts, and whose busted, are stand-ins.
local files = require "spec.support.files"
local paths = require "spec.support.paths"
local shell = require "spec.support.shell"
local tmpdir = require "spec.support.tmp"

local GOOD = {
  ["scripts/install-deps"] = "exit 0",
  ["scripts/build"] = "mkdir -p build",
  ["scripts/fuzz"] = "echo 'fuzz: 0 passed, 0 failed, 0 skipped'",
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
  return result.out:match("([^\n]*)\n$"), result.status, result.out
end

-- What a busted of this script prints, in its own form of output.
local function busted_says(text)
  return ("cat <<'END'\n%s\nEND\nexit 1"):format(text)
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

  it("names what failed, and how, right before the last line", function()
    local _, _, out = run {
      ["bin/busted"] = busted_says("+-\n1 success / 1 failure / 1 error / 0 pending : 1 seconds\n\n"
        .. "Failure -> spec/a_spec.lua @ 7\na counts to three\nspec/a_spec.lua:9: Expected\n\n"
        .. "Error → spec/b_spec.lua @ 1\n\27[1mb begins\27[0m\nspec/b_spec.lua:1: no"),
      ["scripts/lint"] = "echo 'format ok'; echo 'tidy FAILED'; "
        .. "echo 'lint: 4 passed, 1 failed, 1 skipped'; exit 1",
    }

    local failures = "  %s: spec/a_spec.lua @ 7: a counts to three\n"
      .. "    spec/a_spec.lua:9: Expected\n"
      .. "  %s: spec/b_spec.lua @ 1: b begins\n    spec/b_spec.lua:1: no\n"
    assert.equal("Failed:\n" .. failures:gsub("%%s", "suite") .. failures:gsub("%%s", "sanitizers")
      .. "  lint: tidy\n6 passed, 5 failed, 1 skipped\n", out:match("Failed:\n.*"))
  end)

  it("names the spec in which a part died", function()
    local _, _, out = run {
      ["bin/busted"] = "echo '+++'; echo -n 'a_spec.lua @ 3: dies' >$LOAM_TEST_RUNNING;" ..
        " kill -ABRT $$",
    }

    assert.matches("\n  suite ended without a summary, exit status %d+, in a_spec.lua @ 3: dies\n"
      .. "  sanitizers ended without", out)
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
