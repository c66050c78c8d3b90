-- /v1/admin: verify, scrub, checkpoint, backup, backups, restore and their jobs.
local json = require "loam.json"
local kv = require "kv"
local served_store = require "spec.support.served"
local shell = require "spec.support.shell"
local tmpdir = require "spec.support.tmp"

describe("loam.routes.tools", function()
  local served, root

  local function call(method, target)
    local made = served:request { method = method, target = target }
    return made, json.decode(made.body)
  end

  local function job_of(target, method)
    local made, body = call(method or "POST", target)
    assert.equal(200, made.status, made.body)
    return body.job
  end

  local function assert_refused(status, pattern, method, target)
    local made, body = call(method, target)
    assert.equal(status, made.status, made.body)
    assert.matches(pattern, body.error)
  end

  local function flush(count)
    for at = 1, count do
      served:request { method = "PUT", target = "/v1/kv/default/k" .. at, body = ("v"):rep(100) }
    end
    served:request { method = "POST", target = "/v1/admin/flush" }
  end

  before_each(function()
    root = tmpdir()
    served = served_store.open { backups_dir = root }
  end)
  after_each(function() served:close() end)

  it("starts a job, tells where it is, lists and cancels it", function()
    flush(100)

    local made, body = call("POST", "/v1/admin/scrub?rate=1")

    assert.equal(202, made.status)
    assert.equal("/v1/admin/jobs/" .. body.job.id, made.headers.Location)
    assert.equal("scrub", body.job.kind)
    assert_refused(409, "^a scrub is running already: job %d+$", "POST", "/v1/admin/scrub")
    assert_refused(409, "already", "POST", "/v1/admin/verify")
    assert.equal(202, call("DELETE", made.headers.Location).status)
    local job
    repeat
      job = select(2, call("GET", made.headers.Location)).job
    until job.state ~= "running"
    assert.equal("cancelled", job.state)
    assert.equal("CANCELLED", job.code)
    assert.equal(job.id, select(2, call("GET", "/v1/admin/jobs")).jobs[1].id)
  end)

  it("verifies, shallow and deep", function()
    flush(100)

    local shallow, deep = job_of "/v1/admin/verify?wait=1", job_of "/v1/admin/verify?deep=1&wait=1"

    assert.same({ "scrub", "done", 1 }, { shallow.kind, shallow.state, shallow.progress })
    assert.same({ "check", "done", 1 }, { deep.kind, deep.state, deep.progress })
  end)

  it("tells file and offset of damage, in the job and in health, without a path", function()
    flush(100)
    local path = kv.attach(served.db).path
    local name = shell.script("ls " .. path .. "/*.sst").out:match("([^/\n]+)\n")
    local file = assert(io.open(path .. "/" .. name, "r+b"))
    file:seek("set", 300)
    file:write("XXXX")
    file:close()

    local job = job_of "/v1/admin/verify?wait=1"

    assert.same({ "failed", "CORRUPT" }, { job.state, job.code })
    assert.matches(name .. " at offset %d+: ", job.text)
    local made, health = call("GET", "/health")
    assert.equal(200, made.status)
    assert.equal("degraded", health.status)
    assert.matches("^damaged: " .. name .. " at offset %d+: ", health.reasons[1])
    assert.matches("\nloam_damaged_files 1\n", call("GET", "/metrics").body)
    assert.is_nil(made.body:find(path, 1, true))
  end)

  it("backs up, lists, verifies, restores and deletes below backups_dir", function()
    flush(100)

    local first = job_of "/v1/admin/backup?name=day&wait=1"
    local second = job_of "/v1/admin/backup?name=day&full=1&wait=1"
    local _, list = call("GET", "/v1/admin/backups/day")
    local verified = job_of "/v1/admin/backups/day/verify?id=1&wait=1"
    local restored = job_of "/v1/admin/restore?from=day&to=new&wait=1"
    local deleted = job_of("/v1/admin/backups/day?id=1&wait=1", "DELETE")

    assert.matches("^backup 1, sequence 100, ", first.text)
    assert.matches("^backup 2, ", second.text)
    assert.same({ 2, 1 }, { list.backups[1].id, list.backups[2].id })
    assert.same({ "verify", "done" }, { verified.kind, verified.state })
    assert.same({ "restore", "done" }, { restored.kind, restored.state })
    assert.same({ "delete", "done" }, { deleted.kind, deleted.state })
    local copy = assert(kv.open(root .. "/new", { create = false }))
    assert.equal(100, copy:count())
    copy:close()
    assert.equal(1, #select(2, call("GET", "/v1/admin/backups/day")).backups)
  end)

  it("makes checkpoints", function()
    flush(10)

    assert.equal("sequence 10", job_of("/v1/admin/checkpoint?name=copy&wait=1").text)

    local copy = assert(kv.open(root .. "/copy", { create = false }))
    assert.equal(10, copy:count())
    copy:close()
    assert_refused(409, "^name 'copy' is taken", "POST", "/v1/admin/checkpoint?name=copy")
    assert_refused(409, "^to 'copy' is taken", "POST", "/v1/admin/restore?from=copy&to=copy")
  end)

  it("takes no name for a path", function()
    for _, name in ipairs { "..", ".", "../x", "a/b", "%2Fetc", "-x", ".hidden", "", "a%00b",
      ("n"):rep(65), "%C3%A4" } do
      assert_refused(400, "^name is 1 to 64 of", "POST", "/v1/admin/checkpoint?name=" .. name)
      assert_refused(400, "^to is 1 to 64 of", "POST", "/v1/admin/restore?from=x&to=" .. name)
    end
    assert.equal("", shell.script("ls -A " .. root).out)
  end)

  it("says what is missing", function()
    assert_refused(400, "^name is missing", "POST", "/v1/admin/backup")
    assert_refused(404, "^no backups of that name", "GET", "/v1/admin/backups/none")
    assert_refused(404, "^no backups of that name", "POST", "/v1/admin/restore?from=none&to=x")
    assert_refused(400, "^unknown parameter", "POST", "/v1/admin/backup?title=x")
    assert_refused(400, "^rate is a whole number", "POST", "/v1/admin/scrub?rate=fast")
    assert_refused(404, "^no such job", "DELETE", "/v1/admin/jobs/4711")
    job_of "/v1/admin/backup?name=day&wait=1"
    assert_refused(400, "^id is missing", "DELETE", "/v1/admin/backups/day")
    local absent = job_of "/v1/admin/restore?from=day&to=x&id=9&wait=1"
    assert.same({ "failed", "NOT_FOUND" }, { absent.state, absent.code })
  end)

  it("has no place for copies without backups_dir", function()
    served:close()
    served = served_store.open()

    assert_refused(409, "start it with %-%-backups%-dir", "POST", "/v1/admin/backup?name=day")
    assert.equal("done", job_of("/v1/admin/verify?wait=1").state)
  end)
end)
