-- The whole of Loam at once: the real server on a free port, driven by loam load, curl and
-- luasocket, killed with -9 in the middle of a load and started again. Every acknowledged row must
-- be there, and what is there must be a run of the first rows: batches commit in order, whole.
local files = require "spec.support.files"
local json = require "loam.json"
local paths = require "spec.support.paths"
local server = require "spec.support.server"
local shell = require "spec.support.shell"

local ROWS_MIN = 20000
local BATCH = 200
local KILL_AFTER = 5000 -- Acknowledged rows.
local HELD_AT = 15000 -- Rows that a load gets before the kill: it cannot end too early.
local SAMPLE_EVERY = 997

local cached_rows

-- The catalogue of this machine as rows, or made ones where there is none: an array of {k, v}.
local function make_rows(directory)
  if cached_rows then
    return cached_rows
  end
  local data = directory .. "/catalogue"
  shell.run("luajit", "examples/packages.lua", data, "load")
  local dump = shell.run(paths.program, "dump", "--data", data, "--bucket", "packages")
  local rows = {}
  for line in dump.out:gmatch("[^\n]+") do
    local row = json.decode(line)
    rows[#rows + 1] = row.k and row.v and { k = row.k, v = row.v } or nil
  end
  for number = #rows + 1, ROWS_MIN do
    rows[number] = { k = ("made-row-%06d"):format(number),
      v = ("value %d "):format(number):rep(50) }
  end
  cached_rows = rows
  return rows
end

local function write_rows(path, rows)
  local file = assert(io.open(path, "wb"))
  for _, row in ipairs(rows) do
    file:write(json.encode(row), "\n")
  end
  file:close()
end

-- Starts `loam load` of the rows and does not wait for it. It gets the first HELD_AT rows at once
-- and the others when the file `go` is there.
local function start_load(directory, url, durability)
  local feed = ("(head -n %d DIR/rows.ndjson; until [ -e DIR/go ]; do sleep 0.02; done; "
    .. "tail -n +%d DIR/rows.ndjson) 2>/dev/null"):format(HELD_AT, HELD_AT + 1)
  local load = ("%s load --url %s --batch %d --durability %s --acked DIR/acked "
    .. ">DIR/load.out 2>DIR/load.err"):format(paths.program, url, BATCH, durability)
  local line = "(" .. feed .. " | " .. load .. "; echo $? >DIR/load.new; "
    .. "mv DIR/load.new DIR/load.exit) </dev/null >/dev/null 2>&1 &"
  os.execute((line:gsub("DIR", directory)))
end

local function acknowledged(directory)
  return tonumber((files.read(directory .. "/acked") or ""):match("^(%d+)\n")) or 0
end

-- Writes one row by luasocket on an open connection. True once it is acknowledged.
local function put(connection, key, value)
  local text = server.request_text("PUT", "/v1/kv/default/" .. key, value)
  if not connection:send(text) then
    return false
  end
  local is_ok, answer = pcall(server.read_answer, connection, "PUT")
  return is_ok and (answer.status == 201 or answer.status == 204)
end

-- Loads and writes until enough is acknowledged, then kills the server. Returns how many rows of
-- the file and how many rows by luasocket are acknowledged.
local function load_and_kill(running, directory, durability)
  local connection = running:connect()
  local put_count = 0
  start_load(directory, running.url, durability)
  server.wait_for("acknowledged rows", function()
    if put(connection, "socket-" .. put_count + 1, "value " .. put_count + 1) then
      put_count = put_count + 1
    end
    return acknowledged(directory) >= KILL_AFTER
  end)
  assert.equal(137, running:stop("KILL"))
  connection:close()
  assert(io.open(directory .. "/go", "w")):close()
  server.wait_for("the end of loam load", function()
    return files.read(directory .. "/load.exit")
  end)
  return acknowledged(directory), put_count
end

-- Returns the rows of a server as {key = value}, and their number.
local function dump(url)
  local result = shell.run(paths.program, "dump", "--url", url)
  assert.equal("", result.err)
  local rows, count = {}, 0
  for line in result.out:gmatch("[^\n]+") do
    local row = assert(json.decode(line))
    rows[row.k], count = row.v, count + 1
  end
  return rows, count
end

-- Checks that the first `count` rows are there as they were written.
local function check_first(found, rows, count)
  for at = 1, count do
    if found[rows[at].k] ~= rows[at].v then
      error(("row %d of the file, '%s', is acknowledged and not there"):format(at, rows[at].k), 0)
    end
  end
end

local function check_after_restart(url, rows, row_count, put_count)
  local found, found_count = dump(url)
  check_first(found, rows, row_count)
  for number = 1, put_count do
    assert.equal("value " .. number, found["socket-" .. number])
  end
  local put_found = found["socket-" .. put_count + 1] and put_count + 1 or put_count
  local run_length = found_count - put_found
  check_first(found, rows, run_length)
  assert.equal(0, run_length % BATCH)
end

-- A sample by both clients, one key at a time.
local function check_sample(running, rows, count)
  for at = 1, count, SAMPLE_EVERY do
    local target = "/v1/kv/default/" .. rows[at].k:gsub("%+", "%%2B")
    assert.equal(rows[at].v, running:curl("", target).body)
    assert.equal(rows[at].v, running:request("GET", target).body)
  end
end

describe("Loam end to end", function()
  after_each(server.stop_all)

  for _, durability in ipairs { "sync", "os" } do
    it(("keeps every row acknowledged at %s over kill -9 of the server #slow"):format(durability),
      function()
        local directory = server.make_directory()
        local rows = make_rows(directory)
        write_rows(directory .. "/rows.ndjson", rows)
        local running = server.start { directory = directory, workers = 2 }

        local row_count, put_count = load_and_kill(running, directory, durability)
        local again = server.start { directory = directory, workers = 2 }

        assert.is_true(row_count >= KILL_AFTER and row_count <= HELD_AT)
        local said = files.read(directory .. "/load.err")
        assert.truthy(said:find(row_count .. " rows are acknowledged", 1, true))
        assert.equal(said:find("unknown", 1, true) and "4\n" or "3\n",
          files.read(directory .. "/load.exit"))
        check_after_restart(again.url, rows, row_count, put_count)
        check_sample(again, rows, row_count)
        assert.equal(0, again:stop())
        assert.equal(0, shell.run(paths.program, "check", "--data", directory .. "/data").status)
      end)
  end

  it("goes on with a load that was cut, and ends with every row #slow", function()
    local directory = server.make_directory()
    local rows = make_rows(directory)
    write_rows(directory .. "/rows.ndjson", rows)
    local running = server.start { directory = directory, workers = 2 }
    load_and_kill(running, directory, "os")
    local again = server.start { directory = directory, workers = 2 }
    os.remove(directory .. "/load.exit")
    os.remove(directory .. "/acked")

    start_load(directory, again.url, "os")

    server.wait_for("the end of loam load", function()
      return files.read(directory .. "/load.exit")
    end)
    assert.equal("0\n", files.read(directory .. "/load.exit"))
    check_first((dump(again.url)), rows, #rows)
  end)
end)
