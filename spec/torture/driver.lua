-- The loop of scripts/torture: picks rigs in turn, runs each round in a process of its own, adds up
-- what the rounds count and repeats a failure from its seed.
--
-- A rig is a module spec.torture.rigs.NAME: {about = line, seconds = longest round, rounds_max = of
-- one run or nil, round = function(context)}. A round raises what is wrong; context:count(name, n)
-- adds to the summary, context:mark(name, thing) counts different things over all rounds,
-- context:skip(why) tells that it cannot run here. A round's work depends on its seed and never on
-- the clock, so that the seed repeats it. Rounds of one rig have neighbouring seeds: a rig that
-- takes the places of its seed gets to all of them.
local shell = require "spec.support.shell"
local tmpdir = require "spec.support.tmp"
local verdicts = require "spec.torture.verdicts"

local driver = {}

-- In the order in which they take turns.
local RIGS = {
  "faults", "memory", "configs", "peers", "kill", "serve", "history", "powercut", "writeback",
  "syscalls", "threads", "flood", "guards", "fuzz",
}
local SEED_MAX = 2147483646

local function usage(problem)
  io.stderr:write("torture: ", problem, "\nusage: scripts/torture [--minutes N] [--only NAME,...] ",
    "[--seed S] [--rounds N] [--json FILE] [--list]\n")
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
  ["--json"] = function(options, word) options.json = word or usage "--json takes a file" end,
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

--- Notes a thing of a kind, to be counted once however often it is noted.
function context_methods:mark(kind, thing)
  self.marks[kind .. "\t" .. thing] = true
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
    seed = seed, random = random.new(), counts = {}, marks = {},
  }, context_metatable)
  local is_fine, problem = xpcall(function() rig_of(name).round(context) end, trace)
  for what, number in pairs(context.counts) do
    print(("count %d %s"):format(number, what))
  end
  for mark in pairs(context.marks) do
    print("mark " .. mark)
  end
  for _, kind in ipairs(verdicts.KINDS) do
    print(("count %d recovered states: %s"):format(verdicts.counts[kind], kind))
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

-- Reads a line of a round's output into counts and marks; false when it is none of the driver's.
local function take_line(line, counts, marks)
  local number, what = line:match("^count (%d+) (.*)$")
  if number then
    counts[what] = (counts[what] or 0) + tonumber(number)
    return true
  end
  local kind, thing = line:match("^mark ([^\t]*)\t(.*)$")
  if kind then
    marks[kind] = marks[kind] or {}
    marks[kind][thing] = true
  end
  return kind ~= nil
end

-- Runs a round in a process. Returns "done", "skip" or "fail" and a text; adds to counts and marks.
local function round(root, name, seed, counts, marks)
  local dir = tmpdir()
  local command = ("SEED=%d TMPDIR=%s timeout -k 20 %d luajit %s --round %s --seed %d 2>&1"):format(
    seed, dir, rig_of(name).seconds, shell.quote(root .. "/scripts/torture"), name, seed)
  local pipe, verdict, text, tail = assert(io.popen(command)), "fail", nil, {}
  for line in pipe:lines() do
    local word, rest = line:match("^(%l+) ?(.*)$")
    if word == "done" or word == "skip" then
      verdict, text = word, rest
    elseif not take_line(line, counts, marks) then
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
  local verdict, again = round(root, name, seed, {}, {})
  print(verdict == "fail" and "again, from its seed:\n" .. again
    or "once more from its seed: no failure")
  io.stdout:flush()
end

local function play(state, name)
  local rounds = state.rounds[name] or 0
  if state.skipped[name] or rounds >= (rig_of(name).rounds_max or math.huge) then
    return false
  end
  local seed = (state.first_seed + rounds - 1) % SEED_MAX + 1
  local before = os.time()
  local verdict, text = round(state.root, name, seed, state.counts, state.marks)
  if verdict == "skip" then
    state.skipped[name] = text
    print(("%-10s skipped: %s"):format(name, text))
    return false
  end
  state.rounds[name] = rounds + 1
  print(("%-10s seed %-11d %s, %d s"):format(name, seed, verdict, os.time() - before))
  io.stdout:flush()
  if verdict == "fail" then
    state.failures = state.failures + 1
    report_failure(state.root, name, seed, text)
  end
  return true
end

-- What was counted, and how many different things were marked, in order: {{name, number}, ...}.
local function totals(state)
  local list = {}
  for name, number in pairs(state.counts) do
    list[#list + 1] = { name, number }
  end
  for kind, things in pairs(state.marks) do
    local number = 0
    for _ in pairs(things) do
      number = number + 1
    end
    list[#list + 1] = { kind, number }
  end
  table.sort(list, function(a, b) return a[1] < b[1] end)
  return list
end

local function write_json(path, state, seconds)
  local json = require "cjson"
  local counts = {}
  for _, total in ipairs(totals(state)) do
    counts[total[1]] = total[2]
  end
  local file = assert(io.open(path, "w"))
  file:write(json.encode { seconds = seconds, first_seed = state.first_seed, rounds = state.rounds,
    skipped = state.skipped, counts = counts, failures = state.failures }, "\n")
  file:close()
end

local function summary(state, seconds)
  print(("-- %d s, first seed %d"):format(seconds, state.first_seed))
  for _, name in ipairs(RIGS) do
    if state.skipped[name] then
      print(("   %-10s skipped: %s"):format(name, state.skipped[name]))
    elseif state.rounds[name] then
      print(("   %-10s %d rounds"):format(name, state.rounds[name]))
    end
  end
  for _, total in ipairs(totals(state)) do
    print(("%12d %s"):format(total[2], total[1]))
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
  local state = { root = root, first_seed = first_seed, counts = {}, marks = {}, rounds = {},
    skipped = {}, failures = 0 }
  loop(state, options, started)
  summary(state, os.time() - started)
  if options.json then
    write_json(options.json, state, os.time() - started)
  end
  return state.failures == 0 and 0 or 1
end

return driver
