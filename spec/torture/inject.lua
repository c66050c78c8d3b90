-- Writer processes of which strace traces one thread, to count its system calls or to let the n-th
-- of a kind fail or kill. strace counts per thread, so a place is (thread, call, n).
--
-- The main thread is traced from the start. The store's own threads are attached to once it is
-- open: the writer waits at a gate until then.
local process = require "spec.torture.process"
local real_store = require "spec.torture.real_store"
local shell = require "spec.support.shell"
local steps = require "spec.torture.steps"

local inject = {}

inject.THREADS = { "main", "loam-flush", "loam-compact0" }
local END_MS = 60000

local function read(path)
  local file = io.open(path, "r")
  local text = file and file:read "*a" or ""
  if file then
    file:close()
  end
  return text
end

--- Nil when strace can do it here, else the reason.
function inject.why_not()
  local line = "strace -f -qq -o /dev/null -e inject=fsync:error=EIO:when=1 true"
  if shell.script(line).status ~= 0 then
    return "needs strace that may trace"
  end
end

local function thread_id(pid, name)
  local pipe = assert(io.popen(("cd /proc/%d/task && grep -lx %s */comm"):format(pid, name)))
  local line = pipe:read "*l"
  pipe:close()
  return line and line:match "^(%d+)/"
end

-- Attaches strace to a thread of a writer that stands at its gate.
local function attach(child, words, thread, progress)
  process.await("the writer to open", END_MS, function()
    return child:ended() or steps.read(progress, 1).is_open
  end)
  local tid = not child:ended() and process.await("the thread " .. thread, END_MS, function()
    return child:ended() or thread_id(child.pid, thread)
  end)
  if not tid or child:ended() then
    return nil
  end
  words[#words + 1] = "-p"
  words[#words + 1] = tid
  local tracer = process.start(words, {})
  process.await("strace", END_MS, function()
    local status = read(("/proc/%d/task/%s/status"):format(child.pid, tid))
    return child:ended() or tracer:ended() or not status:find("TracerPid:%s+0\n")
  end)
  return tracer
end

--- Runs a writer to its end with strace on one thread: run = {thread, calls = "fsync,openat",
--- place = "fsync:error=EIO:when=3" or nil, dir, progress, from, to, sync_every}. Returns the text
--- of the trace.
function inject.run(run)
  local trace, gate = run.progress .. ".trace", run.progress .. ".gate"
  local words = { "strace", "-qq", "-o", trace, "-e", "trace=" .. run.calls }
  if run.place then
    words[#words + 1] = "-e"
    words[#words + 1] = "inject=" .. run.place
  end
  local environment = { "env", "TORTURE_FINISH=1" }
  if run.thread == "main" then
    for _, word in ipairs(words) do
      environment[#environment + 1] = word
    end
  else
    environment[3] = "TORTURE_GATE=" .. gate
  end
  local child = real_store.write(run.dir, run.progress, run.from, run.to, run.sync_every,
    environment)
  local tracer = run.thread ~= "main" and attach(child, words, run.thread, run.progress)
  assert(io.open(gate, "w")):close()
  child:wait(END_MS)
  if tracer then
    tracer:wait(END_MS)
  end
  return read(trace)
end

return inject
