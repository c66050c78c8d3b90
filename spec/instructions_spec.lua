-- What each hot path costs in instructions, against figures that are kept in
-- spec/data/instructions.txt: a change that makes one dearer by more than a tenth fails here, on
-- any machine, however loaded. spec/bench/instructions.c runs the paths, callgrind counts; those of
-- kv are in spec/bench/instructions_kv.lua, of them a twentieth is enough.
--
-- Instructions follow from the compiler, the C library and the features of the processor; the file
-- says for which they hold, and elsewhere nothing is compared. LOAM_REWRITE=1 writes the figures of
-- this run: do so when a path has become dearer for a reason, or much cheaper.
local files = require "spec.support.files"
local paths = require "spec.support.paths"
local shell = require "spec.support.shell"
local tmpdir = require "spec.support.tmp"

local KEPT = paths.root .. "/spec/data/instructions.txt"
local TOLERANCE, KV_TOLERANCE = 0.10, 0.05
-- The C library chooses its copies by processor: the oldest kind is there on all of them.
local TUNABLES = "glibc.cpu.hwcaps=-AVX2,-AVX,-AVX512F,-AVX512VL,-AVX512BW,-ERMS,-FSRM,-SSSE3"
local COUNTED = {
  "put", "batch_row", "get_memtable", "seek_memtable", "merge_row", "get_table", "get_missing",
  "seek_table", "scan_row", "log_frame", "http_parse", "http_get", "kv_put", "kv_get_into",
  "kv_scan_row",
}
local HEAD = [[
# Instructions per operation of the hot paths; spec/instructions_spec.lua compares and writes them.
# The first line says what they were counted with: elsewhere nothing is compared.
]]

local function has(tool)
  return shell.run("sh", "-c", "command -v " .. tool).status == 0
end

local function cached(name)
  return shell.run("sed", "-n", ("s/^%s:[A-Z]*=//p"):format(name),
    paths.build .. "/CMakeCache.txt").out:match("^(.-)%s*$")
end

-- Returns why nothing can be counted here, or nil.
local function obstacle()
  if not has("valgrind") then
    return "valgrind is not installed"
  elseif cached("CMAKE_BUILD_TYPE") ~= "Release" or cached("LOAM_SANITIZE") ~= ""
    or cached("LOAM_SLOW_CHECKS") == "ON" or cached("LOAM_GUARDS") == "ON" then
    return "the build is no plain Release build"
  end
end

local function environment()
  local compiler = shell.run("cc", "-dumpfullversion").out:match("%S+")
  local machine = shell.run("uname", "-m").out:match("%S+")
  local libc = shell.run("getconf", "GNU_LIBC_VERSION").out:match("^(.-)%s*$")
  return ("%s, cc %s, %s, %s"):format(machine, compiler, libc, jit.version)
end

local function compile(dir)
  local result = shell.run("cc", "-O2", "-std=gnu11", "-D_GNU_SOURCE",
    "-I" .. paths.root .. "/core", paths.root .. "/spec/bench/instructions.c", paths.library,
    "-Wl,-rpath," .. paths.build, "-o", dir .. "/instructions")
  assert.equal(0, result.status, result.err)
end

-- Adds up what callgrind saw in a function and in what that calls, by name of the function.
local function inclusive(path)
  local sums, name = {}, nil
  for line in io.lines(path) do
    local found = line:match("^fn=(%S+)")
    if found then
      name = found
    else
      -- "LINE COST", or after "calls=" the cost of the call.
      local cost = name and line:match("^[%d+*-]+ (%d+)$")
      sums[name or ""] = (sums[name or ""] or 0) + (tonumber(cost) or 0)
    end
  end
  return sums
end

local function callgrind(dir, out, ...)
  local result = shell.run("env", "GLIBC_TUNABLES=" .. TUNABLES, "valgrind", "-q",
    "--tool=callgrind", "--callgrind-out-file=" .. dir .. out, "--compress-strings=no",
    "--compress-pos=no", ...)
  assert.equal(0, result.status, result.err)
  return result.out
end

local function count_c(dir, counts)
  compile(dir)
  assert(shell.run("mkdir", dir .. "/stores").status == 0)
  local printed = callgrind(dir, "/out", dir .. "/instructions", dir .. "/stores")
  local sums = inclusive(dir .. "/out")
  for name, operations in printed:gmatch("(%S+) (%d+)\n") do
    local is_thread = name:sub(1, 1) == "@"
    local sum = sums[is_thread and name:sub(2) or "measure_" .. name]
    assert(sum, name .. " was not seen by callgrind")
    counts[is_thread and "merge_row" or name] = sum / tonumber(operations)
  end
end

-- What the compiler makes has no names: every second part of what callgrind writes is one loop.
local function count_kv(dir, counts)
  local printed, part = callgrind(dir, "/loops", "--dump-before=loam_code_text", "luajit",
    "spec/bench/instructions_kv.lua", paths.library, dir), 0
  for name, operations in printed:gmatch("(%S+) (%d+)\n") do
    part = part + 2
    local total = files.read(("%s/loops.%d"):format(dir, part)):match("\ntotals: (%d+)")
    counts[name] = tonumber(total) / tonumber(operations)
  end
end

-- Returns instructions per operation by name.
local function count(dir)
  local counts = {}
  count_c(dir, counts)
  count_kv(dir, counts)
  return counts
end

local function read_kept()
  local kept = {}
  for line in io.lines(KEPT) do
    local name, number = line:match("^([%w_]+) (%d+)$")
    if name == nil then
      kept.environment = line:match("^with (.*)$") or kept.environment
    else
      kept[name] = tonumber(number)
    end
  end
  return kept
end

local function write_kept(counts)
  local lines = { HEAD .. "with " .. environment() }
  for _, name in ipairs(COUNTED) do
    lines[#lines + 1] = ("%s %.0f"):format(name, counts[name])
  end
  files.write(paths.root .. "/spec/data",
    { ["instructions.txt"] = table.concat(lines, "\n") .. "\n" })
end

-- Returns the paths that are too dear, as text; prints those that have become much cheaper.
local function compare(counts, kept)
  local dear = {}
  for _, name in ipairs(COUNTED) do
    local now, before = counts[name], assert(kept[name], name .. " has no figure; LOAM_REWRITE=1")
    local tolerance = name:find("^kv_") and KV_TOLERANCE or TOLERANCE
    if now > before * (1 + tolerance) then
      dear[#dear + 1] = ("%s costs %.0f instructions, was %.0f"):format(name, now, before)
    elseif now < before * (1 - tolerance) then
      print(("\ninstructions: %s costs %.0f, was %.0f: tighten it with LOAM_REWRITE=1"):format(name,
        now, before))
    end
  end
  return table.concat(dear, "\n")
end

describe("hot paths #plain", function()
  it("cost no more instructions than they did", function()
    local problem = obstacle()
    if problem then
      pending(problem)
      return
    end

    local counts = count(tmpdir())

    if os.getenv("LOAM_REWRITE") == "1" then
      write_kept(counts)
    end
    local kept = read_kept()
    if kept.environment ~= environment() then
      pending(("the figures are of %s, this is %s"):format(kept.environment, environment()))
      return
    end
    assert.equal("", compare(counts, kept))
  end)

  it("are told when one has become dearer", function()
    local kept, counts = {}, {}
    for _, name in ipairs(COUNTED) do
      kept[name], counts[name] = 1000, name:find("^kv_") and 1049 or 1099
    end
    assert.equal("", compare(counts, kept))
    counts.put, counts.kv_put = 1101, 1051
    assert.equal("put costs 1101 instructions, was 1000\nkv_put costs 1051 instructions, was 1000",
      compare(counts, kept))
  end)
end)
