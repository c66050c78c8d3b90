-- Real processes for the rigs: start, watch, kill. Nothing here waits without a limit.
--
--     local child = process.start({ "luajit", "writer.lua" }, { out = path, err = path })
--     process.sleep_ms(20)   child:kill(9)   local status = child:wait(5000)
local ffi = require "ffi"

ffi.cdef [[
  int fork(void);
  int execvp(const char *file, char *const argv[]);
  void _exit(int status);
  int kill(int pid, int signal);
  int waitpid(int pid, int *status, int options);
  int open(const char *path, int flags, ...);
  int close(int fd);
  int dup2(int from, int to);
  int setpgid(int pid, int group);
  int prctl(int option, ...);
  int ioctl(int fd, unsigned long request, ...);
  int poll(void *fds, unsigned long count, int timeout_ms);
  struct torture_timespec { long seconds; long nanoseconds; };
  int clock_gettime(int clock, struct torture_timespec *out);
]]

local C = ffi.C
local CREATE, WRITE, APPEND, CLOEXEC = 0x40, 1, 0x400, 0x80000
local MONOTONIC, NO_HANG, PARENT_DEATH_SIGNAL = 1, 1, 1

local process = {}
local methods = {}
local metatable = { __name = "torture.process", __index = methods }

--- Milliseconds of a clock that never goes back and is the same in all processes.
function process.now_ms()
  local now = ffi.new("struct torture_timespec")
  C.clock_gettime(MONOTONIC, now)
  return tonumber(now.seconds) * 1000 + tonumber(now.nanoseconds) / 1e6
end

function process.sleep_ms(ms)
  C.poll(nil, 0, ms)
end

--- Waits until condition() answers something true and returns it; raises after `limit_ms`.
function process.await(what, limit_ms, condition)
  local deadline = process.now_ms() + limit_ms
  repeat
    local answer = condition()
    if answer then
      return answer
    end
    process.sleep_ms(2)
  until process.now_ms() > deadline
  error(("waited %d ms for %s"):format(limit_ms, what), 2)
end

--- Starts a program in a process group of its own; files.out and files.err are appended to.
function process.start(words, files)
  local argv = ffi.new("const char *[?]", #words + 1)
  for index, word in ipairs(words) do
    argv[index - 1] = word
  end
  local flags = bit.bor(CREATE, WRITE, APPEND, CLOEXEC)
  local mode = ffi.cast("int", 384)
  local out = C.open(files.out or "/dev/null", flags, mode)
  local err = C.open(files.err or "/dev/null", flags, mode)
  assert(out >= 0 and err >= 0, "cannot open the files of a process")
  local pid = C.fork()
  if pid == 0 then
    C.setpgid(0, 0)
    C.prctl(PARENT_DEATH_SIGNAL, ffi.cast("unsigned long", 9)) -- A round that dies leaves nothing.
    C.dup2(out, 1)
    C.dup2(err, 2)
    C.execvp(words[1], ffi.cast("char *const *", argv))
    C._exit(127)
  end
  C.close(out)
  C.close(err)
  assert(pid > 0, "fork failed")
  return setmetatable({ pid = pid }, metatable)
end

--- Sends a signal to the process and its children.
function methods:kill(signal)
  if not self.status then
    C.kill(-self.pid, signal)
    C.kill(self.pid, signal)
  end
end

--- The status as wait() gives it once the process has ended, else nil.
function methods:ended()
  local status = ffi.new("int[1]")
  if not self.status and C.waitpid(self.pid, status, NO_HANG) == self.pid then
    self.status = status[0]
  end
  return self.status
end

--- Waits for the end; kills after `limit_ms` and raises then.
function methods:wait(limit_ms)
  local ok, status = pcall(process.await, "the end of a process", limit_ms,
    function() return self:ended() end)
  if not ok then
    self:kill(9)
    error("a process did not end within " .. limit_ms .. " ms", 2)
  end
  return status
end

return process
