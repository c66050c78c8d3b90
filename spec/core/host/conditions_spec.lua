-- Lists of tags and ranges of bytes, case by case: RFC 9110, 8.8.3, 13.1 and 14.1.
local cdef = require "spec.support.cdef"
local ffi = require "ffi"
local lib = require "spec.support.lib"

cdef.load("host/conditions.h")

local INVALID = -5
local given, out = ffi.new("struct host_conditions"), ffi.new("struct host_selection")

local function listed(list, tag, is_weak)
  return lib.host_tag_listed(list, #list, tag, #tag, is_weak and 1 or 0)
end

-- The verdict on a value of `size` bytes with the tag 7: status, then first and size of a part.
local function select(fields, size, method)
  ffi.fill(given, ffi.sizeof(given))
  for name, text in pairs(fields) do
    given[name].data, given[name].size = text, #text
  end
  local code = lib.host_select(given, "7", 1, method == "HEAD" and 0 or 1, size or 10, out)
  if code ~= 0 then
    return "invalid"
  elseif out.status == 206 then
    return ("206 %d+%d"):format(tonumber(out.first), tonumber(out.size))
  end
  return tostring(out.status)
end

describe("host.conditions", function()
  describe("a list of tags", function()
    it("holds what stands in it, whole and in quotes", function()
      for _, list in ipairs { '"7"', '"1","7"', '"7" , "1"', ',, "7",', "*", '"1",\t"7"' } do
        assert.equal(1, listed(list, "7"), list)
      end
      for _, list in ipairs { '"77"', '""', '"1", "2"', '"x7"' } do
        assert.equal(0, listed(list, "7"), list)
      end
      assert.equal(1, listed('"\195\164b"', "\195\164b"))
    end)

    it("counts weak tags for the weak comparison only", function()
      assert.same({ 0, 1 }, { listed('W/"7"', "7"), listed('W/"7"', "7", true) })
      assert.same({ 1, 1 }, { listed('W/"7", "7"', "7"), listed('"7"', "7", true) })
    end)

    it("is refused when it is none", function()
      for _, list in ipairs { "", "7", '"7', '7"', '"7""8"', '"7" "8"', "*, *", '*,"7"', "w/\"7\"",
        'W/7', '"7",8', '" 7"', '"7";', ",", '"a\127"' } do
        assert.equal(INVALID, listed(list, "7"), list)
      end
    end)
  end)

  describe("a range", function()
    it("is a part of the value", function()
      for range, expected in pairs {
        ["bytes=0-0"] = "206 0+1", ["bytes=2-5"] = "206 2+4", ["bytes=5-"] = "206 5+5",
        ["bytes=-3"] = "206 7+3", ["bytes=-99"] = "206 0+10", ["bytes=9-9"] = "206 9+1",
        ["bytes=0-99"] = "206 0+10", ["BYTES=0-1"] = "206 0+2", ["bytes= 0-1"] = "206 0+2",
        ["bytes=0-99999999999999999999999"] = "206 0+10",
        ["bytes=-99999999999999999999999"] = "206 0+10",
      } do
        assert.equal(expected, select { range = range }, range)
      end
    end)

    it("that no byte answers is 416, and so is one that is none", function()
      for _, range in ipairs { "bytes=10-", "bytes=10-20", "bytes=-0", "bytes=5-2", "bytes=",
        "bytes=-", "bytes=a-b", "bytes=1", "bytes=1-2x", "bytes=+1-2", "bytes=1-2-3", "bytes=0x1-",
        "bytes=1 -2", "bytes=99999999999999999999999-" } do
        assert.equal("416", select { range = range }, range)
      end
      assert.equal("416", select({ range = "bytes=0-" }, 0))
      assert.equal("416", select({ range = "bytes=-0" }, 0))
    end)

    it("is ignored: several, other units, for HEAD, of the end of nothing", function()
      for _, range in ipairs { "bytes=0-1,3-4", "bytes=0-0,", "lines=1-2", "bytes 0-1", "bytes",
        "bytes=0-1,0-1,0-1,0-1" } do
        assert.equal("200", select { range = range }, range)
      end
      assert.equal("200", select({ range = "bytes=0-1" }, 10, "HEAD"))
      assert.equal("200", select({ range = "bytes=-5" }, 0))
    end)

    it("counts only while If-Range is the tag, strongly", function()
      for if_range, expected in pairs { ['"7"'] = "206 0+1", ['W/"7"'] = "200", ['"8"'] = "200",
        ["7"] = "200", ['"7", "8"'] = "200", ["*"] = "200",
        ["Sat, 29 Oct 1994 19:43:31 GMT"] = "200" } do
        assert.equal(expected, select { range = "bytes=0-0", if_range = if_range }, if_range)
      end
      assert.equal("200", select { range = "bytes=99-", if_range = '"8"' })
    end)
  end)

  it("are judged in the order of RFC 9110 13.2.2", function()
    for _, case in ipairs {
      { "412", { if_match = '"8"', if_none_match = '"7"', range = "bytes=0-0" } },
      { "304", { if_match = '"7"', if_none_match = '"7"', range = "bytes=0-0" } },
      { "206 0+1", { if_match = '"7"', if_none_match = '"8"', range = "bytes=0-0" } },
      { "200", { if_match = "*" } }, { "304", { if_none_match = "*" } },
      { "412", { if_match = 'W/"7"' } }, { "304", { if_none_match = 'W/"7"' } },
      { "invalid", { if_match = "7" } }, { "invalid", { if_none_match = "7" } },
      { "412", { if_match = '"8"', if_none_match = "7" } },
    } do
      assert.equal(case[1], select(case[2]))
    end
  end)

  it("are refused when a field came twice", function()
    ffi.fill(given, ffi.sizeof(given))
    given.is_repeated = 1

    assert.equal(INVALID, lib.host_select(given, "7", 1, 1, 10, out))
  end)
end)
