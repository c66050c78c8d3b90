-- Small whole stores as files: those of spec/data/golden, and the one that this build would write.
--
--     golden.write(dir)                         a new one: its files and listing.txt
--     local files = golden.load(dir)            a fault driver that holds it in "/db"
--     golden.listing(db)                        every row, bucket and content type as text
--
-- The store has one table of each compression, a log that was not flushed, buckets with and without
-- a time to live and a merge operator, a dropped bucket, deletes, rows that expire, content types.
local env = require "spec.support.env"
local fault = require "spec.support.fault"
local ffi = require "ffi"
local lib = require "spec.support.lib"
local store = require "spec.support.db"

local golden = {}

golden.NOW_MS = 1700000000000
local SEED = 1
local COMPRESSIONS = {
  lib.LOAM_COMPRESS_NONE, lib.LOAM_COMPRESS_LZ4, lib.LOAM_COMPRESS_ZSTD,
}
local ROWS = { 40, 12, 8 } -- The oldest run is the largest: nothing is due to be merged.

local function names_of(files)
  local names = {}
  for name in assert(files:list "/db"):gmatch "(%S+) %d+ %d+" do
    if name ~= "LOCK" then
      names[#names + 1] = name
    end
  end
  table.sort(names)
  return names
end

--- The files of the store by name.
function golden.contents(files)
  local contents = {}
  for _, name in ipairs(names_of(files)) do
    contents[name] = assert(files:read_file("/db", name))
  end
  return contents
end

-- ---- Making one ----

local function type_id(db, name)
  local id = ffi.new("uint32_t[1]")
  assert(lib.loam_content_type_id(db._p, name, #name, id, db._err) == 0)
  return id[0]
end

-- The rows of one table. Values repeat, so that they are stored compressed.
local function fill(db, round)
  for at = 1, ROWS[round] do
    local name = ("row-%d-%02d"):format(round, at)
    assert(db:put(name, (name .. " "):rep(20)))
  end
  assert(db:put("every", "round " .. round))
  assert(db:apply { key = "timed-" .. round, value = "t", expire_at_ms = golden.NOW_MS + 1000 })
  assert(db:apply { key = "typed-" .. round, value = "<p>",
    content_type = type_id(db, round == 1 and "text/html" or "application/json") })
  assert(db:put(("\0\255"):rep(round), ""))
  assert(db:delete("row-" .. round .. "-05"))
  if round > 1 then
    assert(db:delete(("row-%d-06"):format(round - 1)))
  end
end

local function fill_buckets(db)
  local default = db._bucket
  db._bucket = assert(db:bucket("short", { create = true, ttl_ms = 5000 }))
  assert(db:put("a", "lives five seconds"))
  assert(db:apply { key = "b", value = "lives on", no_expiry = true })
  db._bucket = assert(db:bucket("sums", { create = true, merge = 1 }))
  assert(db:apply { kind = "merge", key = "n", value = "40" })
  assert(db:apply { kind = "merge", key = "n", value = "2" })
  db._bucket = assert(db:bucket("gone", { create = true }))
  assert(db:put("a", "of a dropped bucket"))
  assert(db:drop_bucket "gone")
  db._bucket = default
end

-- A driver that holds a store as a killed process leaves it.
local function make()
  local files = fault.new(SEED)
  files:set_wall_ms(golden.NOW_MS)
  for round, compression in ipairs(COMPRESSIONS) do
    local options = { compression = compression, block_bytes = 1024 }
    local db = assert(store.open(files._p, "/db", options))
    fill(db, round)
    if round == 2 then
      fill_buckets(db)
    end
    assert(db:flush())
    assert(db:close())
  end
  local db = assert(store.open(files._p, "/db"))
  assert(db:batch { { key = "log-1", value = "1" }, { kind = "delete", key = "row-3-07" } })
  assert(db:put("log-2", "2", { durability = "os" }))
  files:crash_after(0)
  db:close()
  files:clear()
  assert(files:reboot("kill", SEED))
  return files
end

-- ---- Listing ----

local function printable(bytes)
  return (bytes:gsub("[^ -~]", function(byte) return ("\\x%02x"):format(byte:byte()) end))
end

local function list_bucket(db, info, lines)
  db._bucket = info.id
  lines[#lines + 1] = ("bucket %s ttl_ms=%d merge=%d"):format(ffi.string(info.name),
    tonumber(info.ttl_ms), info.merge)
  for _, row in ipairs(assert(db:rows())) do
    local meta = assert(db:meta(row[1]))
    local type_name = meta.content_type > 0
      and ffi.string(lib.loam_content_type_name(db._p, meta.content_type)) or "-"
    lines[#lines + 1] = ("%s = %s seq=%d expires=%d type=%s"):format(printable(row[1]),
      printable(row[2]), meta.seq, meta.expire_at_ms, type_name)
  end
end

--- Every bucket with its options and rows, as text.
function golden.listing(db)
  local default, lines = db._bucket, {}
  local infos = ffi.new("loam_bucket_info[16]")
  for index = 0, tonumber(lib.loam_bucket_list(db._p, infos, 16)) - 1 do
    list_bucket(db, infos[index], lines)
  end
  db._bucket = default
  return table.concat(lines, "\n") .. "\n"
end

-- ---- Files ----

local function write_file(path, text)
  local file = assert(io.open(path, "wb"))
  file:write(text)
  file:close()
end

local function read_file(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read("*a")
  file:close()
  return text
end

--- Writes the store of this build and its listing.
function golden.write(dir)
  local files = make()
  os.execute(("rm -rf '%s' && mkdir -p '%s'"):format(dir, dir))
  for name, bytes in pairs(golden.contents(files)) do
    write_file(dir .. "/" .. name, bytes)
  end
  local db = assert(store.open(files._p, "/db"))
  write_file(dir .. "/listing.txt", golden.listing(db))
  assert(db:close())
end

--- A driver that holds the store of a directory in "/db", and the text of its listing.
function golden.load(dir)
  local files = fault.new(SEED)
  files:set_wall_ms(golden.NOW_MS)
  assert(files:open("/db", true)):close()
  local pipe = assert(io.popen(("ls '%s'"):format(dir)))
  for name in pipe:lines() do
    if name ~= "listing.txt" then
      assert(files:write_file("/db", name, read_file(dir .. "/" .. name)))
    end
  end
  pipe:close()
  return files, read_file(dir .. "/listing.txt")
end

--- Opens the store of load(); or nil, code, text.
function golden.open(files)
  return store.open(files._p, "/db")
end

function golden.close_all()
  store.close_all()
  env.close_all()
end

return golden
