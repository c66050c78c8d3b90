-- The calls of loam.client that look after the store: statistics, jobs, backups, buckets.
local uri = require "loam.uri"

local admin = {}

-- One member of an answer; a failure passes through.
local function member(name, made, err, code)
  if not made then
    return nil, err, code
  end
  return made[name]
end

--- Adds the calls to the methods of a client. call(self, method, path, given) makes a request whose
--- good answer is JSON.
---@param methods table
---@param call function
function admin.add_to(methods, call)
  --- Returns the statistics of the server.
  function methods:stats()
    return call(self, "GET", "/v1/admin/stats")
  end

  --- Starts a compaction of everything; returns its job {id, state, bytes_done, bytes_total}.
  function methods:compact()
    return member("job", call(self, "POST", "/v1/admin/compact"))
  end

  --- Starts a job by its route, as "/v1/admin/backup"; returns it as job() does.
  ---@param path string
  ---@param query? table
  ---@param method? string  POST by default
  function methods:start(path, query, method)
    return member("job", call(self, method or "POST", path, { query = query }))
  end

  --- Asks a job to stop; returns it.
  function methods:cancel(id)
    return member("job", call(self, "DELETE", ("/v1/admin/jobs/%.0f"):format(id)))
  end

  --- Returns the backups of a name below the server's backups_dir, newest first.
  function methods:backups(name)
    return member("backups", call(self, "GET", "/v1/admin/backups/" .. uri.encode(name)))
  end

  --- Returns a job.
  function methods:job(id)
    return member("job", call(self, "GET", ("/v1/admin/jobs/%.0f"):format(id)))
  end

  --- Returns the buckets {name, ttl, merge}.
  function methods:buckets()
    return member("buckets", call(self, "GET", "/v1/buckets"))
  end

  --- Makes a bucket; given: ttl (seconds), merge.
  function methods:create_bucket(name, given)
    given = given or {}
    return call(self, "PUT", "/v1/buckets/" .. uri.encode(name),
      { query = { ttl = given.ttl, merge = given.merge } })
  end

  --- Drops a bucket with all its rows.
  function methods:drop_bucket(name)
    local is_done, err, code = call(self, "DELETE", "/v1/buckets/" .. uri.encode(name))
    if not is_done then
      return nil, err, code
    end
    return true
  end
end

return admin
