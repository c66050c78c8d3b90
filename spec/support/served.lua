-- A served store without a server: what routes get, for fake requests.
--
--     local served = require("spec.support.served").open()
--     local made = served:request { method = "PUT", target = "/v1/kv/default/a", body = "1" }
--
-- The store is a real one in a directory of its own; close() before the test ends.
local answer = require "loam.answer"
local app_loader = require "loam.app_loader"
local dispatch = require "loam.dispatch"
local ffi = require "ffi"
local C = require "loam.native"
local cdef = require "spec.support.cdef"
local lib = require "spec.support.lib"
local options = require "loam.config.options"
local request = require "loam.request"
local server = require "loam.server"
local store = require "loam.store"
local tmpdir = require "spec.support.tmp"

cdef.load("env/env.h")
cdef.load("db/open.h")

local served = {}
local methods = {}
local metatable = { __name = "served", __index = methods }

local function values_with(changed)
  local values = {}
  for _, option in ipairs(options.list) do
    values[option.name] = option.default
  end
  values.durability = "os"
  for name, value in pairs(changed or {}) do
    values[name] = value
  end
  return values
end

--- Opens a store; `changed` are options that differ from the defaults. `files` is a fault driver in
--- place of the operating system's files.
function served.open(changed, files)
  local values = values_with(changed)
  local out, err = ffi.new("loam_db *[1]"), ffi.new("loam_error")
  local given = server.engine_options(values)
  local code = files and lib.db_open(files._p, "/db", given, out, err)
    or C.loam_open(tmpdir(), given, out, err)
  assert(code == 0, ffi.string(err.text))
  local self = setmetatable({ db = out[0], registry = app_loader.empty() }, metatable)
  self.store = store.new(self.db, {})
  self.ctx = {
    store = self.store,
    config = values,
    host = nil,
    worker_count = 1,
    started_at_ms = C.host_now_ms(),
    version = ffi.string(C.loam_version()),
    config_rows = function() return {} end,
    gate = self.gate,
    calls = { ask = function() return { rows = {}, is_killed = false, silent = {} } end },
    is_stopping = function() return self.is_stopping or false end,
    sleep = function() end,
    was_ended = function() return false end,
    stalled = function() return self.stalled or {} end,
    volume_id = function() return "volume" end,
  }
  return self
end

--- Answers a fake request. Returns {status, headers, body, route}; streams are collected.
function methods:request(values)
  local req = request.fake(values)
  local made, route = dispatch.answer(self.registry, req, self.ctx)
  assert(answer.is(made))
  if made.stream then
    local parts = {}
    made.stream(function(bytes, size)
      parts[#parts + 1] = size and ffi.string(bytes, size) or bytes
    end)
    made.body = table.concat(parts)
  end
  if made.finish then
    made.finish()
  end
  made.route = route
  return made
end

--- Closes the store. Raises when something of it is still open.
function methods:close()
  self.store = nil
  jit.flush() -- Compiled code may hold closures.
  collectgarbage()
  collectgarbage()
  local err = ffi.new("loam_error")
  assert(C.loam_close(self.db, err) == 0, ffi.string(err.text))
end

return served
