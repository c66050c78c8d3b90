-- What commands tell about writes that failed: exit code 3 for "not committed", 4 for "nobody
-- knows". The server is one of this spec, which answers what it is told to.
local program = require "spec.support.program"
local shell = require "spec.support.shell"
local socket = require "socket"
local tmpdir = require "spec.support.tmp"

local dir, listener, port

local STALLED = '{"error":"writes wait for a flush","code":"STALLED","outcome":"not_committed"}'
local UNKNOWN = '{"error":"outcome unknown: cannot sync x","code":"UNKNOWN_OUTCOME",'
  .. '"outcome":"unknown"}'

local function answer(status, body)
  return ("HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n%s"):format(status, #body, body)
end

-- Reads one request to its end.
local function take_request(client)
  local size = 0
  for line in function() return assert(client:receive("*l")) end do
    if line == "" then
      break
    end
    size = tonumber(line:match("^[Cc]ontent%-[Ll]ength: (%d+)$")) or size
  end
  return size > 0 and assert(client:receive(size)) or ""
end

-- Starts `loam` with words, gives each request on its connection the next answer ("" closes), and
-- returns {status, err}.
local function run(words, answers)
  words[#words + 1] = "--url"
  words[#words + 1] = "http://127.0.0.1:" .. port
  os.execute(("(env -u LOAM_TOKEN %s >%s/out 2>%s/err; echo $? >%s/new; mv %s/new %s/status) &")
    :format(program.line(words), dir, dir, dir, dir, dir))
  local client = assert(listener:accept())
  client:settimeout(30)
  for _, text in ipairs(answers) do
    take_request(client)
    client:send(text)
  end
  client:close()
  local status = program.wait_until("the command to end", function()
    return tonumber(program.read(dir .. "/status"))
  end)
  return status, program.read(dir .. "/err")
end

describe("loam --url, a write that fails,", function()
  before_each(function()
    dir = tmpdir()
    listener = assert(socket.bind("127.0.0.1", 0))
    listener:settimeout(30)
    port = select(2, listener:getsockname())
  end)
  after_each(function() listener:close() end)

  it("ends with 3 when nothing was committed", function()
    local status, said = run({ "put", "a", "1" }, { answer(503, STALLED) })

    assert.same({ 3, "loam: writes wait for a flush (STALLED)\n" }, { status, said })
  end)

  it("ends with 4 when the server does not know", function()
    local status, said = run({ "put", "a", "1" }, { answer(503, UNKNOWN) })

    assert.same({ 4, "loam: outcome unknown: cannot sync x (UNKNOWN_OUTCOME)\n" }, { status, said })
  end)

  it("ends with 4 when no answer comes to what cannot be repeated", function()
    local status, said = run({ "load", program.write(dir .. "/in", '{"k":"a","v":"1"}\n') }, { "" })

    assert.equal(4, status)
    assert.matches("; 0 rows are acknowledged, the outcome of the 1 rows in flight is unknown\n$",
      said)
  end)

  it("ends with 3 when there was no server to write to", function()
    listener:close()
    local result = program.run { "put", "a", "1", "--url", "http://127.0.0.1:" .. port }

    assert.equal(3, result.status)
  end)

  it("tells how many rows of a load are acknowledged, and of how many nobody knows", function()
    local rows = {}
    for at = 1, 7 do
      rows[at] = ('{"k":"k%d","v":"1"}\n'):format(at)
    end
    local words = { "load", "--batch", "2", program.write(dir .. "/in", table.concat(rows)) }
    local good = answer(200, '{"seq":1,"count":2}')
    local status, said = run(words, { good, answer(503, UNKNOWN), answer(503, STALLED), good })

    assert.equal(4, status)
    assert.matches("^loam: line 3: outcome unknown: cannot sync x %(UNKNOWN_OUTCOME%); 2 rows are "
      .. "acknowledged, 1 later ones are written too, the outcome of 2 later ones is unknown\n$",
      said)
  end)
end)

describe("loam --data, when system calls fail, #plain", function()
  local function put_under(injection, path)
    local words = { "put", "--data", path, "a", "1" }
    return shell.script(("strace -f -qq -o /dev/null -e inject=%s %s"):format(injection,
      program.line(words)))
  end

  local function can_trace()
    return shell.script("strace -f -qq -o /dev/null true").status == 0
  end

  it("goes on where a write is interrupted, and says so where it is refused (D05)", function()
    if not can_trace() then
      return pending "needs strace that may trace"
    end
    local base, refused = tmpdir(), 0
    local interrupted = put_under("pwrite64:error=EINTR:when=1+2", base .. "/eintr")
    for n = 1, 4 do
      local result = put_under("pwrite64:error=EAGAIN:when=" .. n, base .. "/eagain" .. n)
      if result.status ~= 0 then
        refused = refused + 1
        assert.equal(3, result.status)
        assert.matches("cannot write [^\n]*: Resource temporarily unavailable", result.err)
        assert.equal(0, program.run({ "put", "--data", base .. "/eagain" .. n, "a", "1" }).status)
      end
    end

    assert.equal(0, interrupted.status, interrupted.err)
    assert.equal("1", program.run({ "get", "--data", base .. "/eintr", "a" }).out)
    assert.is_true(refused >= 2)
  end)

  it("ends with 4 when the sync of the row fails; every other failure is 3 (D01)", function()
    if not can_trace() then
      return pending "needs strace that may trace"
    end
    local base, statuses = tmpdir(), {}
    for n = 1, 30 do
      local result = put_under("fdatasync:error=EIO:when=" .. n, base .. "/db" .. n)
      statuses[result.status] = (statuses[result.status] or 0) + 1
      if result.status == 0 then
        break
      elseif result.status == 4 then
        assert.matches("^loam: outcome unknown until the store is reopened: cannot sync %d+.wal: "
          .. "Input/output error %(UNKNOWN_OUTCOME%)\n$", result.err)
      else
        assert.equal(3, result.status)
        assert.matches("cannot sync [^\n]*: Input/output error %(IO%)\n$", result.err)
      end
    end

    assert.same({ 1, 1 }, { statuses[0], statuses[4] })
    assert.is_true(statuses[3] > 3)
  end)
end)
