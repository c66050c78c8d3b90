-- A store on the real file system, as a rig sees it from outside: opened, compared with what a
-- writer process said, closed.
local crash = require "spec.support.crash"
local env = require "spec.support.env"
local paths = require "spec.support.paths"
local process = require "spec.torture.process"
local steps = require "spec.torture.steps"
local store = require "spec.support.db"
local verdicts = require "spec.torture.verdicts"

local real_store = {}

--- Starts the writer from step `from`. Returns the process.
function real_store.write(dir, progress, from, to, sync_every, before)
  local words = { "luajit", paths.root .. "/spec/torture/writer.lua", paths.root, dir, progress,
    tostring(from), tostring(to), tostring(sync_every) }
  for index = #(before or {}), 1, -1 do
    table.insert(words, 1, before[index])
  end
  return process.start(words, { out = progress .. ".out", err = progress .. ".err" })
end

--- What the writer told, or raises when it did not get as far as opening.
function real_store.told(progress, from)
  local told = steps.read(progress, from)
  if told.problem then
    error("the writer could not open the store: " .. told.problem, 2)
  end
  return told
end

--- Opens, verifies that a step in [least, most] is there and whole, closes. Returns the step.
function real_store.verify(dir, least, most, what)
  local driver = env.posix()
  local db, code, text = store.open(driver._p, dir, crash.OPTIONS)
  if not db then
    verdicts.fail("wrong", ("%s: does not open: %s %s"):format(what, code, tostring(text)), 2)
  end
  local recovered = crash.verify(db, least, most, what)
  assert(db:close())
  return recovered
end

return real_store
