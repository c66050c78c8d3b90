-- What only the posix driver does: modes, links, other processes, forks. The contract is in
-- env_spec.lua.
local env = require "spec.support.env"
local ffi = require "ffi"
local tmpdir = require "spec.support.tmp"

-- Declared under names of their own, so that another spec may declare the functions too.
ffi.cdef [[
  int env_spec_fork(void) __asm__("fork");
  int env_spec_getpid(void) __asm__("getpid");
  int env_spec_pipe(int ends[2]) __asm__("pipe");
  intptr_t env_spec_read(int fd, void *data, size_t size) __asm__("read");
  intptr_t env_spec_write(int fd, const void *data, size_t size) __asm__("write");
  int env_spec_close(int fd) __asm__("close");
  int env_spec_waitpid(int pid, int *status, int options) __asm__("waitpid");
  void env_spec_exit(int status) __asm__("_exit");
  int env_spec_symlink(const char *target, const char *path) __asm__("symlink");
  int env_spec_mkfifo(const char *path, unsigned mode) __asm__("mkfifo");
  int env_spec_chmod(const char *path, unsigned mode) __asm__("chmod");
  unsigned env_spec_umask(unsigned mode) __asm__("umask");
  int env_spec_seteuid(unsigned user) __asm__("seteuid");
  void *env_spec_signal(int number, intptr_t handler) __asm__("signal");
  struct env_spec_rlimit { uint64_t soft, hard; };
  int env_spec_setrlimit(int kind, const struct env_spec_rlimit *limit) __asm__("setrlimit");
]]
local C = ffi.C

local SIGXFSZ, SIG_IGN, RLIMIT_FSIZE, RLIMIT_NOFILE = 25, 1, 1, 7

local function write_text(path, text)
  local file = assert(io.open(path, "w"))
  file:write(text)
  file:close()
end

local function read_text(path)
  local file = assert(io.open(path, "r"))
  local text = file:read("*a")
  file:close()
  return text
end

local function limit(kind, number)
  local new = ffi.new("struct env_spec_rlimit", number, number)
  assert(C.env_spec_setrlimit(kind, new) == 0)
end

local function mode_of(path)
  local pipe = assert(io.popen("stat -c %a '" .. path .. "'"))
  local mode = pipe:read("*l")
  pipe:close()
  return mode
end

-- Runs work in a forked child and returns the text it returns. The answer comes through a pipe,
-- which no limit that the work sets can stop. The child leaves by _exit: it must not run on into
-- busted.
local function in_child(work)
  local ends, buffer = ffi.new("int[2]"), ffi.new("char[4096]")
  assert(C.env_spec_pipe(ends) == 0)
  local pid = C.env_spec_fork()
  assert(pid >= 0, "cannot fork")
  if pid == 0 then
    local _, answer = pcall(work)
    local text = tostring(answer):sub(1, 4096)
    C.env_spec_write(ends[1], text, #text)
    C.env_spec_exit(0)
  end
  assert(C.env_spec_waitpid(pid, nil, 0) == pid)
  local size = C.env_spec_read(ends[0], buffer, 4096)
  C.env_spec_close(ends[0])
  C.env_spec_close(ends[1])
  return ffi.string(buffer, size)
end

-- Code and text of a failed call, as one line.
local function failure(_, code, text)
  return code and code .. ": " .. text or "no failure"
end

describe("env.env_posix", function()
  local files, root, dir

  before_each(function()
    files, root = env.posix(), tmpdir()
    dir = assert(files:open(root, false))
  end)

  after_each(env.close_all)

  it("makes files for the owner alone, whatever the umask", function()
    local before = C.env_spec_umask(0)
    dir:put("a", "1")
    assert(files:open(root .. "/made", true))
    assert(dir:lock())
    C.env_spec_umask(before)

    assert.equal("600", mode_of(root .. "/a"))
    assert.equal("600", mode_of(root .. "/LOCK"))
    assert.equal("700", mode_of(root .. "/made"))
  end)

  it("says why a directory cannot be made (D10)", function()
    dir:put("file", "1")

    assert.equal("IO: cannot make directory " .. root .. "/none/db: No such file or directory",
      failure(files:open(root .. "/none/db", true)))
    assert.equal("IO: cannot make directory " .. root .. "/file/db: Not a directory",
      failure(files:open(root .. "/file/db", true)))
    assert.equal("IO: cannot open directory " .. root .. "/file: Not a directory",
      failure(files:open(root .. "/file", true)))
  end)

  it("follows its directory when that is renamed", function()
    local made = assert(files:open(root .. "/made", true))
    assert(os.rename(root .. "/made", root .. "/moved"))

    made:put("a", "1")

    assert.equal("1", read_text(root .. "/moved/a"))
  end)

  it("leaves names out of the list that no call takes", function()
    dir:put("a", "1")
    write_text(root .. "/.hidden", "")
    write_text(root .. "/with space", "")
    write_text(root .. "/" .. ("x"):rep(40), "")

    assert.equal("a", dir:names())
  end)

  it("refuses a pipe instead of hanging on it", function()
    assert(C.env_spec_mkfifo(root .. "/pipe", 384) == 0)

    assert.equal("IO: pipe is not a regular file", failure(dir:open_read("pipe")))
  end)

  it("does not create through a symbolic link", function()
    assert(C.env_spec_symlink(root .. "/elsewhere", root .. "/a") == 0)

    assert.equal("EXISTS", (select(2, dir:create("a"))))
    assert.is_nil(io.open(root .. "/elsewhere"))
  end)

  it("says what a path is that is no directory", function()
    write_text(root .. "/file", "")

    assert.matches("^IO: cannot open directory .*: Not a directory$",
      failure(files:open(root .. "/file", false)))
    assert.matches("^IO: cannot open directory .*: Not a directory$",
      failure(files:open(root .. "/file", true)))
  end)

  it("names the file that may not be opened", function()
    dir:put("a", "1")
    assert(C.env_spec_chmod(root .. "/a", 0) == 0)

    local text = in_child(function()
      local own = assert(files:open(root, false))
      -- Root may open everything, so the child is somebody else; for others this fails and is fine.
      C.env_spec_seteuid(65534)
      return failure(own:open_read("a"))
    end)

    assert.equal("IO: cannot open a: Permission denied", text)
  end)

  it("keeps the reason in the text of a long path", function()
    local _, _, text = files:open(root .. "/" .. ("d"):rep(200) .. "/" .. ("e"):rep(50), true)

    assert.matches(": No such file or directory$", text)
  end)

  it("answers IO with the reason when no descriptor is left", function()
    dir:put("a", "1")

    local text = in_child(function()
      local own = assert(files:open(root, false))
      limit(RLIMIT_NOFILE, 3)
      return failure(own:open_read("a"))
    end)

    assert.equal("IO: cannot open a: Too many open files", text)
  end)

  it("writes up to the limit of a file's size, then answers NO_SPACE and why (D12)", function()
    local text = in_child(function()
      local file = assert(assert(files:open(root, false)):create("a"))
      C.env_spec_signal(SIGXFSZ, SIG_IGN)
      limit(RLIMIT_FSIZE, 5)
      return failure(file:write(2, "123456789"))
    end)

    assert.equal("NO_SPACE: cannot write a at offset 5: File too large", text)
    assert.equal("\0\0" .. "123", dir:get("a"))
  end)

  describe("lock", function()
    it("is refused to a second handle by another path", function()
      assert(C.env_spec_symlink(root, root .. "/again") == 0)
      assert(dir:lock())

      local text = failure(assert(files:open(root .. "/again", false)):lock())

      assert.matches("^BUSY: .*/again is already open in this process %(%d+%)$", text)
    end)

    it("is refused to another process, which learns who holds it", function()
      assert(dir:lock())

      local text = in_child(function()
        return failure(assert(files:open(root, false)):lock())
      end)

      assert.equal(
        "BUSY: " .. root .. " is locked by process " .. C.env_spec_getpid(), text)
    end)

    it("is free when its holder has died without closing", function()
      local text = in_child(function()
        assert(assert(files:open(root, false)):lock())
        return "locked by child"
      end)

      assert.equal("locked by child", text)
      assert(dir:lock())
    end)

    it("is not held by a child that outlives its parent", function()
      -- The child locks and forks a grandchild that waits on a pipe; the child dies, the grandchild
      -- still lives, and the lock is free.
      local gate = root .. "/gate"
      assert(C.env_spec_mkfifo(gate, 384) == 0)
      local text = in_child(function()
        assert(assert(files:open(root, false)):lock())
        local ends = ffi.new("int[2]")
        assert(C.env_spec_pipe(ends) == 0)
        if C.env_spec_fork() == 0 then
          C.env_spec_write(ends[1], "r", 1)
          read_text(gate)
          C.env_spec_exit(0)
        end
        -- A grandchild that has not run yet still has the descriptor.
        assert(C.env_spec_read(ends[0], ffi.new("char[1]"), 1) == 1)
        return "locked by child"
      end)

      -- Its copy goes in the grandchild, at some time after the fork.
      local answer
      local deadline = os.time() + 30
      repeat
        answer = failure(dir:lock())
      until answer == "no failure" or os.time() > deadline
      write_text(gate, "")

      assert.equal("locked by child", text)
      assert.equal("no failure", answer)
    end)

    it("stays with the parent when a child closes its copy", function()
      assert(dir:lock())

      local text = in_child(function()
        dir:close()
        return failure(assert(files:open(root, false)):lock())
      end)

      assert.matches("^BUSY: .* is locked by process", text)
    end)
  end)

  describe("in a forked child", function()
    it("answers CLOSED for every handle of the parent", function()
      local file = assert(dir:create("a"))
      local reason = "handle belongs to process " .. C.env_spec_getpid()
        .. ", of which this one is a fork"

      local calls = {
        function() return file:write(0, "x") end,
        function() return file:read(0, 1) end,
        function() return file:sync() end,
        function() return file:allocate(10) end,
        function() return dir:create("b") end,
        function() return dir:open_read("a") end,
        function() return dir:rename("a", "b") end,
        function() return dir:remove("a") end,
        function() return dir:link("a", dir, "b") end,
        function() return dir:names() end,
        function() return dir:sync() end,
        function() return dir:lock() end,
      }
      for _, call in ipairs(calls) do
        local text = in_child(function() return failure(call()) end)
        assert.equal("CLOSED", text:match("^%u+"))
        assert.matches(reason, text, 1, true)
      end
      assert(file:write(0, "still the parent's"))
    end)

    it("opens handles of its own", function()
      dir:put("a", "1")

      local text = in_child(function()
        local own = assert(files:open(root, false))
        own:put("b", "2")
        return own:names()
      end)

      assert.equal("a b", text)
    end)
  end)
end)
