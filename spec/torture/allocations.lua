-- A life of a store in which the n-th allocation fails, once or for ever: open, steps, flush,
-- compaction, reads, snapshot, checkpoint, backup, close; then, with memory again, the store is
-- opened and judged. On files in memory whose driver allocates through the same point.
local admin = require "spec.support.admin"
local cdef = require "spec.support.cdef"
local crash = require "spec.support.crash"
local fault = require "spec.support.fault"
local lib = require "spec.support.lib"

cdef.load("base/memory.h")

local allocations = {}

local FOREVER = 0xffffffffffffffffULL
local STEPS, SYNC_EVERY = 60, 7
-- What a call may answer without memory. A log that could not be written ends in the last two.
local ALLOWED = { NO_MEMORY = true, READ_ONLY = true, UNKNOWN_OUTCOME = true }

local function allow(what, code, text)
  if code and not ALLOWED[code] then
    error(("%s answers %s: %s"):format(what, code, tostring(text)), 3)
  end
end

local function read(db)
  local _, code, text = db:get "last"
  allow("get", code, text)
  local rows
  rows, code, text = db:rows {}
  allow("scan", not rows and code, text)
  rows, code, text = db:rows { reverse = true }
  allow("scan backwards", not rows and code, text)
end

local function tools(db, files)
  for name, call in pairs { checkpoint = admin.checkpoint, backup = admin.backup } do
    local ok, code, text = call(db, "/" .. name)
    allow(name, not ok and code, text)
  end
  assert(files:handle_count() > 0)
end

-- A step that failed for want of memory was not committed; the next one may be.
local function write(db, result)
  for i = 1, STEPS do
    local is_sync = i % SYNC_EVERY == 0
    result.attempted = i
    local seq, code, text = db:batch(crash.step(i), { durability = is_sync and "sync" or "os" })
    allow("a write", not seq and code, text)
    if not seq then
      return
    end
    result.acked = i
    if i % 20 == 0 then
      local ok
      ok, code, text = db:flush()
      allow("flush", not ok and code, text)
    end
  end
  local ok, code, text = db:compact()
  allow("compact", not ok and code, text)
end

local function live(files, result)
  local db, code, text = crash.open(files)
  if not db then
    allow("open", code, text)
    return
  end
  write(db, result)
  read(db)
  tools(db, files)
  local ok
  ok, code, text = db:close()
  allow("close", not ok and code, text)
  db._p = nil
end

--- Allocations of a life in which none fails; about, as threads share the work.
function allocations.count()
  local files = fault.new(1)
  lib.memory_fail_at(FOREVER, 0)
  live(files, {})
  return tonumber(lib.memory_alloc_count())
end

--- Lets allocation `n` and those after it, `times` in all or "forever", fail. Raises what is wrong.
function allocations.fail(n, times)
  local files = fault.new(1)
  local handles = files:handle_count()
  local result = { attempted = 0, acked = 0 }
  local what = ("allocation %d fails, %s times"):format(n, times)
  lib.memory_fail_at(n, times == "forever" and FOREVER or times)
  local ok, problem = pcall(live, files, result)
  lib.memory_fail_at(FOREVER, 0)
  if not ok then
    error(what .. ": " .. tostring(problem), 0)
  elseif files:handle_count() ~= handles then
    error(what .. ": a handle stays open", 0)
  end
  local db, code, text = crash.open(files)
  if not db then
    error(("%s: does not open again: %s %s"):format(what, code, text), 0)
  end
  crash.verify(db, result.acked, result.attempted, what)
  assert(db:close())
end

return allocations
