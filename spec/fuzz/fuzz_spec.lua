local shell = require "spec.support.shell"

local SECONDS = 1 -- Each target; scripts/test gives them longer.

describe("scripts/fuzz #slow #plain", function()
  it("finds nothing in the corpora and a second per target (B03 B07)", function()
    local result = shell.run("scripts/fuzz", "--seconds", SECONDS)
    if result.out:find("fuzz skipped: clang", 1, true) then
      pending(result.out)
    end
    assert.equal(0, result.status, result.out .. result.err)
    assert.matches("fuzz: %d+ passed, 0 failed, 0 skipped", result.out)
  end)

  it("names what it does not know", function()
    local result = shell.run("scripts/fuzz", "--seconds", 1, "rows")
    assert.same({ 2, "" }, { result.status, result.out })
    assert.matches("^scripts/fuzz: no target 'rows'; targets: wal block [%l ]+\n$", result.err)

    result = shell.run("scripts/fuzz", "--seconds", "soon")
    assert.same({ 2, "scripts/fuzz: --seconds wants a whole number, got 'soon'\n" },
      { result.status, result.err })
  end)
end)
