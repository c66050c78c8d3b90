-- The batches of writes that wait at the same time: each has its own until the engine is done.
local C = require "loam.native"
local served = require "spec.support.served"
local store = require "loam.store"

local LARGE = ("v"):rep(5 * 1024 * 1024)

describe("loam.store", function()
  local s, slow, seen

  -- A store whose commits wait until their task goes on; outcome(at) is what the at-th gives.
  local function open(outcome)
    s, seen = served.open(), {}
    slow = store.new(s.db, { waiter = { commit = function(_, batch)
      seen[#seen + 1] = batch
      local at, bytes = #seen, C.loam_batch_bytes(batch)
      coroutine.yield()
      assert.equal(bytes, C.loam_batch_bytes(batch))
      return outcome(at)
    end } })
  end

  after_each(function() s:close() end)

  local function write(key, value)
    local task = coroutine.create(function()
      return slow:write { { op = "put", bucket = 1, key = key, value = value } }
    end)
    assert(coroutine.resume(task))
    return task
  end

  local function go_on(task)
    local is_ok, result = coroutine.resume(task)
    assert(is_ok, result)
    return result
  end

  for name, value in pairs { small = "v", large = LARGE } do
    it("gives each " .. name .. " write that waits a batch of its own", function()
      open(function() return { code = "OK" } end)
      local tasks = { write("a", value), write("b", value), write("c", value) }
      assert.is_true(seen[1] ~= seen[2] and seen[2] ~= seen[3] and seen[1] ~= seen[3])

      for at = 1, 3 do
        assert.equal("OK", go_on(tasks[at]).code)
      end
      assert.equal("OK", go_on(write("d", value)).code)
    end)
  end

  it("does not touch a batch that the engine has not given back", function()
    open(function(at) return { code = "UNKNOWN_OUTCOME" }, at == 1 end)
    local kept = write("a", "value")
    local bytes = C.loam_batch_bytes(seen[1])
    go_on(kept)

    go_on(write("b", "a longer value"))

    assert.is_true(seen[1] ~= seen[2])
    assert.equal(bytes, C.loam_batch_bytes(seen[1]))
  end)
end)
