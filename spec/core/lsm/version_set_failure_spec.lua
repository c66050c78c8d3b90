-- A version set whose manifest cannot be written: the edit did not happen, and the next one goes to
-- a new manifest. What poisons the set is in version_set_spec.lua.
local env = require "spec.support.env"
local fault = require "spec.support.fault"
local manifest = require "spec.support.manifest"
local versions = require "spec.support.versions"

local files, dir, set

local function open()
  set = assert(versions.open(dir))
end

local function reopen()
  assert(set:close())
  open()
  assert(set:roll())
end

local function put(number, run)
  return versions.put_table(dir, number, run, "a", "z")
end

describe("lsm.version_set, an edit that cannot be written,", function()
  before_each(function()
    files = fault.new()
    dir = assert(files:open("/db", true))
    assert(versions.create(dir))
    open()
    assert(set:roll())
  end)
  after_each(function()
    if set._p ~= nil then
      set:close()
    end
    env.close_all()
  end)

  it("is gone, and the next one goes to a new manifest (D11)", function()
    assert(set:apply { tables_added = { put(110, 3) } })
    local before, manifest_before = set:dump(), set:manifest_number()
    files:tear(1000) -- The whole edit gets into the file.
    files:fail { kind = "write", name = "MANIFEST", errno = 28 }

    assert.equal("NO_SPACE", (select(2, set:apply { tables_removed = { 110 } })))

    assert.equal(before, set:dump())
    assert.is_nil(set:failed())
    assert.equal(manifest_before, set:manifest_number())
    files:clear()
    -- What a crash before the next edit leaves is the state before.
    assert(files:reboot("kill", 0))
    set:close() -- Of before the reboot.
    dir = assert(files:open("/db", true))
    open()
    assert.equal(before, set:dump())
    assert(set:roll())
    files:fail { kind = "write", name = "MANIFEST" }
    manifest_before = set:manifest_number()
    assert.is_nil((set:apply { last_seq = 5 }))

    assert(set:apply { last_seq = 6 })

    assert.is_true(set:manifest_number() > manifest_before)
    assert.equal("000000000110.sst CURRENT " .. manifest.name(set:manifest_number()), dir:names())
    reopen()
    assert.equal(6, set:last_seq())
  end)

  it("can be tried again when also the new manifest or CURRENT fails", function()
    for _, what in ipairs { "create MANIFEST", "write MANIFEST", "sync MANIFEST",
      "create CURRENT", "write CURRENT", "sync CURRENT", "close CURRENT" } do
      local kind, name = what:match("(%a+) (%a+)")
      local before = set:last_seq()
      files:fail { kind = "write", name = "MANIFEST" }
      assert.is_nil((set:apply { last_seq = before + 1 }))
      files:fail { kind = kind, name = name, times = 3 }
      for _ = 1, 3 do
        assert.equal("IO", (select(2, set:apply { last_seq = before + 2 })), what)
      end
      assert.is_nil(set:failed())

      assert(set:apply { last_seq = before + 3 })

      assert.equal(before + 3, set:last_seq())
      assert.equal(1, select(2, dir:names():gsub("MANIFEST", "")))
      files:clear()
    end
    reopen()
    assert.equal(21, set:last_seq())
  end)

  it("leaves no file number given out that was not reserved (I4)", function()
    local last = set:next_file()
    files:fail { kind = "write", name = "MANIFEST", times = "forever" }
    local numbers = 0
    while numbers < 500 and set:next_file() > 0 do
      numbers = numbers + 1
    end
    assert.is_true(numbers < 100)
    files:clear()

    assert.is_true(set:next_file() > last + numbers)
    assert.is_nil(set:failed())
  end)
end)
