-- Opens what --data or --url name, for the length of a function.
local arguments = require "loam.cli.parts.arguments"
local command = require "loam.cli.parts.command"
local failure = require "loam.cli.parts.failure"
local local_store = require "loam.cli.parts.local_store"

local store = {}

--- Opens the store of parsed arguments.
---@param given table  data, url, ca, insecure_tls, bucket
---@param options {create: boolean, read_only: boolean}
---@return loam.cli.store
function store.open(given, options)
  local url, path = arguments.place(given)
  if url then
    -- Only here: without a URL the program needs no luasocket.
    if not pcall(require, "socket") then
      failure.runtime("--url needs luasocket: the Debian package lua-socket")
    end
    return require("loam.cli.parts.remote_store").open(url, arguments.client_options(given))
  end
  return local_store.open(path, options)
end

--- Opens the store, calls fn(store) and closes it, also when fn raises. Returns what fn returns.
---@param given table
---@param options {create: boolean, read_only: boolean}
---@param fn fun(store: loam.cli.store): any
function store.with(given, options, fn)
  local opened = store.open(given, options)
  local is_ok, result = xpcall(function()
    if given.bucket then
      opened:use(given.bucket)
    end
    return fn(opened)
  end, command.trace)
  local is_closed, problem = xpcall(function() opened:close() end, command.trace)
  if not is_ok then
    error(result, 0)
  elseif not is_closed then
    error(problem, 0)
  end
  return result
end

store.READ = { read_only = true }
-- For one pass over many rows, which no cache helps.
store.READ_ONCE = { read_only = true, memory_bytes = 32 * 1024 * 1024 }
store.WRITE = { create = true }
store.CHANGE = {}

return store
