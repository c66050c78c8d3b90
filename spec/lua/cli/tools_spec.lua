-- The tools of the command line: check, scrub, checkpoint, backup, backups, restore, repair; what
-- they print, what they answer to wrong words and damage, what Ctrl-C leaves.
local files = require "spec.support.files"
local json = require "loam.json"
local program = require "spec.support.program"
local shell = require "spec.support.shell"
local tmpdir = require "spec.support.tmp"

local dir, data

local function run(...)
  return program.run { ... }
end

local function load_rows(count)
  local rows = {}
  for at = 1, count do
    rows[at] = ('{"k":"key:%06d","v":"value %d"}'):format(at, at)
  end
  local loaded = program.run({ "load", "-d", data }, table.concat(rows, "\n") .. "\n")
  assert.are.equal(0, loaded.status, loaded.err)
end

local function count(path)
  return run("scan", "-d", path, "--count").out
end

-- The first table of a directory.
local function table_of(path)
  local name = shell.script("ls " .. shell.quote(path) .. "/*.sst").out:match("([^\n]+)")
  return assert(name)
end

local function damage(path)
  local file = assert(io.open(path, "r+b"))
  file:seek("set", 300)
  local byte = file:read(1)
  file:seek("set", 300)
  file:write(string.char((byte:byte() + 1) % 256))
  file:close()
end

local function assert_failure(status, pattern, result)
  assert.are.equal(status, result.status, result.err)
  assert.matches("^loam: [^\n]*" .. pattern .. "[^\n]*\n$", result.err)
end

before_each(function()
  dir = tmpdir()
  data = dir .. "/db"
end)

describe("loam check, verify and scrub", function()
  it("tell that all is well, as text and as JSON", function()
    load_rows(2000)

    local text, object = run("check", "-d", data), run("verify", "-d", data, "--json")

    assert.matches("ok       manifest\nok       %d+%.sst\nno damage found\n$", text.out)
    assert.is_true(json.decode(object.out).is_sound)
    assert.are.equal("1 table is sound\n", run("scrub", "-d", data).out)
  end)

  it("name file and offset of damage, and answer 1", function()
    load_rows(2000)
    damage(table_of(data))

    local text, object = run("check", "-d", data), run("check", "-d", data, "--json")

    assert_failure(1, "is damaged", text)
    assert.matches("\ndamaged  %d+%.sst at offset %d+: [^\n]+\ndamage found\n$", text.out)
    local found = json.decode(object.out)
    assert.is_false(found.is_sound)
    assert.are.equal("damaged", found.files[#found.files].verdict)
    assert.matches("^%d+%.sst$", found.files[#found.files].name)
    assert_failure(1, "1 of 1 tables are damaged: %d+%.sst at offset %d+", run("scrub", "-d", data))
  end)
end)

describe("loam checkpoint, backup, backups and restore", function()
  it("copy a database, and share what backups have in common", function()
    load_rows(2000)

    local checkpoint = run("checkpoint", "-d", data, dir .. "/copy")
    local first = run("backup", "-d", data, dir .. "/backup", "--json")
    local second = run("backup", "-d", data, dir .. "/backup")
    local restored = run("restore", dir .. "/backup", dir .. "/new", "--id", "1")

    assert.matches("equals sequence number 2000\n$", checkpoint.out)
    assert.are.equal("2000\n", count(dir .. "/copy"))
    assert.are.equal(2000, json.decode(first.out).seq)
    assert.matches("^backup 2 in [^\n]*: sequence number 2000, [%d.]+ KiB, %d+ bytes of them new",
      second.out)
    assert.matches("is restored\n$", restored.out)
    assert.are.equal("2000\n", count(dir .. "/new"))
  end)

  it("list, verify and delete backups", function()
    load_rows(100)
    run("backup", "-d", data, dir .. "/backup")
    run("backup", "-d", data, dir .. "/backup")

    local verified = run("backups", dir .. "/backup", "verify", "--json")
    local deleted = run("backups", dir .. "/backup", "delete", "--id", "1")
    local list = run("backups", dir .. "/backup")

    assert.is_true(json.decode(verified.out).is_sound)
    assert.are.equal(0, deleted.status)
    assert.matches("^id  made at +sequence  files  size +state\n2   [^\n]+ listed\n$", list.out)
    assert.are.equal(2, json.decode(run("backups", dir .. "/backup", "--json").out).id)
  end)

  it("find a damaged backup before anything is made", function()
    load_rows(2000)
    run("backup", "-d", data, dir .. "/backup")
    damage(table_of(dir .. "/backup"))

    assert_failure(1, "%.sst: hash of its", run("restore", dir .. "/backup", dir .. "/new"))
    assert_failure(1, "%.sst: hash of its", run("backups", dir .. "/backup", "verify"))
    assert.are_not.equal(0, shell.script("test -e " .. shell.quote(dir .. "/new")).status)
    run("backup", "-d", data, dir .. "/backup", "--full")
    assert.are.equal(0, run("restore", dir .. "/backup", dir .. "/new").status)
  end)

  it("refuse targets that hold anything, and what is not there", function()
    load_rows(10)
    run("backup", "-d", data, dir .. "/backup")
    files.write(dir, { ["full/notes.txt"] = "mine" })

    assert_failure(3, "is not empty: it holds 'notes.txt' %(EXISTS%)",
      run("restore", dir .. "/backup", dir .. "/full"))
    assert_failure(3, "is not empty", run("checkpoint", "-d", data, dir .. "/full"))
    assert_failure(3, "holds a store, not backups", run("backup", "-d", data, data))
    assert_failure(1, "no directory", run("restore", dir .. "/none", dir .. "/new"))
    assert_failure(1, "there is no backup 7", run("restore", dir .. "/backup", dir .. "/new",
      "--id", "7"))
    assert_failure(3, "cannot open the database", run("backup", "-d", dir .. "/none", dir .. "/b"))
    assert_failure(2, "missing argument 'target'", run("restore", dir .. "/backup"))
    assert_failure(2, "%-%-rate is a size such as [^\n]*, got 'fast'",
      run("backup", "-d", data, dir .. "/b", "--rate", "fast"))
    assert_failure(2, "say which with %-%-id", run("backups", dir .. "/backup", "delete"))
    assert.are.equal("mine", files.read(dir .. "/full/notes.txt"))
  end)

  it("undo a backup on Ctrl-C, and answer 130", function()
    load_rows(20000)
    local line = program.line { "backup", "-d", data, dir .. "/backup", "--rate", "1000",
      "--progress" }
    os.execute(("{ %s >%s/out 2>%s/err & echo $! >%s/pid; wait $!; echo $? >%s/status; } "
      .. ">/dev/null 2>&1 &"):format(line, dir, dir, dir, dir))
    program.wait_until("progress", function()
      return program.read(dir .. "/err"):find("%%  ") and program.read(dir .. "/pid") ~= ""
    end)

    os.execute("kill -INT " .. program.read(dir .. "/pid"))

    program.wait_until("the end", function() return program.read(dir .. "/status") ~= "" end)
    assert.are.equal("130\n", program.read(dir .. "/status"))
    assert.matches("loam: backup: interrupted; nothing of it is left\n$",
      program.read(dir .. "/err"))
    assert.are.equal("LOCK\n", shell.script("ls " .. shell.quote(dir .. "/backup")).out)
  end)
end)

describe("loam repair", function()
  it("makes a damaged database open again and keeps the rest in lost/", function()
    load_rows(2000)
    damage(table_of(data))
    local name = table_of(data):match("[^/]+$")

    local result = run("repair", "-d", data, "--yes")

    assert.are.equal(0, result.status)
    assert.matches("damaged  " .. name .. ": [^\n]* at offset %d+: [^\n]* rows saved", result.out)
    assert.matches("opens again: 1 damaged, 2 moved to lost/\n$", result.out)
    assert.is_not_nil(files.read(data .. "/lost/" .. name))
    assert.are.equal(0, run("check", "-d", data).status)
    local left = tonumber(count(data))
    assert.is_true(left > 1000 and left < 2000)
  end)

  it("reports as JSON", function()
    load_rows(10)
    assert(os.remove(data .. "/CURRENT"))

    local found = json.decode(run("repair", "-d", data, "-y", "--json").out)

    assert.are.equal(data, found.path)
    assert.are.equal("damaged", found.files[1].verdict)
    assert.are.equal("CURRENT", found.files[1].name)
    assert.are.equal("10\n", count(data))
  end)

  it("does nothing without --yes, nor where there is no database", function()
    load_rows(10)

    assert_failure(2, "repair changes the files of [^\n]*: give %-%-yes", run("repair", "-d", data))
    assert_failure(1, "no directory", run("repair", "-d", dir .. "/none", "-y"))
    files.write(dir, { ["alien/notes.txt"] = "mine" })
    assert_failure(1, "holds no file of a store", run("repair", "-d", dir .. "/alien", "-y"))
  end)
end)

describe("loam tools --url", function()
  after_each(program.stop_all)

  it("do over HTTP what they do in a directory, below backups_dir", function()
    load_rows(2000)
    local server = program.serve(data, { "--backups-dir", dir .. "/copies" })
    local function on_server(words)
      words[#words + 1] = "--url"
      words[#words + 1] = server.url
      return program.run(words)
    end

    local checked = on_server { "check", "--json" }
    local made = on_server { "backup", "day" }
    local again = on_server { "backup", "day", "--json" }
    local list = on_server { "backups", "day" }
    local verified = on_server { "backups", "day", "verify" }
    local restored = on_server { "restore", "day", "new", "--id", "1" }
    local copied = on_server { "checkpoint", "copy" }

    assert.is_true(json.decode(checked.out).is_sound)
    assert.are.equal("1 table is sound\n", on_server({ "scrub" }).out)
    assert.matches("^backup 1 in 'day': sequence number 2000, ", made.out)
    assert.are.equal(2, json.decode(again.out).id)
    assert.matches("\n2   [^\n]+ listed\n1   [^\n]+ listed\n$", list.out)
    assert.matches("every file of the backup is sound\nno damage found\n$", verified.out)
    assert.are.equal("'new' is restored\n", restored.out)
    assert.matches("equals sequence number 2000\n$", copied.out)
    assert.are.equal("2000\n", count(dir .. "/copies/new"))
    assert.are.equal("2000\n", count(dir .. "/copies/copy"))
    assert.are.equal(0, on_server({ "backups", "day", "delete", "--id", "1" }).status)
    assert_failure(3, "to 'new' is taken", on_server { "restore", "day", "new" })
    assert_failure(1, "no backups of that name", on_server { "restore", "none", "x" })
    assert_failure(1, "there is no backup 7", on_server { "restore", "day", "x", "--id", "7" })
    assert_failure(3, "name is 1 to 64 of", on_server { "backup", "../x" })
    damage(table_of(data))
    assert_failure(1, "is damaged", on_server { "check" })
    assert_failure(1, "%.sst at offset %d+", on_server { "scrub" })
  end)

  it("refuse a place for copies in the store's own directory", function()
    local result = program.run { "serve", "-d", data, "--listen", "127.0.0.1:0", "--backups-dir",
      data .. "/copies" }

    assert_failure(2, "backups_dir '[^']+' lies in the store's own directory", result)
  end)
end)
