-- Tests of the tests: with one guard of core/base/guard.h switched off, the specs have to fail, and
-- with all of them on they have to pass. Makes a build of its own for that, build-guards.
local paths = require "spec.support.paths"
local shell = require "spec.support.shell"
local tmpdir = require "spec.support.tmp"

local guards = {}

local JOBS = 2
local ABORTED, TIMED_OUT = 128 + 6, 124
local SECONDS, ENDLESS_SECONDS = 200, 15

guards.build = paths.root .. "/build-guards"

local DB, DISK = "spec/core/db/", "spec/core/disk/"

-- The spec that is to notice and part of its name: one of those that could, so that this is quick.
guards.list = {
  { "WAL_SYNC", DB .. "crash_spec.lua", "C01 C03 C05" },
  { "WAL_DIR_SYNC", DB .. "crash_spec.lua", "C01 C03 C05" },
  { "TABLE_SYNC", DB .. "crash_spec.lua", "C01 C03 C05" },
  { "FLUSH_DIR_SYNC", DB .. "crash_spec.lua", "C01 C03 C05" },
  { "COMPACT_DIR_SYNC", DB .. "crash_spec.lua", "C01 C03 C05" },
  { "MANIFEST_SYNC", DB .. "crash_spec.lua", "C01 C03 C05" },
  { "CURRENT_SYNC", DB .. "crash_spec.lua", "C01 C03 C05" },
  { "CURRENT_DIR_SYNC", DB .. "recover_spec.lua", "C05 C06" },
  { "MANIFEST_DIR_SYNC", DB .. "recover_spec.lua", "C05 C06" },
  { "POISON", DB .. "crash_spec.lua", "D01 D03" },
  { "WAL_TAKE_BACK", DB .. "disk_error_spec.lua", "closes cleanly" },
  { "MANIFEST_TAKE_BACK", DISK .. "manifest_log_spec.lua", "takes an edit back" },
  { "DIR_SYNC_ONCE", DB .. "crash_spec.lua", "sync of the directory" },
  -- Without it that spec never ends.
  { "RESERVED_NUMBERS", "spec/core/lsm/version_set_failure_spec.lua", "I4", endless = true },
  { "PUBLISH_AFTER_SYNC", DB .. "crash_spec.lua", "D01 D03" },
  { "SEQUENCE_JUMP", DB .. "recover_spec.lua", "C11" },
  { "LOG_LINK", DB .. "recover_spec.lua", "C12" },
  { "LOG_PRESENT", DB .. "damage_spec.lua", "are gone" },
  { "ORPHAN_EVIDENCE", DB .. "damage_spec.lua", "B03" },
  { "TOMBSTONE_RULE", "spec/core/lsm/compaction_keep_spec.lua", "text tables" },
  { "SNAPSHOT_KEEP", "spec/core/lsm/compaction_keep_spec.lua", "text tables" },
  { "EXPIRY", DB .. "write_spec.lua", "time is over" },
  { "FOLLOWER_OUTCOME", DB .. "async_spec.lua", "D02" },
  { "DISK_RESERVE", DB .. "space_spec.lua", "in front of the reserve" },
  { "STORE_LOCK", DB .. "write_spec.lua", "one handle at a time" },
  { "SEAL_FIRST", DB .. "log_ahead_spec.lua", "C01 C03 C05" },
  { "LOG_ANCHOR", DB .. "log_ahead_spec.lua", "never durable" },
  { "RECORD_CHECKSUM", DISK .. "wal_reader_spec.lua", "B01" },
  { "RECORD_SENSE", DISK .. "wal_reader_spec.lua", "verifies with" },
  { "DURABLE_PROOF", DISK .. "wal_reader_spec.lua", "B01" },
  { "HEADER_CHECKSUM", DISK .. "wal_reader_spec.lua", "file header" },
  { "FORMAT_VERSION", "spec/core/lsm/version_set_spec.lua", "B10" },
  { "CURRENT_CHECKSUM", DISK .. "manifest_log_spec.lua", "refuses CURRENT" },
  { "CONTEXT_CHECKSUM", DISK .. "table_damage_spec.lua", "B05" },
  { "BLOCK_CHECKSUM", DISK .. "table_damage_spec.lua", "B02" },
  { "INDEX_CHECKSUM", DISK .. "table_damage_spec.lua", "B02" },
  { "FOOTER_CHECKSUM", DISK .. "table_damage_spec.lua", "B02" },
  { "FILE_HASH", DISK .. "table_damage_spec.lua", "tells otherwise" },
  { "COPY_HASH", DB .. "backup_spec.lua", "whichever byte" },
  { "TABLE_READ_BACK", DB .. "crash_spec.lua", "F12" },
}

--- Builds build-guards, or raises.
function guards.make()
  -- Less optimised than what ships: it is built for a minute of use.
  local result = shell.script("cmake -S . -B build-guards -G Ninja"
    .. " -DCMAKE_BUILD_TYPE=RelWithDebInfo -DCMAKE_C_FLAGS_RELWITHDEBINFO=-O1"
    .. " -DLOAM_GUARDS=ON && ninja -C build-guards libloam_testing.so")
  if result.status ~= 0 then
    error("build-guards does not build: " .. result.out:sub(-2000) .. result.err:sub(-2000))
  end
end

--- Names of guards in core/base/guard.h that the list lacks.
function guards.forgotten()
  local listed, forgotten = {}, {}
  for _, guard in ipairs(guards.list) do
    listed[guard[1]] = true
  end
  for name in io.open(paths.root .. "/core/base/guard.h"):read("*a"):gmatch "X%((%u[%u_]+)%)" do
    if not listed[name] then
      forgotten[#forgotten + 1] = name
    end
  end
  return forgotten
end

-- A line of shell that runs specs and leaves their exit status and output in files.
local function job(dir, number, run)
  local filter = run.filter:gsub(" ", ".") -- busted is a script of shell that cuts words at spaces.
  return ("LOAM_BUILD_DIR=%s LOAM_GUARDS_OFF=%s timeout %d busted --no-keep-going %s %s"
    .. " >%s/%d.out 2>&1; echo $? >%s/%d.status"):format(shell.quote(guards.build), run.off,
    run.endless and ENDLESS_SECONDS or SECONDS, "--filter=" .. shell.quote(filter), run.spec,
    dir, number, dir, number)
end

local function read(path)
  local file = assert(io.open(path, "r"))
  local text = file:read "*a"
  file:close()
  return text
end

--- Whether specs pass: runs = {{off = names of guards, "" for none, spec, filter}, ...}.
--- Returns a list of {status, output}. Two at a time.
function guards.run_all(runs)
  local dir, results = tmpdir(), {}
  local file = assert(io.open(dir .. "/jobs", "w"))
  for number, run in ipairs(runs) do
    file:write(job(dir, number, run), "\0")
  end
  file:close()
  shell.script(("xargs -0 -n 1 -P %d sh -c <%s/jobs"):format(JOBS, dir))
  for number in ipairs(runs) do
    results[number] = { status = tonumber(read(("%s/%d.status"):format(dir, number))),
      output = read(("%s/%d.out"):format(dir, number)) }
  end
  return results
end

-- Whether a run has passed, and whether it has failed; neither, when it ran nothing. An assertion
-- of the core that ends the process is a failure too.
local function verdict(run, result)
  local successes, failures, errors = result.output:match "(%d+) %a+ / (%d+) %a+ / (%d+) error"
  local has_run = successes and tonumber(successes) + tonumber(failures) + tonumber(errors) > 0
  if has_run then
    return result.status == 0, result.status ~= 0
  end
  return false, result.status == ABORTED or run.endless and result.status == TIMED_OUT
end

--- Runs everything: each spec with all guards on, then each guard off. Returns two lists of text:
--- what fails with every guard on, and names of guards whose absence nobody noticed.
function guards.judge()
  local runs, seen = {}, {}
  for _, guard in ipairs(guards.list) do
    local key = guard[2] .. guard[3]
    if not seen[key] then
      seen[key] = true
      runs[#runs + 1] = { off = "", spec = guard[2], filter = guard[3] }
    end
    runs[#runs + 1] = { off = guard[1], spec = guard[2], filter = guard[3],
      endless = guard.endless }
  end
  local broken, missed = {}, {}
  for number, result in ipairs(guards.run_all(runs)) do
    local run = runs[number]
    local passes, is_noticed = verdict(run, result)
    if run.off == "" and not passes then
      broken[#broken + 1] = run.spec .. " " .. run.filter .. ": " .. result.output
    elseif run.off ~= "" and not is_noticed then
      missed[#missed + 1] = run.off
    end
  end
  return broken, missed
end

return guards
