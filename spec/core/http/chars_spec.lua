-- Byte classes: what is looked at eight bytes at a time agrees with the table, at every place.
local cdef = require "spec.support.cdef"
local lib = require "spec.support.lib"

cdef.load("http/chars.h")

local LONGEST = 26

describe("http.chars", function()
  local function one_by_one(text, set)
    for at = 1, #text do
      if not lib.http_chars_all(text:sub(at, at), 1, set) then
        return false
      end
    end
    return true
  end

  for name, set in pairs { target = lib.HTTP_CHAR_TARGET, value = lib.HTTP_CHAR_VALUE } do
    it("finds each wrong byte of a " .. name .. ", wherever it stands", function()
      for size = 1, LONGEST do
        for place = 0, size - 1 do
          for byte = 0, 255 do
            local text = ("a"):rep(place) .. string.char(byte) .. ("~"):rep(size - place - 1)
            if lib.http_chars_all(text, size, set) ~= one_by_one(text, set) then
              error(("byte %d at %d of %d"):format(byte, place, size))
            end
          end
        end
      end
    end)
  end

  it("tells a target by its rules: visible ASCII without #", function()
    for byte = 0, 255 do
      local is_legal = byte > 0x20 and byte < 0x7f and byte ~= ("#"):byte()
      assert.equal(is_legal, lib.http_chars_all(string.char(byte):rep(8), 8, lib.HTTP_CHAR_TARGET))
    end
  end)

  it("tells a value by its rules: tab, blank, visible, and bytes from 0x80", function()
    for byte = 0, 255 do
      local is_legal = byte == 9 or byte >= 0x20 and byte ~= 0x7f
      assert.equal(is_legal, lib.http_chars_all(string.char(byte):rep(8), 8, lib.HTTP_CHAR_VALUE))
    end
  end)

  it("compares without case, letters only", function()
    assert.is_true(lib.http_same_nocase("Content-TYPE", "content-type", 12))
    for byte = 0, 255 do
      local text = string.char(byte)
      local is_letter = text:lower() ~= text or text:upper() ~= text
      local other = string.char(bit.bxor(byte, 0x20))
      assert.equal(is_letter and byte < 128, lib.http_same_nocase(text, other, 1))
    end
  end)
end)
