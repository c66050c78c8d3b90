-- What scripts/coverage counts as a line of an error path.
local coverage = require "scripts.lib.coverage"

-- The lines of a C text that are one; they end with `// error`.
local function assert_marks(text)
  local source, wanted = {}, {}
  for line in text:gmatch "([^\n]*)\n" do
    local code, mark = line:match "^(.-)%s*(// error)$"
    source[#source + 1] = code or line
    wanted[#source] = mark and true or nil
  end
  assert.same(wanted, (coverage.error_lines(source)))
end

describe("scripts.lib.coverage #plain", function()
  it("marks statements that make a failure, whole", function()
    assert_marks [[
int f(int a, struct loam_error *err)
{
    g(a);
    return fail(err, LOAM_CORRUPT, // error
                "too bad: %d", a); // error
}
int h(int a)
{
    int rc = a > 0 ? LOAM_OK : g(a);
    rc = LOAM_IO; // error
    return LOAM_CORRUPT; // error
}
]]
  end)

  it("marks what is done after a failure, and nothing else", function()
    assert_marks [[
{
    int rc = g();
    if (rc != LOAM_OK) {
        clean_up(); // error
        return rc; // error
    }
    if (a == NULL) {
        mem_free(b); // error
        return mem_fail(err, 1); // error
    }
    if (is_large(a) &&
        b > 3) {
        rc = fail_errno(err, LOAM_IO, errno, "no"); // error
    } else if (a > 7) {
        go_on();
    } else {
        go_on();
    }
    if (rc == LOAM_OK) {
        if (b) {
            return fail(err, LOAM_INVALID, "b"); // error
        }
        go_on();
    }
}
]]
  end)

  it("marks no answer, comparison, comment or text", function()
    assert_marks [[
{
    if (rc == LOAM_NOT_FOUND) {
        return LOAM_NOT_FOUND;
    }
    /* return fail(err, LOAM_IO, "x"); */
    puts("return LOAM_IO; {");
    bool is_bad = rc == LOAM_IO || rc == LOAM_CORRUPT;
    options.wal_recovery = LOAM_WAL_STRICT;
    return LOAM_OK;
}
]]
  end)

  it("finds the calls that pass failures on", function()
    local _, tries = coverage.error_lines { "{", "    TRY(g(a));", "    TRY_TO(out, rc, g(b));",
      "    ENTRY(g(c));", "}" }

    assert.same({ false, true, true, false, false },
      { tries[1] ~= nil, tries[2] ~= nil, tries[3] ~= nil, tries[4] ~= nil, tries[5] ~= nil })
  end)
end)
