-- JSON: what is written, what is refused, and bytes that are not UTF-8.
local json = require "loam.json"

describe("loam.json", function()
  it("writes whole numbers up to 2^53 with every digit", function()
    assert.equal("9007199254740991", json.encode(9007199254740991))
    assert.equal("[0.1,-3,1e+300]", json.encode { 0.1, -3, 1e300 })
  end)

  it("sorts the members of objects", function()
    assert.equal('{"a":1,"b":[true,null],"c":{}}', json.encode { c = {}, b = { true, json.null },
      a = 1 })
  end)

  it("tells an empty list from an empty object by its marker", function()
    assert.equal("[]", json.encode(json.array()))
    assert.equal("{}", json.encode {})
  end)

  it("escapes control bytes, quotes and backslashes and keeps UTF-8", function()
    assert.equal('"a\\"\\\\\\n\\u0001é/"', json.encode('a"\\\n\1é/'))
  end)

  it("refuses what has no JSON form", function()
    for what, value in pairs { UTF = "\255", ["nan"] = 0 / 0, ["inf"] = math.huge,
      ["function"] = print,
      ["list and other"] = { 1, x = 2 } } do
      local is_ok, message = pcall(json.encode, value)
      assert.is_false(is_ok)
      assert.matches(what, message)
    end
  end)

  it("refuses tables deeper than the limit, also those that hold themselves", function()
    local loop = {}
    loop.again = loop

    local is_ok, message = pcall(json.encode, loop)

    assert.is_false(is_ok)
    assert.matches("deeper than 64", message)
  end)

  it("refuses texts that are malformed, too deep, or no UTF-8", function()
    assert.is_nil(json.decode("{\"a\":}"))
    assert.is_nil(json.decode(("["):rep(100) .. ("]"):rep(100)))
    assert.is_nil(json.decode("\"\255\""))
    assert.is_nil(json.decode("NaN"))
    assert.is_nil(json.decode("\"\\ud800\""))
  end)

  it("H15 refuses what two readers may understand differently, and says where", function()
    local TWINS = "two members of one name"
    for text, problem in pairs {
      ['{"a":1,"a":1}'] = "two members of one name at byte 13", ['{"b":{"x":1,"x":2}}'] = TWINS,
      ['{"\\u0061":1,"a":2}'] = TWINS, ['{"\\u00e9":1,"é":2}'] = TWINS,
      ['{"\\ud83d\\ude00":1,"\240\159\152\128":2}'] = TWINS,
      ['{"a":1,"b":1,"c":1,"d":1,"e":1,"f":1,"g":1,"h":1,"i":1,"a":1}'] = TWINS,
      ['"\\ud800"'] = "bad escape", ['"\\udc00"'] = "bad escape",
      ['"\\ud800\\u0041"'] = "bad escape", ['"\\ud800\\ud800"'] = "bad escape",
      ['"\\x41"'] = "bad escape in a string at byte 2",
      ['"\\u00g0"'] = "bad escape", ['"\\u00'] = "bad escape",
      ['"\\'] = "bad escape", ['"a\1b"'] = "control byte", ['"a\nb"'] = "control byte",
      ['"\0"'] = "control byte", ["[1]\0"] = "something behind the value at byte 4",
      ["[1]\0[2]"] = "something behind", ["1 2"] = "something behind", ["[1]]"] = "behind",
      ["1e999"] = "too large", ["-1e999"] = "too large", [("9"):rep(400)] = "too large",
      ["01"] = "malformed number", ["-"] = "malformed number", ["1."] = "malformed number",
      ["1e"] = "malformed number", ["-01"] = "malformed number", ["1e+"] = "malformed number",
      ["0x10"] = "behind the value", [".5"] = "no JSON value", ["+1"] = "no JSON value",
      ["NaN"] = "no JSON value", ["Infinity"] = "no JSON value", ["-Infinity"] = "malformed number",
      ["tru"] = "no JSON value", ["TRUE"] = "no JSON value", ["nul"] = "no JSON value",
      ["[1,]"] = "no JSON value", ["[,1]"] = "no JSON value", ["[1 2]"] = "a list without",
      ["[1"] = "a list without", ["{"] = "without a name", ['{"a"}'] = "without a colon",
      ["{a:1}"] = "without a name", ['{"a":1,}'] = "without a name",
      ['{"a":1'] = "an object without", ["{'a':1}"] = "without a name", ["[}"] = "no JSON value",
      ['{"a":1]'] = "an object without", [""] = "the end in front of a value",
      ["/**/1"] = "no JSON value", ["\239\187\1911"] = "no JSON value",
      ['"abc'] = "without its end",
      [("["):rep(65) .. ("]"):rep(65)] = "deeper than 64 at byte 65",
    } do
      local value, message = json.decode(text)
      assert.is_nil(value)
      assert.matches(problem, message, 1, true)
    end
  end)

  it("takes every form of JSON", function()
    for text, value in pairs {
      [" [ 1 , 2 ]\r\n\t"] = { 1, 2 }, ["-0.5e+1"] = -5, ["0"] = 0, ["1e-999"] = 0, ["[]"] = {},
      ['{"a":{},"b":[{"a":1},{"a":2}]}'] = { a = {}, b = { { a = 1 }, { a = 2 } } },
      ['"\\"\\\\\\/\\b\\f\\n\\r\\t\\u0000"'] = '"\\/\b\f\n\r\t\0',
      ['"\\ud83d\\ude00"'] = "\240\159\152\128",
      ['{"a":1,"A":2,"":3,"a\\u0000":4}'] = { a = 1, A = 2, [""] = 3, ["a\0"] = 4 },
    } do
      assert.same(value, (json.decode(text)))
    end
    assert.is_true(json.decode("true"))
    assert.equal(json.null, json.decode("null"))
    local depth = json.depth_max
    assert.is_table(json.decode(("["):rep(depth) .. ("]"):rep(depth)))
  end)

  it("H15 ends with bombs in time that grows with their size", function()
    assert.matches("deeper than 64", select(2, json.decode(("["):rep(100000))))
    assert.matches("deeper than 64", select(2, json.decode(('{"a":'):rep(100000))))
    local parts = {}
    for at = 1, 200000 do
      parts[at] = ('"k%d":1'):format(at % 199999)
    end
    assert.matches("two members of one name",
      select(2, json.decode("{" .. table.concat(parts, ",") .. "}")))
  end)

  it("takes nothing that the decoder behind the check does not #fuzz", function()
    local words = { "{", "}", "[", "]", ",", ":", '"', "\\", "1", "-", "0", ".", "e", "true",
      "null", '"a"', '"b":', "\\u0061", "\\ud800", " ", "\n", "\0", '{"a":1}', "[1,2]" }
    local seeds = { '{"a":[1,-2.5e3,true,null,"x\\n"],"b":{"c":"\\u00e9"}}', "[[],{},0]",
      '"a"', "-0.1" }
    local taken = 0
    for _ = 1, 20000 do
      local text = seeds[math.random(#seeds)]
      for _ = 1, math.random(3) do
        local at = math.random(0, #text)
        text = text:sub(1, at) .. (math.random(2) == 1 and words[math.random(#words)] or "")
          .. text:sub(at + math.random(0, 2))
      end

      local value, message = json.decode(text)

      assert.is_true(message == nil or message:find(" at byte ", 1, true) ~= nil, text)
      taken = taken + (value ~= nil and 1 or 0)
    end
    assert.is_true(taken > 200)
  end)

  it("decodes what it encodes", function()
    local value = { name = "ä\0z", list = { 1, 2.5, -7 }, flag = false }
    assert.same(value, json.decode(json.encode(value)))
  end)

  it("codes bytes as base64url without padding, one text per value", function()
    for _, bytes in ipairs { "", "m", "ma", "map", "maps", "\255\254\253", ("\0"):rep(5) } do
      assert.equal(bytes, json.base64url_decode(json.base64url(bytes)))
    end
    assert.equal("bWE", json.base64url("ma"))
    assert.equal("ma", json.base64url_decode("bWE="))
    for _, text in ipairs { "b", "bWF=", "bW E", "bWE+", "bWF" .. "\0", "====" } do
      assert.is_nil(json.base64url_decode(text))
    end
  end)

  it("says whether bytes are UTF-8, as Unicode has it", function()
    for _, good in ipairs { "", "abc", "é", "\226\130\172", "\240\159\140\138",
      ("x"):rep(100) .. "é" } do
      assert.is_true(json.is_utf8(good))
    end
    for _, bad in ipairs { "\128", "\192\128", "\224\128\128", "\237\160\128", "\244\144\128\128",
      "\245\128\128\128", "\195", "abcdefgh\226\130" } do
      assert.is_false(json.is_utf8(bad))
    end
  end)

  it("puts bytes under name or name64 and takes them from either", function()
    local object = {}
    json.set_bytes(object, "k", "text")
    json.set_bytes(object, "v", "\255")

    assert.same({ k = "text", v64 = "_w" }, object)
    assert.equal("\255", json.get_bytes(object, "v"))
    assert.same({ nil, "k and k64 exclude each other" },
      { json.get_bytes({ k = "a", k64 = "YQ" }, "k") })
  end)
end)
