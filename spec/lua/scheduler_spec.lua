-- Tasks in pooled coroutines.
local log = require "loam.log"
local scheduler = require "loam.scheduler"

describe("loam.scheduler", function()
  it("runs a function to its end, or until it waits", function()
    local seen, task = {}, nil
    scheduler.spawn(function(a, b)
      seen[#seen + 1] = a .. b
      task = scheduler.current()
      local woken_with = scheduler.wait()
      seen[#seen + 1] = woken_with
    end, "x", "y")
    seen[#seen + 1] = "outside"
    scheduler.wake(task, "woken")

    assert.same({ "xy", "outside", "woken" }, seen)
    assert.is_nil(scheduler.current())
  end)

  it("uses a coroutine again when its work has ended", function()
    local first, second
    scheduler.spawn(function() first = coroutine.running() end)
    scheduler.spawn(function() second = coroutine.running() end)

    assert.equal(first, second)
  end)

  it("nests: a task may spawn another", function()
    local order = {}
    scheduler.spawn(function()
      local outer = scheduler.current()
      scheduler.spawn(function() order[1] = scheduler.current() ~= outer end)
      order[2] = scheduler.current() == outer
    end)

    assert.same({ true, true }, order)
  end)

  it("cannot wait outside, nor in a coroutine of the user's own", function()
    local inside, own
    scheduler.spawn(function()
      inside = scheduler.can_wait()
      own = coroutine.wrap(scheduler.can_wait)()
    end)

    assert.same({ false, true, false }, { scheduler.can_wait(), inside, own })
    assert.has_error(scheduler.wait)
  end)

  it("lets those that gave way go on after everybody had a turn", function()
    local order = {}
    for at = 1, 2 do
      scheduler.spawn(function()
        order[#order + 1] = at
        scheduler.give_way()
        order[#order + 1] = at * 10
      end)
    end
    assert.is_true(scheduler.has_ready())
    scheduler.run_ready()

    assert.same({ 1, 2, 10, 20 }, order)
    assert.is_false(scheduler.has_ready())
  end)

  it("survives a task that raises, and logs it", function()
    local lines = {}
    log.configure { level = "error", write = function(line) lines[#lines + 1] = line end }
    finally(function() log.configure { write = function() end } end)

    scheduler.spawn(function() error("broken") end)

    assert.equal(1, #lines)
    assert.matches("broken", lines[1])
    assert.is_nil(scheduler.current())
  end)
end)
