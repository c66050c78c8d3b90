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

  -- A limit on its address space lets the threads of the start fail, from the first to the last
  -- one, which runs a worker. Not under a sanitizer, which needs terabytes of it. With room for
  -- some workers and not for all it would be LuaJIT that ends the process: what it calls for
  -- compiled code in libgcc, __register_frame(), does not look whether there was memory.
  it("without memory for its threads says so at every step #plain", function()
    local is_told = {}
    for _, kib in ipairs { 12500, 29000, 38000, 46000, 54500 } do
      local code, out, text = serve("--workers 1", ("ulimit -v %d; timeout 5 "):format(kib))
      if out == "" then
        assert_one_line("", code, out, text)
        is_told[text:match("cannot start thread ([%a-]+)") or "memory"] = true
      end
    end
    assert.is_true(is_told["loam-task"])
  end)

  it("without its Lua files says where it looked", function()
    local dir = tmpdir()
    assert(shell.run("mkdir", dir .. "/bin").status == 0)
    assert(shell.run("cp", paths.program, dir .. "/bin/loam").status == 0)

    local ended = shell.run(dir .. "/bin/loam", "version")

    assert.equal(1, ended.status)
    assert.equal(("loam: no Lua files in %s/bin/../lua or %s/bin/../share/loam\n"):format(dir, dir),
      ended.err)
    assert(shell.run("mkdir", "-p", dir .. "/lua/loam/cli").status == 0)
    files.write(dir, { ["lua/loam/cli/init.lua"] = "x x" })
    ended = shell.run(dir .. "/bin/loam", "version")
    assert.equal(1, ended.status)
    assert.matches("^loam: error loading module 'loam.cli' from file '[^\n]+init.lua:1: [^\n]+\n$",
      ended.err)
  end)
end)
