-- The tree keeps the house rules, and tidy would notice if it did not.
local files = require "spec.support.files"
local shell = require "spec.support.shell"
local tmpdir = require "spec.support.tmp"

-- Returns what tidy says about a tree of files.
local function tidy(contents)
  local dir = tmpdir()
  files.write(dir, contents)
  return shell.run("scripts/tidy.lua", dir)
end

local function c_file(body)
  return {
    ["core/base/CMakeLists.txt"] = "loam_room(base\n  a.c)\n",
    ["core/base/a.c"] = "/* a.c - for a spec. */\n" .. body,
  }
end

local function with(contents, path, text)
  contents[path] = text
  return contents
end

describe("tidy #plain", function()
  it("finds nothing in this tree", function()
    local result = shell.run("scripts/tidy.lua")

    assert.equal("", result.err)
    assert.equal(0, result.status)
  end)

  it("passes a small clean tree", function()
    assert.same({ status = 0, out = "", err = "" }, tidy(c_file("int a;\n")))
  end)

  local CASES = {
    { "a banned call", "void f(void)\n{\n    strcpy(a, b);\n}\n", "a%.c:4: banned call: strcpy" },
    { "malloc outside its file", "void f(void)\n{\n    a = malloc(1);\n}\n", "malloc: use mem_" },
    { "fsync above the env floor", "int f(void)\n{\n    return fsync(1);\n}\n", "use env_sync" },
    { "printing in the core", "void f(void)\n{\n    printf(\"x\");\n}\n", "printf: use an error" },
    { "a // comment", "int a; // why\n", "a%.c:2: comment" },
    { "a long line", "int " .. ("a"):rep(100) .. ";\n", "a%.c:2: long line" },
    { "an unfinished thought", "/* TO" .. "DO: later */\n", "word: TO" .. "DO" },
    { "blanks at the end of a line", "int a; \n", "a%.c:2: blanks" },
    { "a missing last line break", "int a;", "last line has no line break" },
    { "a long function", "void f(void)\n{\n" .. ("    g();\n"):rep(71) .. "}\n",
      "a%.c:3: function length: 71 lines" },
    { "a long file", ("int a;\n"):rep(500), "a%.c:1: file length: 501 lines" },
  }
  for _, case in ipairs(CASES) do
    it("reports " .. case[1], function()
      local result = tidy(c_file(case[2]))

      assert.equal(1, result.status)
      assert.matches(case[3], result.err)
    end)
  end

  it("takes banned names in strings and comments for what they are", function()
    local text = "/* strcpy(a, b) // x */\n"
      .. "const char *a = \"http://x strcpy(a, \\\" b)\";\nchar b = '\"';\n"

    assert.same({ status = 0, out = "", err = "" }, tidy(c_file(text)))
  end)

  it("reports a C file that is not built", function()
    local result = tidy(with(c_file("int a;\n"), "core/base/lost.c", "/* lost.c */\n"))

    assert.matches("core/base/lost%.c:1: not built", result.err)
  end)

  it("reports an unexpected type of file", function()
    local result = tidy(with(c_file("int a;\n"), "core/base/a.exe", "x\n"))

    assert.matches("a%.exe:1: file type", result.err)
  end)

  it("reports a file that says nothing of itself", function()
    local result = tidy(with(c_file("int a;\n"), "lua/loam/a.lua", "return 1\n"))

    assert.matches("a%.lua:1: opening comment", result.err)
  end)

  it("reports a large file, data included", function()
    local result = tidy(with(c_file("int a;\n"), "spec/data/big.sst", ("x"):rep(300000)))

    assert.matches("big%.sst:1: large file", result.err)
  end)

  it("forgives a known sinner", function()
    local known = 'return { { "core/base/a.c", "comment", "a reason" } }\n'
    local tree = with(c_file("int a; // why\n"), "scripts/tidy_known.lua", "-- Known.\n" .. known)

    assert.same({ status = 0, out = "", err = "" }, tidy(tree))
  end)

  it("reports a known sinner that no longer sins", function()
    local known = 'return { { "core/base/a.c", "comment", "a reason" } }\n'
    local tree = with(c_file("int a;\n"), "scripts/tidy_known.lua", "-- Known.\n" .. known)

    local result = tidy(tree)

    assert.equal(1, result.status)
    assert.matches("take it off the list", result.err)
  end)
end)
