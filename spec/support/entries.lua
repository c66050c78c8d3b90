-- Entries in specs: Lua tables { key, value, seq, kind, expire_at_ms, content_type } and how they
-- stand in entry order (key ascending, sequence descending).
local cdef = require "spec.support.cdef"
local ffi = require "ffi"
local lib = require "spec.support.lib"

cdef.load("lsm/memtable.h")

local entries = { PUT = 1, DELETE = 2, SEQ_MAX = 2 ^ 53 - 1 }
local err = ffi.new("struct loam_error")

function entries.slice(text)
  return ffi.new("struct slice", text, #text)
end

function entries.text(bytes)
  return bytes.size == 0 and "" or ffi.string(bytes.data, bytes.size)
end

function entries.row_of(entry)
  return {
    key = entries.text(entry.key),
    value = entries.text(entry.value),
    seq = tonumber(entry.seq),
    kind = tonumber(entry.kind),
    expire_at_ms = tonumber(entry.expire_at_ms),
    content_type = tonumber(entry.content_type),
  }
end

-- The entry points into the strings of the row.
function entries.fill(entry, row)
  entry.key, entry.value = entries.slice(row.key), entries.slice(row.value)
  entry.seq, entry.kind = row.seq, row.kind
  entry.expire_at_ms, entry.content_type = row.expire_at_ms, row.content_type
end

function entries.insert(memtable, row)
  local entry = ffi.new("struct entry")
  entries.fill(entry, row)
  return lib.memtable_insert(memtable, entry, err)
end

function entries.row(key, seq, fields)
  local made = { key = key, value = "v" .. seq, seq = seq, kind = entries.PUT }
  made.expire_at_ms, made.content_type = 0, 0
  for name, value in pairs(fields or {}) do
    made[name] = value
  end
  return made
end

function entries.random_row(random, key, seq)
  local kind = random:int(1, 5) == 1 and entries.DELETE or entries.PUT
  return entries.row(key, seq, {
    kind = kind,
    value = kind == entries.DELETE and "" or random:bytes(random:int(0, 40)),
    expire_at_ms = random:int(1, 4) == 1 and random:int(1, 2 ^ 40) or 0,
    content_type = random:int(1, 4) == 1 and random:int(1, 65535) or 0,
  })
end

function entries.precedes(a, b)
  if a.key ~= b.key then
    return a.key < b.key
  end
  return a.seq > b.seq
end

-- Position of the first row at or after (key, seq).
function entries.lower(rows, key, seq)
  for index, candidate in ipairs(rows) do
    if not entries.precedes(candidate, { key = key, seq = seq }) then
      return index
    end
  end
  return #rows + 1
end

return entries
