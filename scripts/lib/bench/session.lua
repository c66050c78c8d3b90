-- Runs the plan: every group by one store after the other, in changing order.
--
-- results[label][engine] is the list of answers, one per repetition. A store that fails is left out
-- of what follows, and its name is kept in `failed`.
local driver = require "scripts.lib.bench.driver"

local session = {}

local function say(...)
  io.stderr:write(string.format(...), "\n")
end

local function arguments_of(options, is_sync)
  return {
    "--n", ("%.0f"):format(options.n),
    "--cache-mb", tostring(options.cache_mb),
    "--memory-mb", tostring(options.memory_mb),
    "--compress", options.compression == "none" and "0" or "1",
    "--sync", is_sync and "1" or "0",
  }
end

local function start(run, engine, name, is_sync)
  run.dir_count = run.dir_count + 1
  local dir = ("%s/%s-%s-%d"):format(run.options.dir, engine.name, name, run.dir_count)
  local program, ready = driver.start(engine.program, dir, arguments_of(run.options, is_sync))
  if program then
    run.versions[engine.name] = ready.version
  end
  return program
end

local function keep(run, step, engine, answer)
  if step.is_hidden then
    return
  end
  local by_engine = run.results[step.label] or {}
  run.results[step.label] = by_engine
  local answers = by_engine[engine.name] or {}
  by_engine[engine.name] = answers
  answers[#answers + 1] = answer
end

local function do_step(program, step)
  if step.command == "kill" then
    return program:kill_and_start()
  end
  return program:ask(step.command)
end

-- Returns false when the program died.
local function do_steps(run, group, engine, program)
  for _, step in ipairs(group.steps) do
    local answer = do_step(program, step)
    if not answer then
      say("%s: %s failed", step.label, engine.name)
      return false
    end
    if answer.ops then
      say("  %-20s %-8s %12.0f/s", step.label, engine.name, answer.ops / answer.seconds)
    else
      say("  %-20s %-8s %12.3f s", step.label, engine.name, answer.seconds)
    end
    if not answer.is_skipped then
      keep(run, step, engine, answer)
    end
  end
  return true
end

local function do_fresh(run, group, engine)
  local program = start(run, engine, group.name, group.is_sync)
  local is_well = program and do_steps(run, group, engine, program)
  if program then
    program:remove()
  end
  return is_well
end

local function do_shared(run, group, engine)
  local program = run.programs[engine.name]
  if program then
    program:resume()
  else
    program = start(run, engine, "main", false)
    run.programs[engine.name] = program
  end
  local is_well = program and do_steps(run, group, engine, program)
  if is_well then
    program:pause()
  end
  return is_well
end

-- Whether a store takes part: the bare file only where a sync is measured.
local function takes_part(run, group, engine)
  return not run.failed[engine.name] and (engine.name ~= "file" or group.is_sync)
end

local function do_group(run, group, turn)
  local count = #run.engines
  for index = 1, count do
    local engine = run.engines[(index + turn) % count + 1]
    if takes_part(run, group, engine) then
      local is_well = (group.is_fresh and do_fresh or do_shared)(run, group, engine)
      run.failed[engine.name] = not is_well or nil
    end
  end
end

--- Ends every program that is still there.
function session.finish(run)
  for name, program in pairs(run.programs) do
    program:remove()
    run.programs[name] = nil
  end
end

--- Makes the record of a run. engines: {name, program}.
function session.new(engines, options)
  return { engines = engines, options = options, programs = {}, results = {}, versions = {},
    failed = {}, dir_count = 0 }
end

--- Runs the groups options.repeats times.
function session.execute(run, groups)
  for round = 1, run.options.repeats do
    for index, group in ipairs(groups) do
      say("%s (%d of %d)%s", group.name, index, #groups,
        run.options.repeats > 1 and (", round %d"):format(round) or "")
      do_group(run, group, index + round)
    end
    session.finish(run)
  end
end

return session
