-- Sixteen threads, every public call in flight: loam_stress of stress.c, and loam_stress_close,
-- which shuts the store down under them; against the plain build and against build-tsan, one with
-- ThreadSanitizer.
-- Cases: K02 K03 K09 K10.
local paths = require "spec.support.paths"
local shell = require "spec.support.shell"
local tmpdir = require "spec.support.tmp"

local SECONDS, SHUTDOWNS = 10, 25

local rig = { seconds = 900, about = "16 threads with all public calls; ThreadSanitizer" }

local function build(folder, options)
  local command = "cmake -S . -B %s -G Ninja %s && ninja -C %s loam_stress loam_stress_close"
  local result = shell.script(command:format(
    shell.quote(folder), options, shell.quote(folder)))
  if result.status ~= 0 then
    error(folder .. " does not build: " .. result.out:sub(-2000) .. result.err:sub(-2000))
  end
end

local function run_program(context, program, number, what)
  local dir = tmpdir() .. "/db"
  -- Address space randomisation of new kernels is more than ThreadSanitizer can map.
  local result = shell.script(("setarch -R env TSAN_OPTIONS=halt_on_error=1 "
    .. "timeout -k 5 240 %s %s %d %d"):format(program, dir, number, context.seed))
  if result.status ~= 0 then
    error(("%s, exit status %s:\n%s%s"):format(what, result.status, result.out:sub(-4000),
      result.err:sub(1, 12000)))
  end
  for amount, name in result.out:gmatch "(%d+) ([%l ]+)" do
    context:count(("%s by 16 threads, %s"):format(name, what), tonumber(amount))
  end
end

local function run(context, folder, what)
  run_program(context, folder .. "/loam_stress", SECONDS, what)
  run_program(context, folder .. "/loam_stress_close", SHUTDOWNS, what)
end

function rig.round(context)
  build(paths.build, "")
  run(context, paths.build, "plain")
  local tsan = paths.root .. "/build-tsan"
  build(tsan, "-DCMAKE_BUILD_TYPE=RelWithDebInfo -DLOAM_SANITIZE=thread")
  run(context, tsan, "ThreadSanitizer")
end

return rig
