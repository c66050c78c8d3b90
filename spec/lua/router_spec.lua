-- Routing on raw paths.
local router = require "loam.router"

local function with(...)
  local made = router.new()
  for _, line in ipairs { ... } do
    local method, path = line:match("^(%S+) (%S+)$")
    made:add(method, path, line)
  end
  return made
end

describe("loam.router", function()
  it("finds literal paths and tells 404 from 405", function()
    local r = with("GET /a", "PUT /a", "GET /a/b")

    assert.equal("GET /a", (r:match("GET", "/a")))
    assert.equal("GET /a/b", (r:match("GET", "/a/b")))
    assert.same({ nil, "not found" }, { r:match("GET", "/a/") })
    assert.same({ nil, "method", { "GET", "HEAD", "OPTIONS", "PUT" } }, { r:match("POST", "/a") })
  end)

  it("gives HEAD to GET", function()
    assert.equal("GET /a", (with("GET /a"):match("HEAD", "/a")))
  end)

  it("takes parameters by both spellings, never empty, decoded after the split", function()
    local r = with("GET /x/{one}/:two")

    local _, values = r:match("GET", "/x/a%2Fb/c+d")
    assert.same({ one = "a/b", two = "c+d" }, values)
    assert.is_nil((r:match("GET", "/x//d")))
  end)

  it("gives everything behind the bucket to the key, also nothing, slashes and dots", function()
    local r = with("GET /v1/kv/{bucket}", "GET /v1/kv/{bucket}/{key*}")
    local cases = { ["/v1/kv/b/"] = "", ["/v1/kv/b/a//b/../c/"] = "a//b/../c/",
      ["/v1/kv/b/%2F%00"] = "/\0",
      ["/v1/kv/b/%2525"] = "%25", ["/v1/kv/b/a+b"] = "a+b" }

    for path, key in pairs(cases) do
      local route, values = r:match("GET", path)
      assert.equal("GET /v1/kv/{bucket}/{key*}", route)
      assert.equal(key, values.key)
    end
    assert.equal("GET /v1/kv/{bucket}", (r:match("GET", "/v1/kv/b")))
  end)

  it("says when a parameter has a bad escape", function()
    local r = with("GET /k/{key*}")

    for _, path in ipairs { "/k/%", "/k/%4", "/k/%zz", "/k/a%" } do
      assert.same({ nil, "escape" }, { r:match("GET", path) })
    end
  end)

  it("prefers literals to parameters and parameters to tails, and goes back from a dead end",
    function()
    local r = with("GET /a/b/c", "GET /a/{x}/d", "GET /{all*}")

    assert.equal("GET /a/b/c", (r:match("GET", "/a/b/c")))
    assert.equal("GET /a/{x}/d", (r:match("GET", "/a/b/d")))
    local route, values = r:match("GET", "/a/b/e")
    assert.equal("GET /{all*}", route)
    assert.equal("a/b/e", values.all)
  end)

  it("lets a route for any method stand in for missing ones", function()
    local r = with("GET /a", "* /a")

    assert.equal("GET /a", (r:match("GET", "/a")))
    assert.equal("* /a", (r:match("POST", "/a")))
  end)

  it("refuses patterns that are wrong or there already", function()
    local r = with("GET /a/{x}")

    assert.error_matches(function() r:add("GET", "a", 1) end, "begins with /")
    assert.error_matches(function() r:add("GET", "/a/{y}", 1) end, "declared already")
    assert.error_matches(function() r:add("GET", "/t/{x*}/b", 1) end, "nothing may follow")
    assert.error_matches(function() r:add("GET", "/a{x}", 1) end, "bad segment")
  end)
end)
