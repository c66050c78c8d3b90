-- Tasks in pooled coroutines.
local log = require "loam.log"
local scheduler = require "loam.scheduler"
local store = require "spec.support.store"

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

  describe("a task that is to end", function()
    local told, abandoned

    before_each(function()
      told, abandoned = {}, 0
    end)

    local function kill(task)
      scheduler.kill(task, { is_answer = true, text = "end" }, function()
        abandoned = abandoned + 1
      end)
    end

    local function waiting(fn)
      local task
      scheduler.spawn(function()
        task = scheduler.current()
        fn()
      end)
      return task
    end

    it("is told in a wait that can be broken off, once", function()
      local detached = 0
      local task = waiting(function()
        local _, problem = pcall(scheduler.wait, function() detached = detached + 1 end)
        told[#told + 1] = problem.text
      end)
      kill(task)
      kill(task)

      assert.same({ { "end" }, 1, 0 }, { told, detached, abandoned })
    end)

    it("is told behind a wait that cannot, at its next check", function()
      local task = waiting(function()
        told[1] = scheduler.wait()
        local _, problem = pcall(scheduler.check)
        told[2] = problem.text
      end)
      kill(task)
      assert.same({}, told)
      scheduler.wake(task, "outcome")

      assert.same({ { "outcome", "end" }, 0 }, { told, abandoned })
    end)

    it("is told when it gave way", function()
      local task = waiting(function()
        local _, problem = pcall(scheduler.give_way)
        told[1] = problem.text
      end)
      kill(task)
      scheduler.run_ready()

      assert.same({ "end" }, told)
    end)

    it("is left behind when it goes on all the same, and its coroutine goes away", function()
      local seen = setmetatable({}, { __mode = "k" })
      local function start()
        local task = waiting(function()
          while true do
            pcall(scheduler.wait, function() end)
            told[#told + 1] = "again"
          end
        end)
        seen[task] = true
        kill(task)
      end
      for _ = 1, 20 do
        start()
      end
      assert.same({ 20, 20 }, { #told, abandoned })
      store.collect()

      local left = 0
      for _ in pairs(seen) do
        left = left + 1
      end
      -- A slot of a stack or compiled code may still hold one; what leaks holds all.
      assert.is_true(left <= 2, left .. " of 20 are left")
    end)

    it("ends for itself alone: the next work of its coroutine is not told", function()
      local task = waiting(function() pcall(scheduler.wait, function() end) end)
      kill(task)
      scheduler.spawn(function()
        assert(scheduler.current() == task)
        told[1] = pcall(scheduler.check)
      end)

      assert.same({ true }, told)
    end)
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
