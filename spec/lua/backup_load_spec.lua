-- A backup that is taken over HTTP while four clients write, the server killed right behind its
-- answer: it equals one commit point, has all that was acknowledged before, and restores (C17,
-- K12).
local json = require "loam.json"
local kv = require "kv"
local program = require "spec.support.program"
local tmpdir = require "spec.support.tmp"

local WRITERS, ROWS = 4, 60000

describe("backup under load", function()
  after_each(program.stop_all)

  local function start_writer(dir, url, number)
    local rows = {}
    for at = 1, ROWS do
      rows[at] = ('{"k":"w%d:%06d","v":"value %d of %d"}\n'):format(number, at, at, number)
    end
    program.write(("%s/rows%d"):format(dir, number), table.concat(rows))
    local line = program.line { "load", "--url", url, "--batch", "50", "--durability", "os",
      "--acked", ("%s/acked%d"):format(dir, number), ("%s/rows%d"):format(dir, number) }
    os.execute(("{ %s >/dev/null 2>&1; echo $? >%s/ended%d; } &"):format(line, dir, number))
  end

  local function acked(dir, number)
    return tonumber(program.read(("%s/acked%d"):format(dir, number))) or 0
  end

  it("restores to a prefix of every client's writes", function()
    local dir = tmpdir()
    local server = program.serve(dir .. "/db", { "--backups-dir", dir .. "/backups",
      "--memtable-bytes", "256KiB" })
    for number = 1, WRITERS do
      start_writer(dir, server.url, number)
    end
    program.wait_until("every writer", function()
      for number = 1, WRITERS do
        if acked(dir, number) < 500 then
          return false
        end
      end
      return true
    end)
    local client = assert(require("loam.client").new(server.url))
    local least, info = {}, nil

    for round = 1, 3 do
      for number = 1, WRITERS do
        least[number] = acked(dir, number)
      end
      info = assert(client:call("POST", "/v1/admin/backup",
        { query = { name = "load", wait = true } })).job
      assert.equal("done", info.state, json.encode(info) .. round)
    end
    server:kill()

    client:close()
    for number = 1, WRITERS do
      program.wait_until("the end of writers", function()
        return program.read(("%s/ended%d"):format(dir, number)) ~= ""
      end)
    end
    assert(kv.restore(dir .. "/backups/load", dir .. "/copy"))
    local copy = assert(kv.open(dir .. "/copy", { create = false }))
    assert.equal(tonumber(info.text:match("sequence (%d+)")), copy:seq())
    assert(copy:check())
    for number = 1, WRITERS do
      local count = copy:count { prefix = ("w%d:"):format(number) }
      assert.is_true(count >= least[number])
      assert.equal(0, count % 50, "a batch is whole")
      if count > 0 then
        local last = ("w%d:%06d"):format(number, count)
        assert.equal(("value %d of %d"):format(count, number), copy:get(last))
      end
    end
    copy:close()
  end)
end)
