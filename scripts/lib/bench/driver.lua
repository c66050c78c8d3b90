-- One bench_NAME program at work: commands go in through a named pipe, answers come out as lines of
-- JSON.
--
-- Between its turns a program is stopped: its background work neither disturbs the others nor goes
-- on unseen. Methods return nil when the program has died; what it had to say stands on standard
-- error.
local cjson = require "cjson"
local ffi = require "ffi"

ffi.cdef [[
int kill(int pid, int signal);
void (*signal(int number, void (*handler)(int)))(int);
]]

local SIGKILL, SIGPIPE, SIGCONT, SIGSTOP = 9, 13, 18, 19
local SIG_IGN = ffi.cast("void (*)(int)", 1)

local driver = {}
local methods = {}
local metatable = { __name = "bench.driver", __index = methods }

local function quote(word)
  return "'" .. tostring(word):gsub("'", "'\\''") .. "'"
end
driver.quote = quote

--- Runs a line of shell; returns whether it succeeded.
---@param line string
---@return boolean
function driver.shell(line)
  local status = os.execute(line)
  return status == 0 or status == true
end

local function receive(self)
  local line = self._answers:read("*l")
  return line and cjson.decode(line) or nil
end

-- The end of the pipe for writing is opened here, that for reading by the shell: each waits for the
-- other. "e" keeps later programs from inheriting it.
local function launch(self)
  local words = { "exec", quote(self._program) }
  for _, word in ipairs(self._arguments) do
    words[#words + 1] = quote(word)
  end
  words[#words + 1] = "<" .. quote(self._fifo)
  self._answers = assert(io.popen(table.concat(words, " "), "r"))
  self._commands = assert(io.open(self._fifo, "we"))
  self._commands:setvbuf("no")
  local ready = receive(self)
  self._pid = ready and ready.pid
  return ready
end

--- Starts a program on a directory: a new one, or that of a program that has quit.
---@param program string    path of bench_NAME
---@param dir string        made here when absent, removed by remove()
---@param arguments string[] its options but --dir
---@return table? program, table? ready  the answer to opening
function driver.start(program, dir, arguments)
  -- A program that died must be an answer, not the end of this process.
  ffi.C.signal(SIGPIPE, SIG_IGN)
  local self = setmetatable({
    _program = program,
    _fifo = dir .. "/commands",
    _dir = dir,
    _arguments = { "--dir", dir .. "/store", unpack(arguments) },
  }, metatable)
  assert(driver.shell(("mkdir -p %s/store && rm -f %s && mkfifo %s"):format(quote(dir),
    quote(self._fifo), quote(self._fifo))))
  local ready = launch(self)
  if not ready then
    self:remove()
    return nil
  end
  return self, ready
end

--- Sends a command and waits for its answer.
---@param command string
---@return table?
function methods:ask(command)
  self._commands:write(command, "\n")
  return receive(self)
end

local function reap(self)
  self._commands:close()
  self._answers:close()
  self._pid = nil
end

--- Ends the program as a crash would and starts it again on the same store.
---@return table? ready
function methods:kill_and_start()
  ffi.C.kill(self._pid, SIGKILL)
  reap(self)
  return launch(self)
end

--- Stops the program until resume(), after what it has written is on the disk.
---@return table? answer
function methods:pause()
  local answer = self:ask("rest")
  if answer then
    ffi.C.kill(self._pid, SIGSTOP)
  end
  return answer
end

--- Closes the store and ends the program; the directory stays. The program is not stopped.
function methods:quit()
  self._commands:write("quit\n")
  self._answers:read("*a") -- Ends with the program.
  reap(self)
end

function methods:resume()
  ffi.C.kill(self._pid, SIGCONT)
end

--- Ends the program, whatever it does, and removes its directory.
function methods:remove()
  if self._pid then
    ffi.C.kill(self._pid, SIGKILL)
    reap(self)
  end
  driver.shell("rm -rf " .. quote(self._dir))
end

return driver
