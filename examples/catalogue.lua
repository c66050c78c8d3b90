-- The Debian package catalogue as rows: shared by packages.lua, which writes them, and app.lua,
-- which serves them.
--
-- Bucket "packages":    name -> the paragraph of the package, as apt prints it
-- Bucket "by_section":  kv.key.pack(section, name) -> one-line description (an index: its rows are
--                       written in the same batch as the package, so the two always agree)
-- Bucket "maintainers": maintainer -> number of packages, added to by merges
--
-- The catalogue is deb822 text: paragraphs of "Field: value" lines, separated by empty lines; lines
-- that begin with a space continue the field above.
local kv = require "kv"

local catalogue = {}

local PIECE_BYTES = 256 * 1024
local PARAGRAPH_BYTES_MAX = 1024 * 1024
local PACKAGES_PER_BATCH = 500
local ATTEMPTS = 10
local COMPLETE = "Loam-catalogue: complete" -- A last paragraph that tells an end from a failure.

-- Options of the buckets; a merge operator is fixed when a bucket is made.
local BUCKETS = { packages = {}, by_section = {}, maintainers = { merge = "add" } }

catalogue.COMMAND = "apt-cache dumpavail"
catalogue.STATUS_FILE = "/var/lib/dpkg/status"

--- Opens the buckets of a database; with `create` makes them. Returns
--- {packages, by_section, maintainers}, or nil, err, CODE.
function catalogue.buckets(db, create)
  local opened = {}
  for name, options in pairs(BUCKETS) do
    local bucket, err, code = db:bucket(name, { create = create or false, merge = options.merge })
    if not bucket then
      return nil, err, code
    end
    opened[name] = bucket
  end
  return opened
end

-- ---- Reading the text ----

--- Returns the first line of a field, nil when the paragraph has none. Plain searches: a load asks
--- for four fields of each of some 60,000 paragraphs.
function catalogue.field(paragraph, name)
  local _, past = paragraph:find("\n" .. name .. ":", 1, true)
  if not past then
    past = #name + 1
    if paragraph:sub(1, past) ~= name .. ":" then
      return nil
    end
  end
  local line_end = paragraph:find("\n", past, true) or #paragraph + 1
  local from = paragraph:find("[^ \t]", past + 1) or line_end
  return paragraph:sub(from, line_end - 1)
end

--- Returns all fields of a paragraph as a table, with continuation lines joined by line ends.
function catalogue.fields(paragraph)
  local fields, name = {}, nil
  for line in (paragraph .. "\n"):gmatch("([^\n]*)\n") do
    local found, value = line:match("^([^%s:]+):[ \t]*(.*)$")
    if found then
      name = found
      fields[name] = value
    elseif name and line:find("^[ \t]") then
      fields[name] = fields[name] .. "\n" .. line
    end
  end
  return fields
end

-- Takes the next paragraph off the text that a reader holds; nil when it is not complete yet.
local function take(reader)
  local text = reader.text
  local from = text:find("[^\n]", reader.from) or #text + 1
  local line_end = text:find("\n\n", from, true)
  reader.from = from
  if not line_end and reader.is_at_end and from <= #text then
    line_end = text:sub(-1) == "\n" and #text or #text + 1
  end
  if line_end then
    reader.from = line_end
    return text:sub(from, line_end - 1)
  end
end

local function refill(reader)
  local piece, problem = reader.file:read(PIECE_BYTES)
  if problem then
    error("cannot read the catalogue: " .. problem, 0)
  end
  local rest = reader.text:sub(reader.from)
  if #rest > PARAGRAPH_BYTES_MAX then
    error(("no catalogue: a paragraph of more than %d bytes"):format(PARAGRAPH_BYTES_MAX), 0)
  end
  reader.text, reader.from, reader.is_at_end = rest .. (piece or ""), 1, piece == nil
end

--- Iterates over the paragraphs of an open file; holds one piece of it at a time.
function catalogue.paragraphs(file)
  local reader = { file = file, text = "", from = 1, is_at_end = false }
  return function()
    local paragraph = take(reader)
    while not paragraph and not reader.is_at_end do
      refill(reader)
      paragraph = take(reader)
    end
    return paragraph
  end
end

--- Opens what a command prints. A command that fails in the middle does not end in COMPLETE.
function catalogue.open_command(command)
  return assert(io.popen(("{ %s\n} && printf '\\n\\n%s\\n'"):format(command, COMPLETE)))
end

-- ---- Writing rows ----

-- Removes the rows that this load has not written: their sequence numbers are older.
local function remove_stale(db, bucket, newest_seq)
  local batch = db:batch()
  local rows = batch:bucket(bucket.name)
  for entry in bucket:scan { entries = true, keys_only = true } do
    if entry.seq <= newest_seq then
      rows:delete(entry.key)
    end
  end
  local count = #batch
  assert(batch:write())
  batch:close()
  return count
end

local function write_counts(db, counts)
  local batch = db:batch()
  local rows = batch:bucket("maintainers")
  for maintainer, count in pairs(counts) do
    rows:put(maintainer, tostring(count))
  end
  assert(batch:write { durability = "os" })
  batch:close()
end

-- What a paragraph gives for the rows of a package: index key, description, maintainer.
local function derived(name, paragraph)
  local field = catalogue.field
  return kv.key.pack(field(paragraph, "Section") or "unknown", name),
    field(paragraph, "Description") or "", field(paragraph, "Maintainer") or "unknown"
end

-- Writes every package of `file`. Returns how many, the counts by maintainer, and whether the last
-- paragraph said that the text was complete.
local function write_packages(db, file)
  local batch = db:batch()
  local packages, by_section = batch:bucket("packages"), batch:bucket("by_section")
  local field = catalogue.field
  local count, counts, is_complete = 0, {}, false
  for paragraph in catalogue.paragraphs(file) do
    local name = field(paragraph, "Package")
    if name then
      local index_key, description, maintainer = derived(name, paragraph)
      packages:put(name, paragraph)
      by_section:put(index_key, description)
      counts[maintainer] = (counts[maintainer] or 0) + 1
      count = count + 1
      if count % PACKAGES_PER_BATCH == 0 then
        assert(batch:write { durability = "os" })
        batch:clear()
      end
    end
    is_complete = paragraph == COMPLETE
  end
  assert(batch:write { durability = "os" })
  batch:close()
  return count, counts, is_complete
end

--- Loads the catalogue that `file` holds. Rows are handed to the kernel batch by batch and made
--- durable once, at the end: after a power cut the load is simply repeated. With `must_be_complete`
--- the text has to end in the mark of open_command(). Returns packages, removed rows.
function catalogue.load(db, file, must_be_complete)
  local buckets = assert(catalogue.buckets(db, true))
  local newest_seq = db:seq()
  local count, counts, is_complete = write_packages(db, file)
  if must_be_complete and not is_complete then
    error(("the command failed after %d packages; rows of earlier loads are kept"):format(count), 0)
  elseif count == 0 then
    return 0, 0
  end
  write_counts(db, counts)
  local removed = 0
  for _, bucket in pairs(buckets) do
    removed = removed + remove_stale(db, bucket, newest_seq)
  end
  assert(db:sync())
  return count, removed
end

--- Changes one package: its row, its index row and the counts, all in one batch that applies only
--- if nobody changed the package meanwhile. paragraph nil removes it. Returns the sequence number
--- of the commit (nil alone when there was nothing to remove) and whether the package was there;
--- or nil, err, CODE.
function catalogue.change(db, buckets, name, paragraph)
  for _ = 1, ATTEMPTS do
    local old = buckets.packages:get_entry(name)
    if not old and not paragraph then
      return nil
    end
    local batch = db:batch()
    if old then
      local index_key, _, maintainer = derived(name, old.value)
      batch:bucket("by_section"):delete(index_key)
      batch:bucket("maintainers"):merge(maintainer, "-1")
      batch:bucket("packages"):delete(name, { if_seq = old.seq })
    end
    if paragraph then
      local index_key, description, maintainer = derived(name, paragraph)
      batch:bucket("by_section"):put(index_key, description)
      batch:bucket("maintainers"):merge(maintainer, "1")
      batch:bucket("packages"):put(name, paragraph, not old and { if_absent = true } or nil)
    end
    local seq, err, code = batch:write()
    batch:close()
    if seq then
      return seq, old ~= nil
    elseif seq == nil then
      return nil, err, code
    end
  end
  return nil, ("'%s' is changed by others all the time"):format(name), "CONFLICT"
end

-- ---- Questions ----

--- Iterates over section, number of packages: jumps from section to section by seeking past all
--- that begin with it.
function catalogue.sections(buckets, snapshot)
  local from
  return function()
    local key = buckets.by_section:first { from = from, snapshot = snapshot }
    if not key then
      return nil
    end
    local section = kv.key.unpack(key)
    local prefix = kv.key.pack(section)
    from = kv.key.prefix_end(prefix)
    return section, buckets.by_section:count { prefix = prefix, snapshot = snapshot }
  end
end

--- Returns the maintainers with the most packages, an array of {name, packages}.
function catalogue.top_maintainers(buckets, limit)
  local list = {}
  for name, count in buckets.maintainers:scan() do
    if count ~= "0" then
      list[#list + 1] = { name = name, packages = tonumber(count) }
    end
  end
  table.sort(list, function(a, b)
    if a.packages ~= b.packages then
      return a.packages > b.packages
    end
    return a.name < b.name
  end)
  for at = #list, limit + 1, -1 do
    list[at] = nil
  end
  return list
end

return catalogue
