-- Tests of the tests: with one guard of core/base/guard.h switched off, the specs have to fail, and
-- with all of them on they have to pass. Needs a build with -DLOAM_GUARDS=ON in build-guards.
local paths = require "spec.support.paths"
local shell = require "spec.support.shell"

local guards = {}

guards.build = paths.root .. "/build-guards"

local CRASH, RECOVER = "spec/core/db/crash_spec.lua", "spec/core/db/recover_spec.lua"
local EDITS = "spec/core/lsm/version_set_failure_spec.lua"

-- Which spec is to notice; one of those that could, so that this stays quick.
guards.list = {
  { name = "WAL_SYNC", spec = CRASH },
  { name = "WAL_DIR_SYNC", spec = CRASH },
  { name = "TABLE_SYNC", spec = CRASH },
  { name = "FLUSH_DIR_SYNC", spec = CRASH },
  { name = "COMPACT_DIR_SYNC", spec = CRASH },
  { name = "MANIFEST_SYNC", spec = CRASH },
  { name = "MANIFEST_DIR_SYNC", spec = RECOVER },
  { name = "CURRENT_SYNC", spec = CRASH },
  { name = "CURRENT_DIR_SYNC", spec = CRASH },
  { name = "POISON", spec = CRASH },
  { name = "WAL_TAKE_BACK", spec = "spec/core/disk/wal_writer_spec.lua" },
  { name = "MANIFEST_TAKE_BACK", spec = EDITS },
  { name = "DIR_SYNC_ONCE", spec = CRASH },
  { name = "RESERVED_NUMBERS", spec = EDITS },
  { name = "PUBLISH_AFTER_SYNC", spec = CRASH },
  { name = "CONTEXT_CHECKSUM", spec = "--filter=B05 spec/core/disk/table_damage_spec.lua" },
  { name = "TOMBSTONE_RULE", spec = "spec/core/db/model_spec.lua" },
  { name = "SEQUENCE_JUMP", spec = RECOVER },
  { name = "LOG_LINK", spec = RECOVER },
  { name = "ORPHAN_EVIDENCE", spec = "spec/core/db/damage_spec.lua" },
}

--- Builds build-guards, or raises.
function guards.make()
  local result = shell.script("cmake -S . -B build-guards -G Ninja"
    .. " -DCMAKE_BUILD_TYPE=RelWithDebInfo"
    .. " -DLOAM_GUARDS=ON && ninja -C build-guards libloam_testing.so")
  if result.status ~= 0 then
    error("build-guards does not build: " .. result.out:sub(-2000) .. result.err:sub(-2000))
  end
end

--- Whether a spec (words for busted) passes with a guard ("" = none) switched off; and its output.
function guards.passes(off, spec)
  local result = shell.script(("LOAM_BUILD_DIR=%s LOAM_GUARDS_OFF=%s "
    .. "timeout 200 busted --no-keep-going %s"):format(
    shell.quote(guards.build), off, spec))
  return result.status == 0, result.out .. result.err
end

--- All specs of the list, each once.
function guards.specs()
  local seen, list = {}, {}
  for _, guard in ipairs(guards.list) do
    if not seen[guard.spec] then
      seen[guard.spec] = true
      list[#list + 1] = guard.spec
    end
  end
  return list
end

return guards
