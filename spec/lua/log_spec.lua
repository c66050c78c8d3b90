-- Log lines: one per message, whatever the message holds.
local json = require "loam.json"
local log = require "loam.log"

describe("loam.log", function()
  local lines

  before_each(function()
    lines = {}
    log.configure { level = "info", format = "text", worker = 3,
      write = function(line) lines[#lines + 1] = line end }
  end)

  after_each(function()
    log.configure { level = "error", format = "text", write = function() end }
  end)

  it("writes time, level, worker, message and fields in one line", function()
    log.info("listening", "now", { port = 80, name = "a b" })

    assert.equal(1, #lines)
    assert.matches("^%d+%-%d+%-%d+T%d+:%d+:%d+%.%d+Z INFO %[3%] listening now "
      .. 'name="a b" port=80\n$',
      lines[1])
  end)

  it("leaves out what is below the level", function()
    log.debug("no")
    log.configure { level = "error" }
    log.warn("no")

    assert.same({}, lines)
    assert.is_false(log.is_on("warn"))
  end)

  it("escapes line ends, control bytes and bytes that are not UTF-8", function()
    log.warn("a\nb\27[31m\194\155\0é")
    log.warn("\255x")

    assert.matches("a\\nb\\x1b%[31m\\x9b\\x00é\n$", lines[1])
    assert.matches("\\xffx\n$", lines[2])
  end)

  it("writes JSON lines that decode to what was said", function()
    log.configure { format = "json" }
    log.error("bad\n", { code = 7 })

    local line = json.decode(lines[1])
    assert.same({ "error", "bad\n", 7, 3 }, { line.level, line.message, line.code, line.worker })
  end)
end)
