-- Databases for specs of the bindings.
--
--     local store = require "spec.support.store"
--     local db = store.open()                      -- in a directory of its own, durability "os"
--     local text = store.misuse(function() db:put() end)
local kv = require "kv"
local tmpdir = require "spec.support.tmp"

local store = {}

--- Opens a database in a new directory.
---@param options? table  of kv.open
function store.open(options)
  local given = { durability = "os" }
  for name, option in pairs(options or {}) do
    given[name] = option
  end
  return assert(kv.open(tmpdir() .. "/db", given))
end

--- Calls a function that has to raise misuse and returns the message without its position, which
--- has to be a line of the spec.
---@param fn function
---@return string
function store.misuse(fn)
  local is_fine, message = pcall(fn)
  assert(not is_fine, "nothing was raised")
  local place, text = tostring(message):match("^(.-_spec%.lua):%d+: (.*)$")
  assert(place, "no line of the spec in: " .. tostring(message))
  return text
end

--- Collects all garbage, twice: finalizers run in the first round, what they held goes in the
--- second. Compiled code may hold a closure, and what that refers to, until it is thrown away.
function store.collect()
  jit.flush()
  collectgarbage()
  collectgarbage()
end

return store
