-- Bounds of scans: what a caller may write, turned into one scratch loam_range.
--
--     {prefix = "user:", limit = 100}     a table of options
--     "user:"                             a prefix
--     "a", "b"[, options]                 from (inclusive) to (exclusive); nil = no bound
local errors = require "kv.errors"
local ffi = require "ffi"
local options = require "kv.options"

local range = {}
local misuse = errors.misuse

---@class kv.range
---@field from? string         inclusive
---@field to? string           exclusive
---@field prefix? string
---@field after? string        cursor: rows strictly after this key in scan direction
---@field limit? number        most rows
---@field reverse? boolean
---@field keys_only? boolean
---@field entries? boolean     rows as kv.entry tables
---@field rows? boolean        one kv.row object that shows each row in turn; of scan() only
---@field snapshot? kv.snapshot
---@field max_bytes? number    ends after the row that reaches so many bytes handed out
---@field deadline_ms? number  raises TIMEOUT when the scan is not through by then
local KNOWN = {
  from = "string", to = "string", prefix = "string", after = "string", limit = "whole",
  reverse = "boolean", keys_only = "boolean", entries = "boolean", rows = "boolean",
  snapshot = "table", max_bytes = "whole", deadline_ms = "whole",
}

local NOTHING = {}
local scratch = ffi.new("loam_range")
local BOUNDS = { "from", "to", "prefix", "after" }

--- Returns the spec of [from, to), checked.
---@param call string
---@param from? string
---@param to? string
---@return kv.range
function range.bounds(call, from, to)
  if from ~= nil and type(from) ~= "string" then
    misuse("%s: 'from' is a string, got %s", call, errors.what_came(from))
  elseif to ~= nil and type(to) ~= "string" then
    misuse("%s: 'to' is a string, got %s", call, errors.what_came(to))
  end
  return { from = from, to = to }
end

local function with_bounds(call, from, to, given)
  local spec = range.bounds(call, from, to)
  if given ~= nil then
    options.check(call, given, KNOWN)
    for name, option in pairs(given) do
      if spec[name] ~= nil then
        misuse("%s: '%s' is given twice", call, name)
      end
      spec[name] = option
    end
  end
  return spec
end

local function spec_of(call, first, to, given)
  if type(first) == "table" then
    if to ~= nil or given ~= nil then
      misuse("%s: a range table is the only argument", call)
    end
    options.check(call, first, KNOWN)
    return first
  elseif to ~= nil or given ~= nil then
    return with_bounds(call, first, to, given)
  elseif first == nil then
    return NOTHING
  elseif type(first) ~= "string" then
    misuse("%s: a range is a table or a prefix, got %s", call, errors.what_came(first))
  end
  return { prefix = first }
end

--- Returns the table of options of a call, checked.
---@param call string
---@param first? kv.range|string
---@param to? string
---@param given? kv.range
---@return kv.range
function range.spec(call, first, to, given)
  local spec = spec_of(call, first, to, given)
  if spec.rows and (call ~= "scan" or spec.entries) then
    misuse("%s: option 'rows' is for scan(), and not together with 'entries'", call)
  end
  return spec
end

--- Writes a spec to the scratch loam_range. Its strings are borrowed from the spec.
---@param spec kv.range
---@param limit? number    instead of the spec's
---@param reverse? boolean instead of the spec's
function range.fill(spec, limit, reverse)
  ffi.fill(scratch, ffi.sizeof(scratch))
  for _, name in ipairs(BOUNDS) do
    local bound = spec[name]
    if bound then
      scratch[name] = bound
      scratch[name .. "_size"] = #bound
    end
  end
  scratch.limit = limit or spec.limit or 0
  scratch.max_bytes = spec.max_bytes or 0
  if reverse == nil then
    reverse = spec.reverse
  end
  scratch.reverse = reverse or false
  scratch.keys_only = spec.keys_only or false
  return scratch
end

return range
