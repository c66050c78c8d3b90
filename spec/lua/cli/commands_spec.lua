-- The commands on a directory, as a user types them: good and bad.
local program = require "spec.support.program"
local shell = require "spec.support.shell"
local tmpdir = require "spec.support.tmp"

local COMMANDS = { "get", "put", "delete", "scan", "load", "dump", "buckets", "stats", "compact",
  "check", "inspect", "bench", "shell" }

local data

-- Runs a command on the test's directory.
local function run(words, input)
  words[#words + 1] = "--data"
  words[#words + 1] = data
  return program.run(words, input)
end

-- One line on standard error, with no trace of Lua in it.
local function assert_failure(status, pattern, result)
  assert.are.equal(status, result.status, result.err)
  assert.are.equal("", result.out)
  assert.matches("^loam: [^\n]+\n$", result.err)
  assert.matches(pattern, result.err)
  assert.not_matches("traceback", result.err)
  assert.not_matches("%.lua:", result.err)
end

local function file_named(pattern)
  local found = shell.script("ls " .. shell.quote(data)).out:match(pattern)
  return data .. "/" .. assert(found, "no file like " .. pattern)
end

local function flip_byte(path, offset)
  local text = program.read(path)
  local byte = string.char(bit.bxor(text:byte(offset), 0x55))
  program.write(path, text:sub(1, offset - 1) .. byte .. text:sub(offset + 1))
end

before_each(function()
  data = tmpdir() .. "/db"
end)

describe("loam", function()
  it("lists every command and helps with each", function()
    local all = program.run { "--help" }

    assert.are.equal(0, all.status)
    for _, name in ipairs(COMMANDS) do
      local help = program.run { name, "--help" }

      assert.matches("\n   " .. name .. " +%u", all.out)
      assert.are.equal(0, help.status)
      assert.matches("^Usage: loam " .. name, help.out)
      assert.matches("Exit codes:", help.out)
    end
  end)

  it("suggests commands and options", function()
    assert_failure(2, "unknown command 'gett'; did you mean 'get'%?", program.run { "gett" })
    assert_failure(2, "unknown option '%-%-prefx'.*%-%-prefix", run { "scan", "--prefx", "a" })
  end)

  it("refuses wrong arguments with exit code 2", function()
    assert_failure(2, "missing argument 'key'", run { "get" })
    assert_failure(2, "a whole number of at least 1 is wanted, got 'x'", run { "scan", "-n", "x" })
    assert_failure(2, "seconds from 0", run { "put", "a", "b", "--ttl", "soon" })
    assert_failure(2, "the value is missing", run { "put", "a" })
    assert_failure(2, "give a value or %-%-file", run { "put", "a", "b", "--file", "/dev/null" })
    assert_failure(2, "must be one of", run { "put", "a", "b", "--durability", "maybe" })
    assert_failure(2, "unknown escape \\q", run { "get", "-x", "a\\q" })
    assert_failure(2, "can not be used together", run { "get", "a", "--url", "http://x:1" })
    assert_failure(2, "is no URL", program.run { "get", "a", "--url", "127.0.0.1:80" })
  end)
end)

describe("loam get, put, delete", function()
  it("give back what was put, byte for byte", function()
    local value = "zero \0 line\n\255 grüße \\"
    assert.are.equal(0, run({ "put", "-x", "k\\x00\\xff", "-" }, value).status)

    local got = run { "get", "-x", "k\\x00\\xff" }

    assert.are.equal(0, got.status)
    assert.are.equal(value, got.out)
    assert.are.equal("zero \\x00 line\\n\\xff grüße \\\\\n",
      run({ "get", "-x", "k\\x00\\xff", "-o", "escaped" }).out)
    assert.are.equal('{"k64":"awD_","v64":"emVybyAAIGxpbmUK_yBncsO8w59lIFw","seq":1}\n',
      run({ "get", "-x", "k\\x00\\xff", "--json" }).out)
  end)

  it("read values from files and tell the sequence number", function()
    local file = program.write(tmpdir() .. "/value", "from a file")

    assert.are.equal('{"seq":1}\n', run({ "put", "a", "--file", file, "--json" }).out)
    assert.are.equal("from a file", run({ "get", "a" }).out)
  end)

  it("keep a time to live", function()
    run { "put", "a", "1", "--ttl", "1000" }

    assert.matches('"expires_at_ms":%d+', run({ "get", "a", "--json" }).out)
  end)

  it("exit with 1 for an absent key and 0 for its deletion", function()
    run { "put", "a", "1" }

    assert_failure(1, 'key "b" not found', run { "get", "b" })
    assert.are.equal(0, run({ "delete", "a", "b" }).status)
    assert_failure(1, 'key "a" not found', run { "get", "a" })
  end)

  it("remove a range, counted first, and never without bounds and --yes", function()
    run({ "load", "-" }, '{"k":"a1","v":"1"}\n{"k":"a2","v":"1"}\n{"k":"b","v":"1"}\n')
    for words, text in pairs {
      [{}] = "keys are wanted, or a range", [{ "--prefix", "a" }] = "say %-%-yes",
      [{ "--from", "a", "--yes" }] = "or a range", [{ "--to", "a", "--yes" }] = "or a range",
      [{ "--prefix", "", "--yes" }] = "at least one byte",
      [{ "--from", "", "--to", "", "--yes" }] = "at least one byte",
      [{ "--prefix", "a", "--from", "a", "--yes" }] = "not both",
      [{ "a1", "--prefix", "a", "--yes" }] = "not both", [{ "a1", "--dry-run" }] = "not both",
    } do
      table.insert(words, 1, "delete")
      assert_failure(2, text, run(words))
    end

    assert.are.equal("2\n", run({ "delete", "--prefix", "a", "--dry-run" }).out)
    assert.are.equal("1\n", run({ "delete", "--from", "a1", "--to", "a2", "--yes" }).out)
    assert.are.equal("1\n", run({ "delete", "-p", "a", "-y" }).out)
    assert.are.equal("b\n", run({ "scan", "--keys-only" }).out)
  end)

  it("refuse a key above the limit, by its name", function()
    assert_failure(3, "65536.*TOO_LARGE", run { "put", ("k"):rep(65537), "v" })
  end)
end)

describe("loam scan", function()
  before_each(function()
    local lines = {}
    for at = 1, 9 do
      lines[at] = ('{"k":"k%d","v":"%d"}\n'):format(at, at)
    end
    run({ "load", "-" }, table.concat(lines) .. '{"k":"a\\tb","v64":"_w"}\n')
  end)

  it("prints a range in either direction and form", function()
    assert.are.equal("k2\t2\nk3\t3\n", run({ "scan", "--from", "k2", "--to", "k4" }).out)
    assert.are.equal("k9\nk8\n", run({ "scan", "-r", "-k", "-n", "2" }).out)
    assert.are.equal("a\\tb\t\\xff\n", run({ "scan", "--prefix", "a" }).out)
    assert.are.equal("a\tb\t\255\n", run({ "scan", "--prefix", "a", "-o", "raw" }).out)
    assert.are.equal("9\n", run({ "scan", "--prefix", "k", "--count" }).out)
    assert.are.equal('{"k":"k1","seq":1}\n',
      run({ "scan", "--prefix", "k1", "-k", "--json" }).out)
  end)

  it("ends quietly when its reader leaves", function()
    local line = program.line { "scan", "--data", data }
    local result = shell.script(("bash -c '%s | head -c 1; echo ${PIPESTATUS[0]}'")
      :format(line:gsub("'", "")))

    assert.are.equal("a0\n", result.out)
    assert.are.equal("", result.err)
  end)

  it("says when standard output cannot be written", function()
    local result = shell.script(program.line { "scan", "--data", data } .. " >/dev/full")

    assert_failure(3, "cannot write standard output: No space left", result)
  end)
end)

describe("loam buckets, stats, compact, bench", function()
  it("make, list, use and drop buckets", function()
    local made = run { "buckets", "create", "logs", "--ttl", "60", "--merge", "add" }
    assert.are.equal(0, made.status)
    run { "put", "a", "1", "--bucket", "logs" }

    assert.are.equal("name     ttl  merge\ndefault  -    -\nlogs     60   add\n",
      run({ "buckets" }).out)
    assert.are.equal("1", run({ "get", "a", "--bucket", "logs" }).out)
    assert_failure(1, "not found", run { "get", "a" })
    assert.are.equal(0, run({ "buckets", "drop", "logs" }).status)
    assert_failure(3, "bucket 'logs' does not exist", run { "get", "a", "--bucket", "logs" })
    assert_failure(3, "bucket 'logs' does not exist", run { "buckets", "drop", "logs" })
    assert_failure(2, "the name is missing", run { "buckets", "create" })
    assert_failure(2, "a bucket name is", run { "buckets", "create", "a/b" })
  end)

  it("print statistics as a table and as JSON", function()
    run { "put", "a", "1" }

    assert.matches("\nkey_count_estimate +1\n", run({ "stats" }).out)
    assert.matches('"key_count_estimate":1[,}]', run({ "stats", "--json" }).out)
  end)

  it("compact and measure", function()
    run { "put", "a", "1" }

    assert.matches("^compacted .+ in [%d.]+ s\n$", run({ "compact" }).out)
    assert.matches("\nscan, all +%d+ ", run({ "bench", "-n", "100" }).out)
    assert.are.equal("a\t1\n", run({ "scan" }).out)
  end)
end)

describe("loam check and inspect", function()
  before_each(function()
    for at = 1, 3 do
      run { "put", "key" .. at, ("value %d "):format(at):rep(20) }
    end
    run { "compact" }
  end)

  it("find no damage in a sound database", function()
    local result = run { "check" }

    assert.are.equal(0, result.status)
    assert.matches("no damage found\n$", result.out)
  end)

  it("exit with 1 and name the damaged file", function()
    local path = file_named("%d+%.sst")
    flip_byte(path, 40)

    local result = run { "check" }

    assert.are.equal(1, result.status)
    assert.matches("%d+%.sst", result.out)
    assert.matches("^loam: the database '.*' is damaged\n$", result.err)
  end)

  it("print files in readable form", function()
    assert.matches("MANIFEST", program.run({ "inspect", data .. "/CURRENT" }).out)
    assert.matches("key1", program.run({ "inspect", file_named("%d+%.sst") }).out)
  end)

  it("refuse files that are none of Loam's", function()
    assert_failure(3, "cannot inspect", program.run { "inspect", data .. "/absent.sst" })
    local alien = program.write(tmpdir() .. "/000000000001.sst", "no table")
    assert.are_not.equal(0, program.run({ "inspect", alien }).status)
  end)
end)

describe("loam on directories that it cannot use", function()
  it("names an absent one and makes it only for put and load", function()
    for _, words in ipairs { { "get", "a" }, { "scan" }, { "dump" }, { "stats" }, { "check" },
      { "delete", "a" }, { "compact" }, { "shell" } } do
      assert_failure(3, "cannot open the database", run(words))
    end
    assert.are_not.equal(0, shell.script("test -e " .. shell.quote(data)).status)
  end)

  it("leaves another program's directory alone", function()
    local dir = tmpdir()
    program.write(dir .. "/notes.txt", "mine")

    assert_failure(3, "no Loam directory", program.run { "put", "a", "1", "--data", dir })
    assert.are.equal("notes.txt\n", shell.script("ls -A " .. shell.quote(dir)).out)
  end)

  it("names the process that holds a locked one", function()
    run { "put", "a", "1" }
    local dir = tmpdir()
    os.execute(("mkfifo %s/in"):format(dir))
    local line = program.line { "shell", "--data", data }
    os.execute(("%s <%s/in >%s/out 2>&1 &"):format(line, dir, dir))
    local holder = assert(io.open(dir .. "/in", "w"))
    holder:write("get a\n")
    holder:flush()
    program.wait_until("the shell to answer", function()
      return program.read(dir .. "/out") == "1\n"
    end)

    local result = run { "put", "a", "2" }
    holder:close()

    assert_failure(3, "locked by process %d+ %(BUSY%)", result)
  end)

  it("refuses a damaged one with the file's name", function()
    run { "put", "a", "1" }
    program.write(data .. "/CURRENT", "MANIFEST-nonsense\n")

    assert_failure(3, "CURRENT", run { "get", "a" })
  end)
end)

describe("a bug in a command", function()
  it("is one line, and a traceback only with LOAM_DEBUG=1", function()
    local file = program.write(tmpdir() .. "/bug.lua", [=[
      local command = require "loam.cli.parts.command"
      os.exit(command.run(function() error("broken part") end, {}))
    ]=])
    local line = program.line { "run", file }

    local plain, debugged = shell.script(line), shell.script("LOAM_DEBUG=1 " .. line)

    assert.are.equal(3, plain.status)
    assert.matches("^loam: internal error: [^\n]*broken part; LOAM_DEBUG=1 shows where\n$",
      plain.err)
    assert.matches("stack traceback:", debugged.err)
  end)
end)
