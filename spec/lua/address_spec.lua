-- Addresses to listen on, and what is loopback.
local address = require "loam.address"

describe("loam.address", function()
  it("knows loopback from the rest", function()
    for text, is_loopback in pairs { ["127.0.0.1:80"] = true, ["127.9.9.9:0"] = true,
      ["localhost:1"] = true, ["[::1]:80"] = true, ["unix:/tmp/s"] = true, [":8080"] = true,
      ["0.0.0.0:80"] = false, ["[::]:80"] = false, ["10.0.0.1:80"] = false,
      ["example.org:80"] = false, ["127.0.0.1.example.org:80"] = false } do
      assert.equal(is_loopback, assert(address.parse(text)).is_loopback)
    end
  end)

  it("refuses what is no address in one line", function()
    for _, text in ipairs { "", "80", "host", "host:", "host:99999", "a b:80", "[::1:80",
      "unix:" } do
      local parsed, message = address.parse(text)
      assert.is_nil(parsed)
      assert.matches("HOST:PORT", message)
    end
  end)

  it("admits the names of loopback and those of the option", function()
    local names = address.admitted_hosts(address.parse("127.0.0.1:80"), { "db.example" })
    assert.same({ "localhost", "127.0.0.1", "[::1]", "127.0.0.1", "db.example" }, names)
    assert.same({}, address.admitted_hosts(address.parse("0.0.0.0:80"), {}))
  end)
end)
