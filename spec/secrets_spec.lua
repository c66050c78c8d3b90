-- No key or token is in the tree, and the check would notice one. The samples are put together
-- here, so that this file passes.
local files = require "spec.support.files"
local shell = require "spec.support.shell"
local tmpdir = require "spec.support.tmp"

local function secrets(text)
  local dir = tmpdir()
  files.write(dir, { ["lua/a.lua"] = "-- A file.\n" .. text .. "\n" })
  return shell.run("scripts/secrets.lua", dir)
end

describe("secrets #plain", function()
  it("finds nothing in this tree", function()
    assert.same({ status = 0, out = "", err = "" }, shell.run("scripts/secrets.lua"))
  end)

  local CASES = {
    { "private key", "-----BEGIN RSA " .. "PRIVATE KEY-----" },
    { "cloud access key", "id = AKIA" .. ("A1"):rep(8) },
    { "source host token", "ghp_" .. ("a"):rep(36) },
    { "bearer token", "Authorization: Bearer " .. ("a1"):rep(20) },
    { "password in a URL", "http://user:" .. "secret@example.org/" },
  }
  for _, case in ipairs(CASES) do
    it("reports a " .. case[1], function()
      local result = secrets(case[2])

      assert.equal(1, result.status)
      assert.equal("lua/a.lua:2: looks like a " .. case[1] .. "\n", result.err)
    end)
  end

  it("passes prose about them", function()
    local text = 'curl -H "Authorization: Bearer $TOKEN" http://127.0.0.1:8080 -- BEGIN PRIVATE KEY'

    assert.equal(0, secrets(text).status)
  end)
end)
