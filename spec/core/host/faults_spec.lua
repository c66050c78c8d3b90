-- Error paths of the host's C: memory that runs out, files that are not as they have to be, calls
-- that name what there is not.
local C = require "loam.native"
local cdef = require "spec.support.cdef"
local ffi = require "ffi"
local http_server = require "spec.support.http_server"
local lib = require "spec.support.lib"
local shell = require "spec.support.shell"
local tmpdir = require "spec.support.tmp"

cdef.load("base/memory.h")
cdef.load("host/host.h")
cdef.load("host/secure.h")

local NEVER = 2 ^ 63

describe("host, faults (R01)", function()
  local err = ffi.new("loam_error")

  local function text()
    return ffi.string(err.text)
  end

  after_each(function() lib.memory_fail_at(NEVER, 0) end)

  -- Calls fn() with the n-th allocation failing, for n from 0; it gives a code. The first ones are
  -- NO_MEMORY, the last one is good.
  local function each_allocation(count, fn)
    local failures, last = 0, nil
    for after = 0, count do
      lib.memory_fail_at(after, 1)
      last = fn()
      lib.memory_fail_at(NEVER, 0)
      assert.is_true(last >= 0 or last == C.LOAM_NO_MEMORY, "code " .. last)
      failures = failures + (last < 0 and 1 or 0)
    end
    assert.is_true(failures > 0 and last >= 0)
  end

  describe("a host", function()
    local out = ffi.new("struct host *[1]")

    it("has 1 to 256 workers", function()
      for _, count in ipairs { 0, -1, 257 } do
        assert.equal(C.LOAM_INVALID, C.host_open(count, out, err))
        assert.equal(("workers is %d: 1 to 256"):format(count), text())
      end
    end)

    it("is not there without memory, and nothing of it is left", function()
      each_allocation(6, function()
        local code = C.host_open(2, out, err)
        if code == 0 then
          C.host_close(out[0])
        end
        return code
      end)
      C.host_close(nil)
    end)

    describe("that is open", function()
      local host

      before_each(function()
        assert.equal(0, C.host_open(1, out, err))
        host = out[0]
      end)
      after_each(function() C.host_close(host) end)

      it("keeps the question that was there when a new one finds no memory", function()
        local buffer = ffi.new("loam_buffer")
        assert.equal(1, C.host_board_ask(host, "first", 5))
        local long = ("x"):rep(5000)
        lib.memory_fail_at(0, 1)

        assert.equal(C.LOAM_NO_MEMORY, C.host_board_ask(host, long, #long))

        assert.equal(1, C.host_board_read(host, 0, buffer))
        assert.equal("first", ffi.string(buffer.data, buffer.size))
        assert.equal(1, C.host_shared(host).question_count)
        lib.memory_fail_at(0, 1)
        assert.equal(C.LOAM_NO_MEMORY, C.host_board_answer(host, 1, 1, long, #long))
        assert.equal(0, C.host_board_read(host, 1, buffer))
        assert.equal(0, C.host_board_answer(host, 1, 1, long, #long))
        lib.memory_fail_at(0, 1)
        assert.equal(C.LOAM_NO_MEMORY, C.host_board_read(host, 1, buffer))
        assert.equal(1, C.host_board_read(host, 1, buffer))
        assert.equal(long, ffi.string(buffer.data, buffer.size))
        C.loam_buffer_free(buffer)
      end)

      it("counts no metric without memory for its name", function()
        lib.memory_fail_at(0, 1)
        assert.equal(C.LOAM_NO_MEMORY, C.host_metric_slot(host, "a", 1, 1))
        assert.equal(0, C.host_metric_count(host))
        assert.equal(0, C.host_metric_slot(host, "a", 1, 1))
        assert.equal(C.LOAM_TOO_LARGE, C.host_metric_slot(host, "b", 1, 16384))
      end)

      it("has no slow call without memory, none of an unknown kind, and no worker", function()
        local server = assert(http_server.new())
        lib.memory_fail_at(0, 1)
        assert.equal(C.LOAM_NO_MEMORY, C.host_worker_add(host, server.worker))
        assert.equal(1, C.host_worker_add(host, server.worker)) -- host_close() closes it.
        assert.is_true(C.host_http_counters(host, 1) ~= nil)
        assert.is_true(C.host_http_counters(host, 2) == nil)
        local task = ffi.new("struct host_task")
        task.kind = 99

        C.host_task_run(nil, task)

        assert.equal(C.LOAM_INVALID, task.code)
        assert.equal("no task of kind 99", ffi.string(task.error.text))
      end)
    end)
  end)

  describe("a private file", function()
    local dir, path, bytes

    before_each(function()
      dir, bytes = tmpdir(), ffi.new("char[8]")
      path = dir .. "/file"
    end)

    local function write(mode)
      local file = assert(io.open(path, "w"))
      file:write("12345678")
      file:close()
      assert(shell.run("chmod", mode, path).status == 0)
    end

    local function read(place, capacity)
      return C.host_file_read_private(place or path, bytes, capacity or 8, err)
    end

    it("is read whole, or refused for its size", function()
      write("600")
      assert.equal(8, read())
      assert.equal("12345678", ffi.string(bytes, 8))
      assert.equal(C.LOAM_TOO_LARGE, read(nil, 7))
      assert.matches("/file has more than 7 bytes$", text())
    end)

    it("is refused when others may open it, or it is none", function()
      assert.equal(C.LOAM_NOT_FOUND, read())
      assert.matches("cannot be opened", text())
      for _, mode in ipairs { "644", "620", "604" } do
        write(mode)
        assert.equal(C.LOAM_DENIED, read(), mode)
        assert.matches("has mode 0" .. mode .. ", others may open it: chmod 600", text())
      end
      assert.equal(C.LOAM_INVALID, read(dir))
      assert.equal(C.LOAM_INVALID, read("/dev/null"))
      assert.matches("is no plain file$", text())
    end)

    it("is refused when it is somebody else's", function()
      write("600")
      if shell.run("chown", "12345", path).status ~= 0 then
        return pending("only root can give files away")
      end
      assert.equal(C.LOAM_DENIED, read())
      assert.matches("belongs to user 12345, and this is user", text())
    end)

    it("is replaced whole, or stays", function()
      write("600")
      assert.equal(0, C.host_file_replace(path, "new", 3, err))
      assert.equal(3, read())

      for _, place in ipairs { dir .. "/none/file", path .. "/file", ("/x"):rep(2100) } do
        assert.is_true(C.host_file_replace(place, "x", 1, err) < 0)
        assert.is_true(#text() > 5)
      end
      assert(shell.run("mkdir", "-p", dir .. "/full/inner").status == 0)
      assert.is_true(C.host_file_replace(dir .. "/full", "x", 1, err) < 0)
      assert.equal(3, read())
    end)

    it("has one lock at a time", function()
      local fd = C.host_file_lock(path, err)
      assert.is_true(fd >= 0)
      assert.equal(C.LOAM_BUSY, C.host_file_lock(path, err))
      assert.matches("is being changed by somebody else$", text())
      C.host_file_close(fd)
      fd = C.host_file_lock(path, err)
      assert.is_true(fd >= 0)
      C.host_file_close(fd)
      assert.is_true(C.host_file_lock(dir .. "/none/file", err) < 0)
      assert.equal(C.LOAM_INVALID, C.host_file_lock(("x"):rep(5000), err))
    end)
  end)

  it("a log on a full disk says so", function()
    local fd = C.host_append_open("/dev/full", err)
    assert.is_true(fd >= 0)
    assert.equal(C.LOAM_NO_SPACE, C.host_append(fd, "line\n", 5, err))
    assert.matches("^the log cannot be written", text())
    C.host_file_close(fd)
    assert.is_true(C.host_append_open(tmpdir() .. "/none/log", err) < 0)
  end)

  it("a directory that cannot be made is told", function()
    local dir = tmpdir()
    assert(io.open(dir .. "/file", "w")):close()
    assert.equal(0, C.host_make_directory(dir, err))
    for _, place in ipairs { dir .. "/file", dir .. "/none/below", dir .. "/file/below" } do
      assert.equal(C.LOAM_IO, C.host_make_directory(place, err))
      assert.matches("^cannot make the directory", text())
    end
  end)

  it("failed log-ins are not counted without memory for it", function()
    lib.memory_fail_at(0, 1)
    assert.is_true(C.host_logins_open() == nil)
    C.host_logins_close(nil)
  end)

  it("rows as JSON are NO_MEMORY at each allocation, or whole", function()
    local rows = ffi.new("loam_row[2]")
    local block = ffi.new("loam_rows")
    local value = ("v\255"):rep(5000)
    for at = 0, 1 do
      rows[at].key, rows[at].key_size = "k", 1
      rows[at].value, rows[at].value_size, rows[at].seq = value, #value, 5
    end
    block.rows, block.count = rows, 2
    each_allocation(6, function()
      local buffer = ffi.new("loam_buffer")
      local code = C.host_json_rows(nil, buffer, block, 2, C.HOST_ROWS_META)
      C.loam_buffer_free(buffer)
      return code
    end)
  end)
end)
