-- Crashes of a version set. The workload creates a store, rolls and changes it in steps; it is cut
-- at each operation in turn, rebooted, and opened. What then is there is the state behind the last
-- step that was acknowledged, or behind the one that was under way: nothing else.
local env = require "spec.support.env"
local fault = require "spec.support.fault"
local seed = require "spec.support.seed"
local versions = require "spec.support.versions"

-- Each step gets the directory and the set (nil before the third).
local STEPS = {
  function(dir) assert(versions.create(dir)) end,
  function(dir) return assert(versions.open(dir)) end,
  function(_, set) assert(set:roll()) end,
  function(_, set) assert(set:apply { logs_added = { 105 } }) end,
  function(dir, set)
    local meta = versions.put_table(dir, 110, 3, "a", "m")
    assert(set:apply { logs_added = { 106 }, logs_removed = { 105 }, last_seq = 40,
      tables_added = { meta } })
  end,
  function(_, set) assert(set:add_bucket("hits", 1)) end,
  function(dir, set)
    local meta = versions.put_table(dir, 111, 2, "a", "z")
    assert(set:apply { tables_removed = { 110 }, tables_added = { meta }, last_seq = 90 })
  end,
  function(_, set) assert(set:roll()) end,
  function(_, set) assert(set:drop_bucket("hits")) end,
}

-- Runs the workload until it ends or a step fails. Returns how many steps were acknowledged, the
-- state behind each, and the set to close.
local function run(dir)
  local states, set = {}, nil
  for index, step in ipairs(STEPS) do
    local ok, result = pcall(step, dir, set)
    if not ok then
      return index - 1, states, set
    end
    set = result or set
    states[index] = set and set:dump() or "logs \nbuckets default\nlast_seq 0\n"
  end
  return #STEPS, states, set
end

-- A store in a fresh fault driver, to be cut behind `count` operations (nil = never).
local function start(count)
  local files = fault.new(seed.value)
  local dir = assert(files:open("/db", true))
  if count then
    files:crash_after(count)
  end
  local acked, states, set = run(dir)
  return files, dir, acked, states, set
end

-- Opens what a reboot left and returns its state, "absent" when there is no store.
local function recover(files)
  local dir = assert(files:open("/db", true))
  local set, code, text = versions.open(dir)
  if not set then
    assert(code == "NOT_FOUND", text)
    dir:close()
    return "absent"
  end
  local state = set:dump()
  assert(set:close())
  dir:close()
  return state
end

local function reboot(files, dir, set, mode, number)
  assert(files:reboot(mode, number))
  if set then
    set:close()
  end
  dir:close()
end

describe("lsm.version_set #crash", function()
  after_each(env.close_all)

  local files, dir, acked, expected, set = start()
  local states
  local count = files:op_count()
  assert(acked == #STEPS)
  set:close()
  dir:close()
  env.close_all()

  for _, mode in ipairs { "lose", "random", "kill" } do
    it("keeps what was acknowledged, cut anywhere, " .. mode .. " (C01, C05-C08)", function()
      for after = 0, count - 1 do
        files, dir, acked, states, set = start(after)
        assert.equal(acked, #states)
        reboot(files, dir, set, mode, seed.value + after)

        local state = recover(files)

        local before = acked == 0 and "absent" or expected[acked]
        local is_expected = state == before or state == expected[acked + 1]
        assert.is_true(is_expected, ("cut at %d behind step %d: %s"):format(after, acked, state))
        env.close_all()
      end
    end)
  end

  it("opens again after a crash within recovery at each operation, twice (C02)", function()
    local function recover_cut(after)
      local there = assert(files:open("/db", true))
      files:crash_after(after)
      local reopened = versions.open(there)
      local is_rolled = reopened and reopened:roll()
      reboot(files, there, reopened, "random", seed.value + after)
      return is_rolled
    end

    for after = 0, 40 do
      files, dir, acked, states, set = start(math.floor(count * 3 / 4))
      assert.equal(acked, #states)
      reboot(files, dir, set, "lose")
      local state = recover(files)

      recover_cut(after)
      local is_rolled = recover_cut(after)

      assert.equal(state, recover(files))
      env.close_all()
      if is_rolled then
        return
      end
    end
    error("a recovery has more operations than were tried")
  end)

  it("never reuses a file number over crashes at each operation (C11)", function()
    files = fault.new(seed.value)
    dir = assert(files:open("/db", true))
    assert(versions.create(dir))
    local highest = 0
    for after = 3, 30 do
      local opened = assert(versions.open(dir))
      files:crash_after(after)
      if opened:roll() then
        -- What was given out after a reservation that failed was never on the disk.
        for _ = 1, 120 do
          local number = opened:next_file()
          assert.is_true(number > highest)
          highest = opened:failed() and highest or number
        end
      end
      reboot(files, dir, opened, "lose")
      dir = assert(files:open("/db", true))
    end
    assert.is_true(highest > 1000)
  end)
end)
