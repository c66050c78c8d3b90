-- The reads and writes that databases, buckets and snapshots share, gathered as tables of methods.
local batch = require "kv.batch"
local listing = require "kv.listing"
local many = require "kv.many"
local read = require "kv.read"
local scan = require "kv.scan"
local write = require "kv.write"

local space = {}

local READS = {
  get = read.get, get_entry = read.get_entry, get_into = read.get_into, get_view = read.get_view,
  exists = read.exists, ttl = read.ttl, mget = many.mget,
  scan = scan.scan, list = listing.list, keys = listing.keys, first = listing.first,
  last = listing.last, count = listing.count,
}
local WRITES = {
  put = write.put, set = write.set, add = write.add, replace = write.replace, cas = write.cas,
  delete = write.delete, del = write.del, incr = write.incr, getset = write.getset,
  getdel = write.getdel, append = write.append, touch = write.touch, persist = write.persist,
  mput = many.mput, mdelete = many.mdelete, delete_range = many.delete_range,
  delete_prefix = many.delete_prefix, batch = batch.batch,
}

local function copy(methods, from)
  for name, method in pairs(from) do
    methods[name] = method
  end
  return methods
end

--- Adds the reading methods to a table of methods.
---@param methods table
---@return table methods
function space.with_reads(methods)
  return copy(methods, READS)
end

--- Adds the reading and the writing methods to a table of methods.
---@param methods table
---@return table methods
function space.with_writes(methods)
  return copy(copy(methods, READS), WRITES)
end

return space
