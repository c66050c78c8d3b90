-- The generated declarations are up to date, and the reader of headers does what its callers think.
local cdef = require "scripts.lib.cdef"
local files = require "spec.support.files"
local shell = require "spec.support.shell"
local tmpdir = require "spec.support.tmp"

local HEADER = [[
#include "base/attrs.h"
#define HIDDEN 1
/* ffi: begin */
/* A comment, which goes. */
enum { LOAM_OK = 0, LOAM_NOT_FOUND = -1 };
LOAM_NODISCARD LOAM_API int first(int a); /* And another. */
/* ffi: end */
static inline int hidden(void) { return 1; }
/* ffi: begin */
int second(struct mutex *mu, const char *format, ...) REQUIRES(mu->a(1)) PRINTF_LIKE(2, 3);
/* ffi: end */
]]

describe("scripts/gen_cdef.lua #plain", function()
  it("lists the members of a struct, of numbers and of texts", function()
    local text = "struct loam_stats {\n size_t struct_size;\n char uuid[37];\n int health;\n}"

    local members = cdef.members(text, "loam_stats")

    assert.same({
      { name = "uuid", is_text = true },
      { name = "health", is_text = false },
    }, members)
  end)

  it("finds bindings/kv/cdef.lua up to date", function()
    assert.same({ status = 0, out = "", err = "" }, shell.run("scripts/gen_cdef.lua", "--check"))
  end)

  it("writes a file that its check accepts, until the header changes", function()
    local dir = tmpdir()
    files.write(dir, { ["loam.h"] = HEADER })
    local function gen(...)
      return shell.run("scripts/gen_cdef.lua", dir .. "/loam.h", dir .. "/out.lua", ...)
    end

    local missing = gen("--check").status
    local written = gen().status
    local fresh = gen("--check").status
    files.write(dir, { ["loam.h"] = HEADER:gsub("first", "renamed") })
    local stale = gen("--check")

    assert.same({ 1, 0, 0, 1 }, { missing, written, fresh, stale.status })
    assert.matches("out of date: run scripts/gen_cdef.lua", stale.err)
  end)
end)

describe("scripts.lib.cdef", function()
  it("keeps the marked parts as plain C", function()
    assert.equal(table.concat({
      "enum { LOAM_OK = 0, LOAM_NOT_FOUND = -1 };",
      " int first(int a);",
      "int second(struct mutex *mu, const char *format, ...);",
      "",
    }, "\n"), (cdef.extract(HEADER, "loam.h"):gsub(" +int first", " int first")))
  end)

  it("refuses a part without end", function()
    assert.has_error(function() cdef.extract("/* ffi: begin */ int a;", "x.h") end,
      "x.h: 'ffi: begin' without 'ffi: end'")
  end)

  it("lists codes and included house headers", function()
    assert.same({ { name = "OK", value = 0 }, { name = "NOT_FOUND", value = -1 } },
      cdef.codes(cdef.extract(HEADER, "loam.h")))
    assert.same({ "base/attrs.h" }, cdef.includes(HEADER))
  end)
end)
