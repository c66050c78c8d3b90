-- Runs the plan: every group by one store after the other, in changing order.
--
-- results[label][engine] is the list of answers, one per repetition. A store that fails is left out
-- of what follows, and its name is kept in `failed`.
--
-- A run can be made in pieces: `progress` says how far it is, and stores that several groups share
-- stay in their directories between pieces. A group is never cut in two: all stores do it in the
-- same piece.
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

local function dir_of(run, engine, name)
  return ("%s/%s-%s-%d"):format(run.options.dir, engine.name, name, run.progress.round)
end

local function start(run, engine, name, is_sync)
  local dir = dir_of(run, engine, name)
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
  -- A process counts from its own start.
  local before = run.totals[engine.name]
  if before and answer.total_written_bytes then
    answer.total_written_bytes = answer.total_written_bytes + before.written
    answer.total_user_bytes = answer.total_user_bytes + before.user
  end
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
  driver.shell("rm -rf " .. driver.quote(dir_of(run, engine, group.name)))
  local program = start(run, engine, group.name, group.is_sync)
  local is_well = program and do_steps(run, group, engine, program)
  if program then
    program:remove()
  end
  return is_well
end

-- Starts the process of the shared store. One that an earlier piece has filled is read once, so
-- that its memory is about as full as it was.
local function start_shared(run, engine, group_index)
  if group_index == 1 then
    driver.shell("rm -rf " .. driver.quote(dir_of(run, engine, "main")))
    run.totals[engine.name] = nil
  end
  local program = start(run, engine, "main", false)
  if program and group_index > 1 then
    program:ask("run readseq 1 1 0")
    program:ask(("run readrandom %.0f 1 0"):format(run.options.ops))
  end
  return program
end

local function do_shared(run, group, engine, group_index)
  local program = run.programs[engine.name]
  if program then
    program:resume()
  else
    program = start_shared(run, engine, group_index)
    run.programs[engine.name] = program
  end
  local is_well = program and do_steps(run, group, engine, program)
  if is_well then
    run.last[engine.name] = program:pause()
  end
  return is_well
end

-- Whether a store takes part: the bare file only where a sync is measured.
local function takes_part(run, group, engine)
  return not run.failed[engine.name] and (engine.name ~= "file" or group.is_sync)
end

local function do_group(run, group, group_index)
  local count, turn = #run.engines, group_index + run.progress.round
  for index = 1, count do
    local engine = run.engines[(index + turn) % count + 1]
    if takes_part(run, group, engine) then
      local do_turn = group.is_fresh and do_fresh or do_shared
      local is_well = do_turn(run, group, engine, group_index)
      run.failed[engine.name] = not is_well or nil
    end
  end
end

--- Ends every program that is still there, and removes its store.
function session.finish(run)
  for name, program in pairs(run.programs) do
    program:remove()
    run.programs[name] = nil
  end
end

-- Closes every store that later groups share; the next piece opens it again.
local function leave(run)
  for name, program in pairs(run.programs) do
    local last, before = run.last[name], run.totals[name] or { written = 0, user = 0 }
    run.totals[name] = { written = before.written + last.total_written_bytes,
      user = before.user + last.total_user_bytes }
    program:resume()
    program:quit()
    run.programs[name] = nil
  end
end

-- Drops the answers of a round; what has none left is as if it had not been run.
local function forget_round(run, round)
  for label, by_engine in pairs(run.results) do
    for name, answers in pairs(by_engine) do
      answers[round] = nil
      by_engine[name] = #answers > 0 and answers or nil
    end
    run.results[label] = next(by_engine) and by_engine or nil
  end
end

local function has_stores(run)
  for _, engine in ipairs(run.engines) do
    local is_bare = engine.name == "file" or run.failed[engine.name]
    local main = driver.quote(dir_of(run, engine, "main"))
    if not is_bare and not driver.shell("test -d " .. main) then
      return false
    end
  end
  return true
end

-- A group that was interrupted has changed the shared store for some and not for others.
local function go_on(run, groups)
  local at = run.progress
  local group = groups[at.group]
  if at.group == 1 or not group or group.is_fresh then
    return
  end
  if at.is_open and not group.is_read_only or not has_stores(run) then
    say("the stores are not as %s needs them: round %d begins again", group.name, at.round)
    forget_round(run, at.round)
    at.group = 1
  end
end

--- Makes the record of a run. engines: {name, program}; saved: what session.state() returned.
function session.new(engines, options, saved)
  saved = saved or { progress = { round = 1, group = 1, is_open = false } }
  return { engines = engines, options = options, programs = {}, last = {},
    results = saved.results or {}, versions = saved.versions or {}, failed = saved.failed or {},
    totals = saved.totals or {}, progress = saved.progress }
end

--- Returns what session.new() needs to go on with a run.
function session.state(run)
  return { results = run.results, versions = run.versions, failed = run.failed,
    totals = run.totals, progress = run.progress }
end

local function do_next_group(run, groups, hooks)
  local at = run.progress
  local group = groups[at.group]
  say("%s (%d of %d)%s", group.name, at.group, #groups,
    run.options.repeats > 1 and (", round %d"):format(at.round) or "")
  at.is_open = true
  hooks.save(run)
  do_group(run, group, at.group)
  at.group, at.is_open = at.group + 1, false
end

--- Does the groups options.repeats times, or until hooks.is_over(); one group at least.
--- hooks.save() is called before each group. Returns whether all is done.
function session.execute(run, groups, hooks)
  local at, has_begun = run.progress, false
  go_on(run, groups)
  while at.round <= run.options.repeats do
    while at.group <= #groups do
      if has_begun and hooks.is_over() then
        leave(run)
        return false
      end
      do_next_group(run, groups, hooks)
      has_begun = true
    end
    session.finish(run)
    at.round, at.group = at.round + 1, 1
  end
  return true
end

return session
