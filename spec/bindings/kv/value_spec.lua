local ffi = require "ffi"
local kv = require "kv"
local store = require "spec.support.store"

describe("kv.value", function()
  local db
  before_each(function() db = store.open() end)
  after_each(function() db:close() end)

  local function put(...)
    local arguments = { n = select("#", ...), ... }
    return store.misuse(function() db:put(unpack(arguments, 1, arguments.n)) end)
  end

  it("takes any bytes as key and value", function()
    local bytes = {}
    for byte = 0, 255 do
      bytes[#bytes + 1] = string.char(byte)
    end
    local all = table.concat(bytes)

    assert(db:put(all, all))
    assert(db:put("", ""))

    assert.equal(all, db:get(all))
    assert.equal("", db:get(""))
  end)

  it("takes slices of C memory", function()
    local memory = ffi.new("uint8_t[4]", { 97, 0, 98, 99 })

    assert(db:put("k", kv.slice(memory, 3)))

    assert.equal("a\0b", db:get("k"))
  end)

  it("takes string.buffer objects", function()
    local has_buffer, buffer = pcall(require, "string.buffer")
    if not has_buffer then
      return pending("this LuaJIT has no string.buffer")
    end
    local bytes = buffer.new():put("one", "two")

    assert(db:put("k", bytes))

    assert.equal("onetwo", db:get("k"))
    assert.equal("onetwo", tostring(bytes))
  end)

  it("refuses keys that are no strings", function()
    assert.equal("put: the key is missing", put())
    assert.matches("^put: the key is a string, got the number 5; use tostring", put(5, "v"))
    assert.equal("put: the key is a string, got a table", put({}, "v"))
  end)

  it("refuses values that are no bytes", function()
    assert.equal("put: the value is missing; to remove a key use delete()", put("k"))
    assert.equal("put: the value is a string, got the number 1.5; use tostring() or "
      .. "string.format()", put("k", 1.5))
    assert.equal("put: the value is a string, got a table; encode it first", put("k", {}))
    assert.equal("put: the value is a string, got a boolean; encode it first", put("k", true))
    assert.equal("put: the value is a string, got cdata; encode it first",
      put("k", ffi.new("int[1]")))
  end)

  it("refuses slices that are none", function()
    assert.equal("kv.slice: the first argument is a pointer, got a string",
      store.misuse(function() kv.slice("a", 1) end))
    assert.equal("kv.slice: the size is a whole number of at least 0, got -1",
      store.misuse(function() kv.slice(ffi.new("char[1]"), -1) end))
  end)

  it("refuses times to live that are none", function()
    assert.equal("put: the TTL is 0 (never) to 100000000000 seconds, got -1", put("k", "v", -1))
    assert.matches("^put: the TTL is 0 .* got nan$", (put("k", "v", 0 / 0):gsub("-nan", "nan")))
    assert.matches("^put: the TTL is 0 .* got inf$", put("k", "v", math.huge))
    assert.equal("put: expire_at is in seconds since 1970, got -5",
      put("k", "v", { expire_at = -5 }))
    assert.equal("put: takes ttl or expire_at, not both",
      put("k", "v", { ttl = 1, expire_at = 5 }))
    assert.equal("put: options are a table, got a string", put("k", "v", "5"))
  end)
end)
