-- Percent decoding and queries: once, on demand, byte for byte.
local cdef = require "spec.support.cdef"
local ffi = require "ffi"
local lib = require "spec.support.lib"

cdef.load("http/http.h")

local function decode(text)
  local out = ffi.new("char[?]", #text + 1)
  local size = lib.http_percent_decode(text, #text, out)
  return size >= 0 and ffi.string(out, size) or nil
end

local function find(query, name)
  local value, size = ffi.new("const char *[1]"), ffi.new("size_t[1]")
  if lib.http_query_find(query, #query, name, #name, value, size) == 1 then
    return ffi.string(value[0], size[0])
  end
end

local function walk(query)
  local at, name, value = ffi.new("size_t[1]"), ffi.new("loam_slice[1]"), ffi.new("loam_slice[1]")
  local found = {}
  while lib.http_query_next(query, #query, at, name, value) == 1 do
    found[#found + 1] = ffi.string(name[0].data, name[0].size) .. "="
      .. ffi.string(value[0].data, value[0].size)
  end
  return found
end

describe("http.target", function()
  it("decodes escapes exactly once and leaves plus alone", function()
    assert.equal("a b/\0+%41", decode("a%20b%2F%00+%2541"))
    assert.equal("\255\1", decode("%fF%01"))
    assert.equal("", decode(""))
  end)

  it("refuses escapes that are cut off or not hexadecimal", function()
    for _, bad in ipairs { "%", "%4", "a%zz", "%4g", "%%41", "%-1" } do
      assert.is_nil(decode(bad))
    end
  end)

  it("decodes in place", function()
    local text = ffi.new("char[8]", "a%62c")

    assert.equal(3, lib.http_percent_decode(text, 5, text))
    assert.equal("abc", ffi.string(text, 3))
  end)

  it("finds parameters by their decoded name", function()
    local query = "a=1&b&%63=x%20y&a=2&d=e=f"

    assert.equal("1", find(query, "a"))
    assert.equal("", find(query, "b"))
    assert.equal("x%20y", find(query, "c"))
    assert.equal("e=f", find(query, "d"))
    assert.is_nil(find(query, "aa"))
    assert.is_nil(find(query, ""))
    assert.is_nil(find("", "a"))
  end)

  it("walks all parameters and skips empty ones", function()
    assert.same({ "a=1", "b=", "=c" }, walk("&a=1&&b&=c&"))
    assert.same({}, walk(""))
    assert.same({}, walk("&&"))
  end)
end)
