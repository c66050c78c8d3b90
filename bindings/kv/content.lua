-- Content types: names and the small ids that rows carry. Both ways are remembered per database,
-- since an id never changes its name.
local errors = require "kv.errors"
local ffi = require "ffi"
local lib = require "kv.lib"
local wait = require "kv.wait"

local content = {}
local C = lib.C
local err = errors.scratch
local id_out = ffi.new("uint32_t[1]")

local function make(p, name)
  local rc = C.loam_content_type_id(p, name, #name, id_out, err)
  return rc, id_out[0], err
end

--- Returns the id of a name, or nil, err, CODE. A new name may yield the handler.
function content.id(db, name)
  local id = db._content_ids[name]
  if not id then
    local rc, made, detail = wait.call(db, "content_type", make, name)
    if rc ~= 0 then
      return errors.failure(rc, detail)
    end
    id = tonumber(made)
    db._content_ids[name] = id
  end
  return id
end

--- Returns the name of an id, nil for 0.
function content.name(db, id)
  if id == 0 then
    return nil
  end
  local name = db._content_names[id]
  if not name then
    local text = C.loam_content_type_name(db._p, id)
    name = text ~= nil and ffi.string(text) or nil
    db._content_names[id] = name
  end
  return name
end

return content
