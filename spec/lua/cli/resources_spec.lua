-- The program with few descriptors and little memory: it works, or says why in one line, and loses
-- nothing (R06 R07).
local program = require "spec.support.program"
local shell = require "spec.support.shell"
local tmpdir = require "spec.support.tmp"

local MIB = 2 ^ 20
local ROWS, VALUE = 50000, ("0123456789abcdef"):rep(120)

describe("loam with few resources", function()
  local dir

  before_each(function()
    dir = tmpdir()
  end)

  after_each(program.stop_all)

  local function run_limited(limit, words)
    local line = "ulimit -n %d && env -u LOAM_URL -u LOAM_DATA -u DATA_DIR %s"
    return shell.script(line:format(limit, program.line(words)))
  end

  it("works with few descriptors or says so in one line (R06) #plain", function()
    local written, refused = 0, 0
    for limit = 6, 16, 2 do
      local result = run_limited(limit, { "put", "k" .. limit, "v", "--data",
        dir .. "/db" })
      if result.status == 0 then
        written = written + 1
      else
        refused = refused + 1
        assert.is_true(result.status < 128, "ended by a signal")
        assert.equal(1, select(2, result.err:gsub("\n", "")), result.err)
      end
    end

    assert.is_true(written > 0)
    local count = written > 0 and program.run({ "scan", "--count", "--data", dir .. "/db" }).out
    assert.equal(written .. "\n", count)
    assert.is_true(refused > 0, "with 6 descriptors there is not enough for a store")
    assert.equal(0, program.run({ "check", "--data", dir .. "/db" }).status)
  end)

  it("refuses to serve where files cannot be made, in one line (R06) #plain", function()
    for _, place in ipairs { "/proc/loam", "/sys/loam", dir .. "/file/db" } do
      program.write(dir .. "/file", "")
      local result = program.run { "serve", "--data", place, "--listen", "127.0.0.1:0" }

      assert.is_true(result.status > 0 and result.status < 128)
      assert.equal("", result.out)
      assert.matches("^loam: [^\n]+\n$", result.err)
    end
  end)

  -- A control group of 256 MiB would kill at its limit; the peak says the same everywhere.
  it("serves a load of 90 MiB in less than 256 MiB (R07) #plain", function()
    local server = program.serve(dir .. "/db")
    local pipe = assert(io.popen(program.line { "load", "--url", server.url, "--durability", "os" }
      .. " >" .. dir .. "/out", "w"))
    for at = 1, ROWS do
      pipe:write(('{"k":"key:%07d","v":"%s"}\n'):format(at * 7919 % ROWS, VALUE))
    end
    pipe:close()
    local read = program.run { "scan", "--count", "--url", server.url }

    local peak = program.read(("/proc/%d/status"):format(server.pid)):match("VmHWM:%s*(%d+) kB")
    local files = program.read(("/proc/%d/status"):format(server.pid)):match("RssFile:%s*(%d+)")
    assert.matches("^loaded 50,000 rows", program.read(dir .. "/out"))
    assert.equal(ROWS .. "\n", read.out)
    -- Pages of files, such as the mapped log, are the kernel's to drop.
    assert.is_true((peak - files) * 1024 < 256 * MIB, ("%d KiB"):format(peak - files))
    print(("R07: peak %d MiB, of files %d MiB"):format(peak / 1024, files / 1024))
  end)
end)
