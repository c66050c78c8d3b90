-- The loop of scripts/torture: picks rigs in turn, runs each round in a process of its own, adds up
-- what the rounds count and repeats a failure from its seed.
--
-- A rig is a module spec.torture.rigs.NAME: {about = line, seconds = longest round,
-- round = function(context)}. A round raises what is wrong; context:count(name, n) adds to the
-- summary, context:skip(why) tells that it cannot run here. A round's work depends on its seed and
-- never on the clock, so that the seed repeats it.
local shell = require "spec.support.shell"
local tmpdir = require "spec.support.tmp"

local driver = {}

-- In the order in which they take turns.
local RIGS = {
  "faults", "configs", "peers", "kill", "serve", "history", "powercut", "writeback", "syscalls",
  "threads", "guards", "fuzz",
}
local SEED_MAX = 2147483646

local function usage(problem)
  io.stderr:write("torture: ", problem, "\nusage: scripts/torture [--minutes N] [--only NAME,...] ",
    "[--seed S] [--rounds N] [--list]\n")
  os.exit(2)
end

local function positive(name, word)
  local number = tonumber(word)
  if not number or number <= 0 then
    usage(("%s takes a number above 0, not %s"):format(name, tostring(word)))
  end
  return number
end

local READERS = {
  ["--minutes"] = function(options, word) options.minutes = positive("--minutes", word) end,
  ["--seed"] = function(options, word) options.seed = positive("--seed", word) end,
  ["--rounds"] = function(options, word) options.rounds = positive("--rounds", word) end,
  ["--round"] = function(options, word) options.round = word end,
  ["--only"] = function(options, word)
    options.rigs = {}
    for name in (word or ""):gmatch("[^,]+") do
      options.rigs[#options.rigs + 1] = name
    end
  end,
}

local function parse(arguments)
  local options, index = { rounds = nil, rigs = RIGS }, 1
  while arguments[index] do
    local name = arguments[index]
    if name == "--list" then
      options.is_list = true
      index = index + 1
    elseif READERS[name] then
      READERS[name](options, arguments[index + 1])
      index = index + 2
    else
      usage("unknown option " .. name)
    end
  end
  local known = {}
  for _, name in ipairs(RIGS) do
    known[name] = true
  end
  for _, name in ipairs(options.rigs) do
    if not known[name] then
      usage("no rig " .. name .. "; --list shows them")
    end
  end
  return options
end

local function rig_of(name)
  return require("spec.torture.rigs." .. name)
end

-- ---- In the process of a round ----

local context_methods = {}
local context_metatable = { __index = context_methods }

function context_methods:count(name, number)
  self.counts[name] = (self.counts[name] or 0) + (number or 1)
end

--- Ends the round: it cannot run here.
function context_methods:skip(why)
  error({ skip = why }, 0)
end

local function trace(problem)
  return type(problem) == "table" and problem or debug.traceback(tostring(problem), 2)
end

local function run_round(name, seed)
  local random = require("spec.support.seed")
  local context = setmetatable({
    seed = seed, random = random.new(), counts = {},
  }, context_metatable)
  local is_fine, problem = xpcall(function() rig_of(name).round(context) end, trace)
  for what, number in pairs(context.counts) do
    print(("count %d %s"):format(number, what))
  end
  tmpdir.remove_all()
  if not is_fine and type(problem) == "table" and problem.skip then
    print("skip " .. problem.skip)
    return 0
  elseif not is_fine then
    print("fail " .. tostring(type(problem) == "table" and problem.text or problem))
    return 1
  end
  print("done")
  return 0
end

-- ---- In the process that the user started ----

-- Runs a round in a process. Returns "done", "skip" or "fail", a text, and adds to counts.
local function round(root, name, seed, counts)
  local dir = tmpdir()
  local command = ("SEED=%d TMPDIR=%s timeout -k 20 %d luajit %s --round %s --seed %d 2>&1"):format(
    seed, dir, rig_of(name).seconds, shell.quote(root .. "/scripts/torture"), name, seed)
  local pipe, verdict, text, tail = assert(io.popen(command)), "fail", nil, {}
  for line in pipe:lines() do
    local word, rest = line:match("^(%l+) ?(.*)$")
    local number, what = line:match("^count (%d+) (.*)$")
    if number then
      counts[what] = (counts[what] or 0) + tonumber(number)
    elseif word == "done" or word == "skip" then
      verdict, text = word, rest
    else
      tail[#tail + 1] = line
      if #tail > 60 then
        table.remove(tail, 1)
      end
    end
  end
  pipe:close()
  -- Mounts of a round that died.
  shell.script(("for point in $(awk '$2 ~ \"^%s/\" {print $2}' /proc/mounts | sort -r)\n"
    .. "do umount -l $point; done"):format(dir))
  tmpdir.remove_all()
  if verdict == "fail" then
    text = #tail > 0 and table.concat(tail, "\n") or "the process of the round died or hung"
  end
  return verdict, text
end

local function report_failure(root, name, seed, text)
  print(("FAILED %s, seed %d\n%s"):format(name, seed, text))
  print(("repeat: scripts/torture --only %s --seed %d"):format(name, seed))
  local verdict, again = round(root, name, seed, {})
  print(verdict == "fail" and "again, from its seed:\n" .. again
    or "once more from its seed: no failure")
  io.stdout:flush()
end

local function play(state, name)
  if state.skipped[name] then
    return false
  end
  local seed = state.next_seed
  state.next_seed = state.next_seed % SEED_MAX + 1
  local before = os.time()
  local verdict, text = round(state.root, name, seed, state.counts)
  if verdict == "skip" then
    state.skipped[name] = text
    print(("%-10s skipped: %s"):format(name, text))
    return false
  end
  state.rounds[name] = (state.rounds[name] or 0) + 1
  print(("%-10s seed %-11d %s, %d s"):format(name, seed, verdict, os.time() - before))
  io.stdout:flush()
  if verdict == "fail" then
    state.failures = state.failures + 1
    report_failure(state.root, name, seed, text)
  end
  return true
end

local function summary(state, started)
  local names = {}
  for name in pairs(state.counts) do
    names[#names + 1] = name
  end
  table.sort(names)
  print(("-- %d s, first seed %d"):format(os.time() - started, state.first_seed))
  for _, name in ipairs(RIGS) do
    if state.skipped[name] then
      print(("   %-10s skipped: %s"):format(name, state.skipped[name]))
    elseif state.rounds[name] then
      print(("   %-10s %d rounds"):format(name, state.rounds[name]))
    end
  end
  for _, name in ipairs(names) do
    print(("%12d %s"):format(state.counts[name], name))
  end
  print(("torture: %d failures"):format(state.failures))
end

local function loop(state, options, started)
  local deadline = options.minutes and started + options.minutes * 60
  local pass, has_run = 0
  repeat
    pass, has_run = pass + 1, false
    for _, name in ipairs(options.rigs) do
      if deadline and os.time() >= deadline then
        return
      end
      has_run = play(state, name) or has_run
    end
  until not has_run or not deadline and pass >= (options.rounds or 1)
    or options.rounds and pass >= options.rounds
end

--- Returns the exit status.
function driver.main(root, arguments)
  local options = parse(arguments)
  if options.round then
    return run_round(options.round, options.seed)
  elseif options.is_list then
    for _, name in ipairs(RIGS) do
      print(("%-10s %s"):format(name, rig_of(name).about))
    end
    return 0
  end
  local started = os.time()
  local first_seed = options.seed or started % (SEED_MAX - 1) + 1
  local state = { root = root, first_seed = first_seed, next_seed = first_seed, counts = {},
    rounds = {}, skipped = {}, failures = 0 }
  loop(state, options, started)
  summary(state, started)
  return state.failures == 0 and 0 or 1
end

return driver
