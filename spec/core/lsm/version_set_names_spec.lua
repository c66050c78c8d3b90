-- Buckets and content types of a version set.
local env = require "spec.support.env"
local fault = require "spec.support.fault"
local versions = require "spec.support.versions"

local files, dir, set

local function reopen()
  assert(set:close())
  set = assert(versions.open(dir))
  assert(set:roll())
end

describe("lsm.version_set_names", function()
  before_each(function()
    files = fault.new()
    dir = assert(files:open("/db", true))
    assert(versions.create(dir))
    set = assert(versions.open(dir))
    assert(set:roll())
  end)
  after_each(function()
    set:close()
    env.close_all()
  end)

  describe("buckets", function()
    it("are found by name and by id, and listed in name order", function()
      local b = assert(set:add_bucket("zoo", 2, 5000))
      assert(set:add_bucket("apple"))

      assert.same({ id = 2, merge = 2, ttl_ms = 5000, name = "zoo" }, b)
      assert.same(b, set:bucket("zoo"))
      assert.same(b, set:bucket_by_id(2))
      assert.is_nil(set:bucket("zo"))
      assert.is_nil(set:bucket("zoos"))
      assert.is_nil(set:bucket_by_id(4))
      assert.equal("apple default zoo", set:buckets())
    end)

    it("live until they are dropped, and their ids are never used again (C11)", function()
      assert.equal(2, assert(set:add_bucket("one")).id)
      assert(set:drop_bucket("one"))
      local is_live = { set:is_live(1), set:is_live(2), set:is_live(3) }
      reopen()
      local again = assert(set:add_bucket("one"))

      assert.same({ true, false, false }, is_live)
      assert.equal(3, again.id)
      assert.is_false(set:is_live(2))
      assert.is_true(set:is_live(3))
    end)

    it("are many", function()
      for index = 1, 300 do
        assert(set:add_bucket(("b%03d"):format(index)))
      end
      for index = 2, 300, 2 do
        assert(set:drop_bucket(("b%03d"):format(index)))
      end
      reopen()

      for index = 1, 300 do
        assert.equal(index % 2 == 1, set:is_live(index + 1))
        assert.equal(index % 2 == 1, set:bucket(("b%03d"):format(index)) ~= nil)
      end
    end)

    -- Error paths of version_set_bucket_add() and version_set_bucket_drop().

    it("are refused with a name of the wrong form", function()
      for _, name in ipairs { "", "a b", "a/b", "a\0", "\195\164", ("x"):rep(65) } do
        local _, code, text = set:add_bucket(name)
        assert.equal("INVALID", code)
        assert.truthy(text:find("is not 1..64 of A-Z a-z 0-9 . _ -", 1, true))
      end
      assert(set:add_bucket(("x"):rep(64)))
    end)

    it("are refused with an unknown merge operator", function()
      assert.same({ nil, "INVALID", "merge operator 5 is not one of 0..4" },
        { set:add_bucket("b", 5) })
    end)

    it("are refused when the name is taken", function()
      assert.same({ nil, "EXISTS", "bucket 'default' exists" }, { set:add_bucket("default") })
    end)

    it("cannot be dropped when absent, nor when they are the default", function()
      assert.same({ nil, "NOT_FOUND", "" }, { set:drop_bucket("none") })
      assert.same({ nil, "INVALID", "bucket 'default' cannot be dropped" },
        { set:drop_bucket("default") })
    end)

    it("do not exist when the manifest failed", function()
      files:fail { kind = "sync", name = "MANIFEST" }

      assert.equal("IO", (select(2, set:add_bucket("b"))))

      assert.is_nil(set:bucket("b"))
      assert.is_false(set:is_live(2))
      assert.equal("READ_ONLY", (select(2, set:add_bucket("c"))))
    end)
  end)

  describe("content types", function()
    it("get ids from 1, the same one again, and keep them", function()
      assert.equal(1, set:content_type("text/plain"))
      assert.equal(2, set:content_type("application/json"))
      assert.equal(3, set:content_type("text/plai"))
      assert.equal(1, set:content_type("text/plain"))
      reopen()

      assert.equal(2, set:content_type("application/json"))
      assert.equal("text/plain", set:content_type_name(1))
      assert.equal(4, set:content_type("text/plainer"))
    end)

    it("have no name where there is none", function()
      assert.is_nil(set:content_type_name(0))
      assert.is_nil(set:content_type_name(1))
      assert.is_nil(set:content_type_name(1000))
      assert.is_nil(set:content_type_name(1001))
      assert.is_nil(set:content_type_name(4294967295))
    end)

    -- Error paths of version_set_content_type().

    it("are refused with a name of the wrong form", function()
      for _, name in ipairs { "", "a\r\nb", "a\0", "\200", ("x"):rep(128) } do
        assert.equal("INVALID", (select(2, set:content_type(name))))
      end
      assert.equal(1, set:content_type(("x"):rep(127)))
    end)

    it("are refused above the limit", function()
      local edit = { content_types_added = {} }
      for index = 1, 999 do
        edit.content_types_added[index] = { id = index, name = "t/" .. index }
      end
      assert(set:apply(edit))

      assert.equal(1000, set:content_type("t/1000"))
      assert.same({ nil, "TOO_LARGE", "a store has at most 1000 content types" },
        { set:content_type("t/1001") })
      assert.equal(1000, set:content_type("t/1000"))
    end)
  end)
end)
