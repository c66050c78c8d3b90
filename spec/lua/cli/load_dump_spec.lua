-- load and dump on a directory: round trips, errors with their line, memory.
local program = require "spec.support.program"
local shell = require "spec.support.shell"
local tmpdir = require "spec.support.tmp"

local MIB = 1024 * 1024
local dir

before_each(function()
  dir = tmpdir()
end)

local function run(words, input)
  return program.run(words, input)
end

-- Rows with everything that a row can have.
local function sample()
  local lines = {}
  for at = 1, 300 do
    lines[#lines + 1] = ('{"k":"key:%04d","v":"Wert %d \\"ü\\"\\n"}\n'):format(at, at)
  end
  lines[#lines + 1] = '{"k":"timed","v":"","expires_at_ms":4102444800123}\n'
  lines[#lines + 1] = '{"k":"typed","v":"<p>","content_type":"text/html"}\n'
  lines[#lines + 1] = '{"k64":"_wA","v64":"gA"}\n'
  return table.concat(lines)
end

describe("load and dump", function()
  it("give back the same rows as NDJSON, with expiry and content type", function()
    local text = sample()
    assert.are.equal(0, run({ "load", "--data", dir .. "/a" }, text).status)

    local dumped = run { "dump", "--data", dir .. "/a" }

    assert.are.equal(0, dumped.status)
    assert.are.equal("", dumped.err)
    assert.are.equal(text, dumped.out)
  end)

  it("give back the same rows through CSV", function()
    local rows = sample():gsub(',"content_type":"text/html"', "")
    run({ "load", "--data", dir .. "/a" }, rows)

    local dumped = run { "dump", dir .. "/rows.csv", "--data", dir .. "/a" }
    local loaded = run { "load", dir .. "/rows.csv", "--data", dir .. "/b" }

    assert.matches("^dumped 303 rows in ", dumped.out)
    assert.matches("^loaded 303 rows in ", loaded.out)
    assert.are.equal(rows, run({ "dump", "--data", dir .. "/b" }).out)
  end)

  it("keep to a range, a bucket and a separator", function()
    run({ "load", "--data", dir .. "/a" }, sample())

    local part = run { "dump", "--format", "csv", "--no-header", "--separator", ";", "--prefix",
      "key:000", "--limit", "1", "--data", dir .. "/a" }

    assert.are.equal('key:0001;"Wert 1 ""ü""\n";\n', part.out)
    assert.are.equal("", run({ "dump", "--prefix", "nothing", "--data", dir .. "/a" }).out)
  end)

  it("skip rows that have expired", function()
    local result = run({ "load", "--json", "--data", dir .. "/a" },
      '{"k":"old","v":"1","expires_at_ms":1000}\n{"k":"new","v":"1"}\n')

    assert.matches('^{"rows":1,"expired":1,"seconds":', result.out)
  end)

  it("take CSV columns by name", function()
    local csv = "id,name,age\n7,Zoë,41\n8,\"O'Neill, Jr\",39\n"

    run({ "load", "--format", "csv", "--key-column", "id", "--value-column", "name",
      "--data", dir .. "/a" }, csv)

    assert.are.equal("7\tZoë\n8\tO'Neill, Jr\n", run({ "scan", "--data", dir .. "/a" }).out)
  end)

  it("show progress on standard error only when asked, with no terminal", function()
    local quiet = run({ "load", "--data", dir .. "/a" }, sample())
    local shown = run({ "load", "--progress", "--data", dir .. "/a" }, sample())

    assert.are.equal("", quiet.err)
    assert.matches("\rload  ", shown.err)
  end)

  it("keep the number of acknowledged rows in a file", function()
    run({ "load", "--acked", dir .. "/acked", "--batch", "7", "--data", dir .. "/a" }, sample())

    assert.are.equal("303\n", program.read(dir .. "/acked"))
  end)
end)

describe("load of bad input", function()
  it("names file and line, and keeps the rows in front", function()
    local file = program.write(dir .. "/in.ndjson",
      '{"k":"a","v":"1"}\n{"k":"b","v":"2"}\n{"k":1}\n')

    local result = run { "load", file, "--data", dir .. "/a" }

    assert.are.equal(3, result.status)
    assert.are.equal(("loam: %s:3: k is a string, got number; "
      .. "the 2 rows in front of it are loaded\n"):format(file), result.err)
    assert.are.equal("2\n", run({ "scan", "--count", "--data", dir .. "/a" }).out)
  end)

  it("refuses a missing file, a directory and a bad separator", function()
    local missing = run { "load", dir .. "/none", "--data", dir .. "/a" }
    local folder = run { "load", dir, "--data", dir .. "/a" }
    local separator = run { "load", "--separator", "ab", "--data", dir .. "/a" }

    assert.are.equal(3, missing.status)
    assert.matches("^loam: cannot open .*/none: No such file", missing.err)
    assert.are.equal(3, folder.status)
    assert.matches("^loam: cannot read ", folder.err)
    assert.are.equal(2, separator.status)
  end)

  it("names a key that is too long with its limit", function()
    local result = run({ "load", "--data", dir .. "/a" },
      ('{"k":"%s","v":"1"}\n'):format(("k"):rep(70000)))

    assert.are.equal(3, result.status)
    assert.matches("TOO_LARGE", result.err)
  end)

  it("dump leaves no half a file behind", function()
    run({ "load", "--data", dir .. "/a" }, sample())

    local result = run { "dump", dir .. "/absent/rows", "--data", dir .. "/a" }

    assert.are.equal(3, result.status)
    assert.matches("^loam: cannot open ", result.err)
  end)
end)

-- The memory of a process's own, in bytes. Pages of files, such as the mapped log, are the kernel's
-- and do not count.
local function own_bytes(pid)
  local kib = program.read(("/proc/%d/status"):format(pid)):match("RssAnon:%s*(%d+)")
  return tonumber(kib) * 1024
end

describe("load and dump of 100,000 rows", function()
  local VALUE = ("x"):rep(800)

  it("stay within a fixed memory", function()
    -- Sanitizers keep freed memory; only a plain build can be measured.
    local is_measured = not os.getenv("LOAM_BUILD_DIR")
    local pid_file = dir .. "/pid"
    local load = ("echo $$ >%s; exec %s >%s/out"):format(pid_file,
      program.line { "load", "--durability", "os", "--data", dir .. "/a" }, dir)
    local pipe = assert(io.popen("sh -c " .. shell.quote(load), "w"))
    local load_peak, dump_peak = 0, 0
    for at = 1, 100000 do
      pipe:write(('{"k":"key:%07d","v":"%s"}\n'):format(at, VALUE))
      if at % 1000 == 0 then
        pipe:flush()
        load_peak = math.max(load_peak, own_bytes(tonumber(program.read(pid_file))))
      end
    end
    pipe:close()

    local dump = ("echo $$ >%s; exec %s"):format(pid_file,
      program.line { "dump", "--data", dir .. "/a" })
    local out = assert(io.popen("sh -c " .. shell.quote(dump), "r"))
    local count = 0
    for _ in out:lines() do
      count = count + 1
      -- At the end the dump has written all but what fits in the pipe, and then it is gone.
      if count % 1000 == 0 and count <= 99000 then
        dump_peak = math.max(dump_peak, own_bytes(tonumber(program.read(pid_file))))
      end
    end
    out:close()

    assert.matches("^loaded 100,000 rows", program.read(dir .. "/out"))
    assert.are.equal(100000, count)
    if is_measured then
      -- The rows have 82 MB. A full and a new memtable and the blocks of a new table are the
      -- store's, which may use 512 MiB, and its cache for dump.
      assert.is_true(load_peak < 192 * MIB, "load used " .. load_peak)
      assert.is_true(dump_peak < 64 * MIB, "dump used " .. dump_peak)
    end
  end)
end)
