local raise = require "kv.raise"
local shell = require "spec.support.shell"

describe("kv.raise", function()
  it("passes every result of a success through", function()
    assert.same({ 1, nil, 3, n = 3 }, { n = select("#", raise(1, nil, 3)), raise(1, nil, 3) })
  end)

  it("raises the second result, whatever stands behind it", function()
    local failure = { code = "IO" }

    local is_ok, problem = pcall(raise, nil, failure, "IO")

    assert.is_false(is_ok)
    assert.equal(failure, problem)
  end)

  it("does what assert always did with one or two arguments", function()
    assert.same({ false, "assertion failed!" }, { pcall(raise, false) })
    assert.same({ false, "text" }, { pcall(raise, nil, "text") })
    assert.is_false((pcall(raise)))
  end)

  it("is assert() of a script that uses kv", function()
    local script = "package.path = 'bindings/?.lua;bindings/?/init.lua;' .. package.path "
      .. "local kv = require 'kv' assert(kv.open('/nonexistent/x', { read_only = true }))"

    local result = shell.run("luajit", "-e", script)

    assert.equal(1, result.status)
    assert.equal("luajit: NOT_FOUND: no directory /nonexistent/x", result.err:match("^[^\n]*"))
  end)
end)
