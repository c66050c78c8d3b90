-- A start that fails, for whatever reason, is one line that says why, and exit code 1: no memory or
-- threads at any step, workers that cannot begin, a program without its files.
local files = require "spec.support.files"
local paths = require "spec.support.paths"
local server = require "spec.support.server"
local shell = require "spec.support.shell"
local tmpdir = require "spec.support.tmp"

describe("the start of loam serve", function()
  after_each(server.stop_all)

  local function serve(words, environment)
    return server.run(("serve --data %s/data --listen 127.0.0.1:0 %s"):format(tmpdir(), words),
      environment)
  end

  local function assert_one_line(pattern, code, out, text)
    assert.equal("", out)
    assert.equal(1, code, text)
    assert.matches("^loam: [^\n]+\n$", text)
    assert.matches(pattern, text)
  end

  it("tells an error of app.lua in one line", function()
    local dir = tmpdir()
    files.write(dir, { ["app.lua"] = 'error("first line\\n\tsecond line")' })

    assert_one_line("app.lua:1: first line", serve("--workers 3 " .. dir .. "/app.lua"))
  end)

  it("tells the reason of the worker that failed while others are still loading", function()
    local dir = tmpdir()
    -- The first to come fails; the others take longer than a stop waits for a worker that serves.
    files.write(dir, { ["app.lua"] = ([[
      if os.execute("mkdir %s/first 2>/dev/null") == 0 then error("no luck") end
      os.execute("sleep 3.3")]]):format(dir) })

    assert_one_line("no luck", serve("--workers 2 " .. dir .. "/app.lua"))
  end)

  -- A limit on its address space lets threads and allocations fail at every step of the start. Not
  -- under a sanitizer, which needs terabytes of it.
  it("without memory for its threads says so at every step #plain", function()
    local is_told = {}
    for _, given in ipairs { { 12500, 1 }, { 29000, 1 }, { 38000, 1 }, { 46000, 1 }, { 54500, 1 },
      { 62000, 1 }, { 140000, 2 }, { 200000, 12 } } do
      local code, out, text = serve("--workers " .. given[2],
        ("ulimit -v %d; timeout 5 "):format(given[1]))
      if out == "" then
        assert_one_line("", code, out, text)
        is_told[text:match("cannot start thread ([%a-]+)") or "memory"] = true
      end
    end
    assert.is_true(is_told["loam-task"])
    assert.is_true(is_told["loam-worker"])
  end)

  it("without its Lua files says where it looked", function()
    local dir = tmpdir()
    assert(shell.run("mkdir", dir .. "/bin").status == 0)
    assert(shell.run("cp", paths.program, dir .. "/bin/loam").status == 0)

    local ended = shell.run(dir .. "/bin/loam", "version")

    assert.equal(1, ended.status)
    assert.equal(("loam: no Lua files in %s/bin/../lua or %s/bin/../share/loam\n"):format(dir, dir),
      ended.err)
  end)
end)
