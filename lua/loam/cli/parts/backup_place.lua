-- Where backups are: directories of this machine, or names below the backups_dir of a server.
-- remote_store.lua has the second.
local arguments = require "loam.cli.parts.arguments"
local kv = require "kv"
local store = require "loam.cli.parts.store"

local backup_place = {}
local here = {}

--- Returns the backups of a directory, newest first.
function here.list(_, target)
  return kv.backups(target)
end

--- True and a report, or nil, err, CODE.
function here.verify(_, target, id, on_progress)
  return kv.verify_backup(target, id, { on_progress = on_progress })
end

function here.delete(_, target, id)
  return kv.delete_backup(target, id)
end

function here.restore(_, from, to, id, on_progress)
  return kv.restore(from, to, { id = id, on_progress = on_progress })
end

--- Calls fn(place) with the place that --url or its absence names.
function backup_place.with(given, fn)
  local url = arguments.place(given)
  if not url then
    return fn(here)
  end
  return store.with({ url = url }, store.READ, function(opened)
    return fn(opened:backup_place())
  end)
end

return backup_place
