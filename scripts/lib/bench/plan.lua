-- The workloads of scripts/bench: their order, their sizes, what each needs before it.
--
-- A group is what one store does in one turn; then the next store does the same group. Steps of
-- groups that are `fresh` each get an empty directory and a process of their own; all others share
-- one store, in this order. What an operation is, core/bench/workload.c says.
local plan = {}

-- Rows of one batch of fillbatch, as WORKLOAD_BATCH_ROWS of core/bench/workload.h.
local BATCH_ROWS = 100
-- fillsync ends after this time or after N writes.
local SYNC_TIME_MS = 2000
local READ_THREADS = 2
-- readseq reads everything again until it has met so many rows, 20 times at most: one pass over a
-- small store is over before it can be timed.
local PASS_ROWS, PASSES_MAX = 5e6, 20

-- share: operations as a share of --ops; of_n: as a share of --n. is_loose: what is found depends
-- on how fast the store is, so the stores' counts are not compared. is_helper: never shown. A group
-- that is_read_only can be done again on the same store.
local GROUPS = {
  { "fill", {
    { "fillrandom", of_n = 1 },
    { "readrandom", share = 1, needs = "fillrandom" },
  } },
  { "settle", { { "settle", command = "settle", needs = "fillrandom" } } },
  { "point reads", is_read_only = true, {
    { "readrandom-settled", run = "readrandom", share = 1, needs = "settle" },
    { "readmissing", share = 1, needs = "settle" },
    { "readhot", share = 1, needs = "settle" },
    { "readthreads", share = 1, needs = "settle", threads = READ_THREADS },
  } },
  { "scans", is_read_only = true, {
    { "readseq", passes = true, needs = "settle" },
    { "seekrandom", share = 1 / 4, needs = "settle" },
    { "scan100", share = 1 / 20, needs = "settle" },
  } },
  { "ycsb a-c", {
    { "ycsba", share = 1, needs = "settle" },
    { "ycsbb", share = 1, needs = "settle" },
    { "ycsbc", share = 1, needs = "settle" },
  } },
  { "ycsb d-f", {
    { "ycsbd", share = 1, needs = "settle" },
    { "ycsbe", share = 1 / 10, needs = "settle" },
    { "ycsbf", share = 1, needs = "settle" },
  } },
  { "mixed", { { "readwhilewriting", share = 1 / 2, needs = "settle", is_loose = true } } },
  { "writes", {
    { "overwrite", share = 1, needs = "fillrandom" },
    { "deleterandom", share = 1, needs = "fillrandom" },
  } },
  { "reopen", {
    { "reopen", command = "reopen", needs = "fillrandom" },
    -- Without new rows in the log a crash would leave nothing to recover.
    { "rewrite", run = "overwrite", share = 1 / 4, needs = "fillrandom", is_helper = true },
    { "reopen-killed", command = "kill", needs = "rewrite" },
  } },
  { "fillseq", { { "fillseq", of_n = 1 } }, is_fresh = true },
  { "fillbatch", { { "fillbatch", of_n = 1 / BATCH_ROWS } }, is_fresh = true },
}

local function sync_groups(threads)
  local groups = {}
  for _, count in ipairs(threads) do
    local label = count == 1 and "fillsync" or ("fillsync-%d"):format(count)
    local step = { label, run = "fillsync", of_n = 1, threads = count, is_loose = true,
      time_ms = SYNC_TIME_MS }
    groups[#groups + 1] = { label, { step }, is_fresh = true, is_sync = true }
  end
  return groups
end

--- Returns how many times readseq reads everything.
function plan.passes(n)
  return math.max(1, math.min(PASSES_MAX, math.floor(PASS_ROWS / n)))
end

local function size_of(step, options)
  if step.passes then
    return plan.passes(options.n)
  end
  local count = step.of_n and step.of_n * options.n or step.share * options.ops
  return math.max(1, math.floor(count))
end

local function command_of(step, options)
  if step.command then
    return step.command
  end
  return ("run %s %.0f %d %d"):format(step.run or step[1], size_of(step, options),
    step.threads or 1, step.time_ms or 0)
end

local function make_step(step, options)
  return {
    label = step[1],
    command = command_of(step, options),
    needs = step.needs,
    is_loose = step.is_loose or false,
    is_helper = step.is_helper or false,
    is_time = step.command ~= nil,
  }
end

local function starts_with(text, prefix)
  return text:sub(1, #prefix) == prefix
end

-- Marks the steps that a word names. Returns whether there is one.
local function mark(groups, word)
  local is_known = false
  for _, group in ipairs(groups) do
    for _, step in ipairs(group.steps) do
      if not step.is_helper and starts_with(step.label, word) then
        step.is_wanted, is_known = true, true
      end
    end
  end
  return is_known
end

local function find(groups, label)
  for _, group in ipairs(groups) do
    for _, step in ipairs(group.steps) do
      if step.label == label then
        return step
      end
    end
  end
end

-- Steps that only prepare for wanted ones run too, and are not shown.
local function add_needed(groups)
  for index = #groups, 1, -1 do
    local steps = groups[index].steps
    for place = #steps, 1, -1 do
      local step = steps[place]
      local needed = step.needs and (step.is_wanted or step.is_needed) and find(groups, step.needs)
      if needed then
        needed.is_needed = true
      end
    end
  end
end

local function keep_marked(groups)
  local kept = {}
  for _, group in ipairs(groups) do
    local steps = {}
    for _, step in ipairs(group.steps) do
      if step.is_wanted or step.is_needed then
        step.is_hidden = not step.is_wanted
        steps[#steps + 1] = step
      end
    end
    if #steps > 0 then
      group.steps = steps
      kept[#kept + 1] = group
    end
  end
  return kept
end

local function all_groups(options)
  local groups = {}
  local function add(group)
    local steps = {}
    for index, step in ipairs(group[2]) do
      steps[index] = make_step(step, options)
    end
    groups[#groups + 1] = { name = group[1], steps = steps, is_fresh = group.is_fresh or false,
      is_sync = group.is_sync or false, is_read_only = group.is_read_only or false }
  end
  for _, group in ipairs(GROUPS) do
    add(group)
  end
  for _, group in ipairs(sync_groups(options.threads)) do
    add(group)
  end
  return groups
end

--- Returns the groups to run. `options.workloads` are words; one selects every workload that begins
--- with it. Returns nil and a line of text when a word selects none.
---@param options {n: number, ops: number, threads: number[], workloads: string[]}
---@return table[]? groups, string? problem
function plan.make(options)
  local groups = all_groups(options)
  for _, word in ipairs(options.workloads) do
    if not mark(groups, word) then
      return nil, ("no workload begins with '%s'; there are %s"):format(word,
        table.concat(plan.labels(groups), ", "))
    end
  end
  add_needed(groups)
  return keep_marked(groups)
end

--- Returns the labels of the steps that are shown, in order.
function plan.labels(groups)
  local labels = {}
  for _, group in ipairs(groups) do
    for _, step in ipairs(group.steps) do
      if not (step.is_hidden or step.is_helper) then
        labels[#labels + 1] = step.label
      end
    end
  end
  return labels
end

return plan
