-- The commands against a real server.
--
-- The last test is the proof of durability that `loam load --url` is for: the server is killed in
-- the middle of a load, and every acknowledged row must be there afterwards.
local program = require "spec.support.program"
local tmpdir = require "spec.support.tmp"

local dir, server

local function run(words, input)
  words[#words + 1] = "--url"
  words[#words + 1] = server.url
  return program.run(words, input)
end

local function rows_text(count)
  local lines = {}
  for at = 1, count do
    lines[at] = ('{"k":"key:%06d","v":"value %d ü"}\n'):format(at, at)
  end
  return table.concat(lines)
end

before_each(function()
  dir = tmpdir()
  server = program.serve(dir .. "/db")
end)

after_each(program.stop_all)

describe("loam --url", function()
  it("reads and writes single keys of any bytes", function()
    local value = "\0\255 grüße\n"
    assert.are.equal(0, run({ "put", "-x", "a/\\x00 ?%\\xff", "-", "--ttl", "900" }, value).status)

    assert.are.equal(value, run({ "get", "-x", "a/\\x00 ?%\\xff" }).out)
    assert.matches('"expires_at_ms":%d+', run({ "get", "-x", "a/\\x00 ?%\\xff", "--json" }).out)
    assert.are.equal(0, run({ "delete", "-x", "a/\\x00 ?%\\xff" }).status)
    assert.are.equal(1, run({ "get", "-x", "a/\\x00 ?%\\xff" }).status)
  end)

  it("scans, counts, and manages buckets", function()
    run({ "load" }, rows_text(500))

    assert.are.equal("key:000500\nkey:000499\n", run({ "scan", "-r", "-k", "-n", "2" }).out)
    assert.are.equal("100\n", run({ "scan", "--prefix", "key:0001", "--count" }).out)
    assert.are.equal(0, run({ "buckets", "create", "logs", "--ttl", "60" }).status)
    assert.are.equal("name     ttl  merge\ndefault  -    -\nlogs     60   -\n",
      run({ "buckets" }).out)
    assert.are.equal(0, run({ "buckets", "drop", "logs" }).status)
    assert.matches("\nkey_count_estimate +500\n", run({ "stats" }).out)
    assert.matches("^compacted ", run({ "compact" }).out)
  end)

  it("removes a range, and tells what stands in the way", function()
    run({ "load" }, rows_text(2500))

    assert.are.equal("100\n", run({ "delete", "--prefix", "key:0001", "--dry-run" }).out)
    assert.are.equal("100\n", run({ "delete", "--prefix", "key:0001", "--yes" }).out)
    assert.are.equal("2000\n",
      run({ "delete", "--from", "key:000200", "--to", "key:002200", "--yes" }).out)
    assert.are.equal("400\n", run({ "scan", "--count" }).out)
    local refused = run { "delete", "-b", "none", "--prefix", "a", "--yes" }
    assert.are.equal(3, refused.status)
    assert.matches("no bucket 'none'.*; 0 rows are gone", refused.err)
  end)

  it("dumps what was loaded, also values too large for a batch", function()
    local big = ("0123456789abcdef"):rep(100000)
    local text = rows_text(3000) .. '{"k":"large","v":"' .. big .. '"}\n'
      .. '{"k":"timed","v":"1","expires_at_ms":4102444800123}\n{"k64":"_w","v64":"_g"}\n'

    local loaded = run({ "load", "--acked", dir .. "/acked" }, text)
    local dumped = run { "dump" }

    assert.are.equal("", loaded.err)
    assert.are.equal("3003\n", program.read(dir .. "/acked"))
    assert.is_true(dumped.out:gsub("41024448%d+", "4102444800123") == text)
  end)

  it("drives the shell", function()
    local result = run({ "shell" },
      "set a 1\nget a\nincr n 2 3\nlist\n= client:count('default', {})\n")

    assert.are.equal("ok\n1\n5\na 1\nn 5\n2\n", result.out)
    assert.are.equal("", result.err)
  end)
end)

describe("loam --url, failures", function()
  it("tells absent buckets, bad rows and refused sizes in one line", function()
    local bucket = run { "get", "a", "--bucket", "none" }
    local row = run({ "load" }, '{"k":"a","v":"1"}\n{"k":"' .. ("k"):rep(70000) .. '","v":"2"}\n')

    assert.are.equal(3, bucket.status)
    assert.matches("^loam: no bucket 'none'[^\n]*\n$", bucket.err)
    assert.are.equal(3, row.status)
    assert.matches("^loam: line %d: [^\n]*key_bytes_max[^\n]*; 0 rows are acknowledged\n$", row.err)
    assert.are.equal("0\n", run({ "scan", "--count" }).out)
  end)

  it("tells a server that is not there", function()
    server:stop()

    local result = run { "get", "a" }

    assert.are.equal(3, result.status)
    assert.matches("^loam: cannot connect to 127%.0%.0%.1:%d+: connection refused", result.err)
  end)
end)

describe("loam load --url, when the server ends", function()
  local COUNT = 100000

  local function acknowledged()
    return tonumber(program.read(dir .. "/acked")) or 0
  end

  -- Loads rows and calls interrupt() in the middle. Returns what load says on standard error.
  local function load_until(interrupt)
    local line = program.line { "load", "--url", server.url, "--batch", "200", "--acked",
      dir .. "/acked" }
    local command = ("%s >%s/out 2>%s/err; echo $? >%s/status"):format(line, dir, dir, dir)
    local pipe = assert(io.popen(command, "w"))
    for at = 1, COUNT do
      pipe:write(('{"k":"key:%06d","v":"value %d"}\n'):format(at, at))
      if at == COUNT / 2 then
        program.wait_until("acknowledgements", function() return acknowledged() > 0 end)
        interrupt()
      end
      if at % 1000 == 0 and program.read(dir .. "/status") ~= "" then
        break
      end
    end
    pipe:close()
    return program.read(dir .. "/err")
  end

  local function assert_all_acknowledged_rows_are_there()
    local count = acknowledged()
    local is_unknown = program.read(dir .. "/err"):find("unknown", 1, true)
    assert.are.equal(is_unknown and "4\n" or "3\n", program.read(dir .. "/status"))
    assert.is_true(count > 0 and count < COUNT)
    server = program.serve(dir .. "/db")
    local found = run { "scan", "--keys-only", "--to", ("key:%06d"):format(count + 1) }
    assert.are.equal(count, select(2, found.out:gsub("\n", "")))
    assert.are.equal("value 1", run({ "get", "key:000001" }).out)
  end

  it("stops, says what is known, and no acknowledged row is lost", function()
    local said = load_until(function() server:kill() end)

    assert.matches(("^loam: [^\n]*; %d rows are acknowledged, the outcome of the %%d+ rows in "
      .. "flight is unknown\n$"):format(acknowledged()), said)
    assert_all_acknowledged_rows_are_there()
  end)

  it("does the same when an operator stops the server", function()
    local said = load_until(function() server:stop() end)

    assert.matches(("^loam: [^\n]*; %d rows are acknowledged[^\n]*\n$"):format(acknowledged()),
      said)
    assert_all_acknowledged_rows_are_there()
  end)
end)
