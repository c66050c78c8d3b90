-- Lines of the shell as words.
local escape = require "loam.cli.parts.escape"
local words = require "loam.cli.parts.words"

describe("cli.words", function()
  it("splits at blanks", function()
    assert.are.same({ "set", "a", "1" }, words.split("  set a\t1  "))
    assert.are.same({}, words.split("   "))
    assert.are.same({}, words.split(""))
  end)

  it("takes blanks and escapes between double quotes", function()
    assert.are.same({ "set", "a b", "\0\255\n\"\\" },
      words.split([[set "a b" "\x00\xff\n\"\\"]]))
    assert.are.same({ "" }, words.split([[""]]))
  end)

  it("takes everything literally between single quotes", function()
    assert.are.same({ [[a \n "b"]] }, words.split([['a \n "b"']]))
  end)

  it("leaves quotes and backslashes inside a bare word alone", function()
    assert.are.same({ "set", "k", [[{"a":"\n"}]] }, words.split([[set k {"a":"\n"}]]))
  end)

  it("says where a quote is open or stuck", function()
    assert.are.equal("the quote at column 5 is not closed", select(2, words.split([[get "a\"]])))
    assert.are.equal("a blank is missing behind the quote at column 7",
      select(2, words.split([[get "a"b]])))
    assert.are.equal("the quote at column 1 is not closed", select(2, words.split("'a")))
  end)

  it("reads back what the shell prints", function()
    for _ = 1, 1000 do
      local bytes = {}
      for at = 1, math.random(0, 10) do
        bytes[at] = string.char(math.random(0, 255))
      end
      local word = table.concat(bytes)

      assert.are.same({ "set", word, "x" }, words.split("set " .. escape.word(word) .. " x"))
    end
  end)
end)
