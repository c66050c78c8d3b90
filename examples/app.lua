-- The package catalogue over HTTP, with routes of its own beside the built-in ones.
--
--     luajit examples/packages.lua data load
--     build/loam serve examples/app.lua --data data
--
-- GET    /packages?prefix=&after=&limit=   search by prefix, page by page
-- GET    /packages/{name}                  one package with all its fields
-- PUT    /packages/{name}                  stores a package: a deb822 paragraph as body
-- DELETE /packages/{name}                  removes it
-- GET    /sections                         every section and its number of packages
-- GET    /sections/{name}?after=&limit=    packages of a section (contrib/games is one)
-- GET    /maintainers?limit=               who maintains most
-- GET    /counts                           what the timer below last counted
-- GET    /export?prefix=                   everything, streamed as NDJSON from one snapshot
--
-- Handlers give nil, text, CODE for bad input: the answer has the form of the built-in ones then.
-- Every worker runs this file; what workers share is in the store.
local app = require "loam.app"
local catalogue = require "catalogue"
local json = require "loam.json"
local kv = require "kv"
local metrics = require "loam.metrics"

local LIMIT_DEFAULT, LIMIT_MAX = 20, 1000
local NAME_BYTES_MAX = 128
local PARAGRAPH_BYTES_MAX = 256 * 1024
local COUNT_INTERVAL_S = 5
local COUNTS_KEY = "packages:counts"

-- ---- Input ----

-- Takes the parameters of a query that `known` names. Returns a table, or nil, text, CODE.
local function query_of(req, known)
  local query = req.query
  if req.query_error then
    return nil, req.query_error, "INVALID"
  end
  for name in pairs(query) do
    if not known[name] then
      return nil, ("unknown parameter '%s'"):format(name), "INVALID"
    end
  end
  local limit = query.limit == nil and LIMIT_DEFAULT
    or query.limit:find("^%d+$") and tonumber(query.limit)
  if not limit or limit < 1 or limit > LIMIT_MAX then
    return nil, ("limit is a whole number from 1 to %d, got '%s'"):format(LIMIT_MAX, query.limit),
      "INVALID"
  end
  return { prefix = query.prefix, after = query.after, limit = limit }
end

-- Names of packages as Debian policy has them: lower case letters, digits, plus, minus, dot.
local function name_of(req)
  local name = req.params.name
  if #name > NAME_BYTES_MAX or not name:find("^[a-z0-9][a-z0-9+.-]+$") then
    return nil, ("a name has 2 to %d of a-z, 0-9, +, -, . and begins with a letter or digit")
      :format(NAME_BYTES_MAX), "INVALID"
  end
  return name
end

local function buckets_of()
  local buckets, err, code = catalogue.buckets(kv.current())
  if not buckets and code == "NOT_FOUND" then
    return nil, "the catalogue is not loaded: stop the server, run examples/packages.lua DATA load",
      "NOT_FOUND"
  end
  return buckets, err, code
end

-- Deb822 text is UTF-8 by the rules; what is not is replaced, so that JSON can carry it.
local function shown(text)
  return json.is_utf8(text) and text or (text:gsub("[\128-\255]", "?"))
end

local function summary(name, paragraph)
  return {
    name = name,
    version = shown(catalogue.field(paragraph, "Version") or ""),
    description = shown(catalogue.field(paragraph, "Description") or ""),
  }
end

-- A handler that gets (buckets, query, req), or the answer to bad input instead.
local function with_query(known, fn)
  return function(req)
    local query, err, code = query_of(req, known)
    if not query then
      return nil, err, code
    end
    local buckets, problem, failure = buckets_of()
    if not buckets then
      return nil, problem, failure
    end
    return fn(buckets, query, req)
  end
end

-- A handler of /packages/{name} that gets (name, buckets, req).
local function with_name(fn)
  return with_query({}, function(buckets, _, req)
    local name, err, code = name_of(req)
    if not name then
      return nil, err, code
    end
    return fn(name, buckets, req)
  end)
end

-- ---- Reading ----

app.get("/packages", with_query({ prefix = true, after = true, limit = true },
  function(buckets, query)
    local list = json.array {}
    for name, paragraph in buckets.packages:scan(query) do
      list[#list + 1] = summary(name, paragraph)
    end
    return { packages = list, next = #list == query.limit and list[#list].name or nil }
  end))

app.get("/packages/:name", with_name(function(name, buckets)
  local paragraph = buckets.packages:get(name)
  if not paragraph then
    return nil, ("no package '%s'"):format(name), "NOT_FOUND"
  end
  return catalogue.fields(shown(paragraph))
end))

app.get("/sections", with_query({}, function(buckets)
  local list = json.array {}
  for name, count in catalogue.sections(buckets) do
    list[#list + 1] = { section = shown(name), packages = count }
  end
  return list
end))

app.get("/sections/*name", with_query({ after = true, limit = true },
  function(buckets, query, req)
    local section = req.params.name
    local after = query.after and kv.key.pack(section, query.after)
    local list = json.array {}
    for key, description in buckets.by_section:scan { prefix = kv.key.pack(section),
      after = after, limit = query.limit } do
      local _, name = kv.key.unpack(key)
      list[#list + 1] = { name = name, description = shown(description) }
    end
    if #list == 0 and not after then
      return nil, ("no section '%s'"):format(shown(section)), "NOT_FOUND"
    end
    return { packages = list, next = #list == query.limit and list[#list].name or nil }
  end))

app.get("/maintainers", with_query({ limit = true }, function(buckets, query)
  local list = json.array(catalogue.top_maintainers(buckets, query.limit))
  for _, one in ipairs(list) do
    one.name = shown(one.name)
  end
  return list
end))

app.get("/export", with_query({ prefix = true }, function(buckets, query)
  local scan = buckets.packages:scan { prefix = query.prefix }
  return function()
    local name, paragraph = scan()
    return name and catalogue.fields(shown(paragraph))
  end
end))

-- ---- Writing ----

-- Returns the paragraph in a body, or nil, text, CODE.
local function paragraph_of(req, name)
  local body = req.body:gsub("\r\n", "\n"):gsub("\n+$", "")
  if #body > PARAGRAPH_BYTES_MAX then
    return nil, ("a package is at most %d bytes, got %d"):format(PARAGRAPH_BYTES_MAX, #body),
      "TOO_LARGE"
  elseif body:find("\n\n", 1, true) or not json.is_utf8(body) then
    return nil, "the body is one deb822 paragraph in UTF-8", "INVALID"
  elseif catalogue.field(body, "Package") ~= name then
    return nil, ("the field Package of the body is not '%s'"):format(name), "INVALID"
  end
  return body
end

app.put("/packages/:name", with_name(function(name, buckets, req)
  local paragraph, problem, code = paragraph_of(req, name)
  if not paragraph then
    return nil, problem, code
  end
  local seq, was_there, failure = catalogue.change(kv.current(), buckets, name, paragraph)
  if not seq then
    return nil, was_there, failure
  end
  return was_there and 200 or 201, { name = name, seq = seq }
end))

app.delete("/packages/:name", with_name(function(name, buckets)
  local seq, problem, failure = catalogue.change(kv.current(), buckets, name, nil)
  if not seq and failure then
    return nil, problem, failure
  end
  return 204
end))

-- ---- A timer that counts ----

app.get("/counts", function()
  local counts = kv.get(COUNTS_KEY)
  if not counts then
    return nil, "nothing is counted yet", "NOT_FOUND"
  end
  return 200, counts, { ["Content-Type"] = "application/json" }
end)

local packages_gauge = metrics.gauge("packages_total", "Packages in the catalogue.")
local last_seq

-- Counts when something was written since the last time; the write of the count itself is no news.
local function count_packages()
  local buckets = catalogue.buckets(kv.current())
  if not buckets or kv.seq() == last_seq then
    return
  end
  local count = assert(buckets.packages:count())
  packages_gauge:set(count)
  last_seq = assert(kv.put(COUNTS_KEY, json.encode { packages = count, counted_at = os.time() }))
end

app.after(0, count_packages)
app.every(COUNT_INTERVAL_S, count_packages)
