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
