-- The shell: through a pipe, with -e, and on a pseudo-terminal.
local program = require "spec.support.program"
local shell = require "spec.support.shell"
local tmpdir = require "spec.support.tmp"

local dir

before_each(function()
  dir = tmpdir()
end)

-- Feeds lines to the shell.
local function feed(...)
  return program.run({ "shell", "--create", "--data", dir .. "/db" },
    table.concat({ ... }, "\n") .. "\n")
end

describe("loam shell from a pipe", function()
  it("understands its commands in either case, without a prompt", function()
    local result = feed("SET a 1", "put b 2 1000", "GET a", "get c", "list", "count", "Del a",
      "DELETE x y", "LIST", "scan b 1", "# a comment", "", "EXIT", "get b")

    assert.are.equal("ok\nok\n1\n(not found)\na 1\nb 2\n2\nok\nok\nb 2\nb 2\n", result.out)
    assert.are.equal("", result.err)
    assert.are.equal(0, result.status)
  end)

  it("takes and prints bytes in a form that can be typed back", function()
    local result = feed([[set "k \x00\xff" "a\n\t\"\\"]], [[get "k \x00\xff"]], "list",
      "set j {\"a\":[1]}", "get j", "set u grüße", "get u")

    assert.are.equal([[
ok
"a\n\t\"\\"
"k \x00\xff" "a\n\t\"\\"
ok
"{\"a\":[1]}"
ok
grüße
]], result.out)
  end)

  it("counts, increments and limits lists", function()
    local lines = {}
    for at = 1, 101 do
      lines[at] = "set k" .. at .. " v"
    end
    lines[#lines + 1] = "list k"
    local result = feed(unpack(lines))

    assert.are.equal(201, select(2, result.out:gsub("\n", "")))
    assert.matches("^%.%.%. there are more: ", result.err)
    assert.are.equal("(not found)\n6\n8\n9\n",
      feed("incr n", "incr n 1 5", "incr n 2", "incr n").out)
  end)

  it("makes, uses and drops buckets", function()
    local result = feed("create logs", "use logs", "set a 1", "buckets", "use default", "get a",
      "drop logs", "buckets")

    assert.are.equal("ok\nok\n  default\n* logs\n(not found)\nok\n* default\n", result.out)
    assert.are.equal("", result.err)
  end)

  it("evaluates Lua with kv and db at hand", function()
    local result = feed("set a 1", "= db:get 'a', kv.version", "= x = { 1, 'b' }", "= x",
      "= db:bucket 'none'", "= nil", "= for i = 1, 2 do db:put('k' .. i, 'v') end", "count k")

    assert.matches('^ok\n"1", "%d+%.%d+%.%d+"\n{ 1, "b" }\nnil, NOT_FOUND: .*\nnil\n2\n$',
      result.out)
  end)

  it("goes on after a failure and tells its exit code at the end", function()
    local result = feed("gt a", "set a", "get \"a", "= error 'no'", "= db:put('a')", "= 1 +",
      "use none", "set a 1 soon", "list a -1", "set ok 1")

    assert.are.equal(3, feed("set a 1", "use none").status)
    assert.are.equal(2, feed("set a").status)
    assert.are.equal("ok\n", result.out)
    for line in result.err:gmatch("[^\n]+") do
      assert.matches("^loam: ", line)
    end
    assert.matches("unknown command gt; did you mean get%?", result.err)
    assert.matches("usage: set KEY VALUE %[TTL%]", result.err)
    assert.matches("the quote at column 5 is not closed", result.err)
    assert.matches("the TTL is a number of at least 0, got soon", result.err)
  end)

  it("runs the lines of -e in place of its input", function()
    local result = program.run({ "shell", "--create", "--data", dir .. "/db", "-e", "set a 1",
      "-e", "get a" })

    assert.are.equal("ok\n1\n", result.out)
  end)

  it("prints help, statistics and compactions", function()
    local result = feed("help", "stats", "compact")

    assert.matches("set, put +KEY VALUE %[TTL%] +Writes a value", result.out)
    assert.matches("\nkey_count_estimate ", result.out)
    assert.matches("\ncompacted ", result.out)
  end)
end)

describe("loam shell on a terminal", function()
  -- Types lines into a pseudo-terminal of script(1). Returns what it shows.
  local function type_lines(text)
    local line = program.line { "shell", "--create", "--data", dir .. "/db" }
    local input = program.write(dir .. "/typed", text)
    local command = ("env HOME=%s XDG_STATE_HOME=%s/state TERM=dumb script -qec %s /dev/null <%s")
      :format(dir, dir, shell.quote(line), input)
    return shell.script(command)
  end

  it("prompts, answers and keeps a history", function()
    local result = type_lines("set a 1\nget a\nexit\n")

    assert.are.equal(0, result.status)
    assert.matches("loam> ", result.out)
    assert.matches("\n1\r?\n", result.out)
    local has_readline = shell.run("luajit", "-e", "require 'readline'").status == 0
    if has_readline then
      assert.are.equal("set a 1\nget a\nexit\n", program.read(dir .. "/state/loam/history"))
    end
  end)

  it("works without a place for its history", function()
    program.write(dir .. "/state", "a file where the directory would be")

    local result = type_lines("set a 1\nexit\n")

    assert.are.equal(0, result.status)
    assert.matches("ok", result.out)
  end)
end)
