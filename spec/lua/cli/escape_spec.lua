-- Bytes as text and back: what is shown can be typed.
local escape = require "loam.cli.parts.escape"

describe("cli.escape", function()
  it("leaves text and UTF-8 as it is", function()
    assert.are.equal("plain text", escape.text("plain text"))
    assert.are.equal("grüße 日本 🙂", escape.text("grüße 日本 🙂"))
  end)

  it("escapes control characters and the backslash", function()
    assert.are.equal("a\\n\\t\\r\\\\\\x00\\x7f", escape.text("a\n\t\r\\\0\127"))
  end)

  it("escapes only the bytes that are no UTF-8", function()
    assert.are.equal("ü\\xffé\\x80\\xc3", escape.text("ü\255é\128\195"))
    assert.are.equal("\\xed\\xa0\\x80", escape.text("\237\160\128"))
    assert.are.equal("日\\x80x", escape.text("日\128x"))
  end)

  it("gives back every byte string", function()
    for _ = 1, 2000 do
      local bytes = {}
      for at = 1, math.random(0, 12) do
        bytes[at] = string.char(math.random(0, 255))
      end
      local text = table.concat(bytes)

      assert.are.equal(text, escape.decode(escape.text(text)))
      assert.are.equal(text, escape.decode(escape.quoted(text):sub(2, -2)))
    end
  end)

  it("quotes a word only where that is needed", function()
    assert.are.equal("user:1", escape.word("user:1"))
    assert.are.equal("\"a b\"", escape.word("a b"))
    assert.are.equal("\"\"", escape.word(""))
    assert.are.equal("\"say \\\"hi\\\"\"", escape.word("say \"hi\""))
    assert.are.equal("\"=1\"", escape.word("=1"))
  end)

  it("names the escape that there is not", function()
    local bytes, message = escape.decode("a\\q")
    assert.is_nil(bytes)
    assert.are.equal("unknown escape \\q; there are \\n \\t \\r \\\" \\\\ \\xNN", message)
    assert.are.equal("\\x is followed by two hex digits", select(2, escape.decode("\\x1")))
    assert.are.equal("a backslash ends the text; \\\\ is one", select(2, escape.decode("a\\")))
  end)
end)
