-- scripts/fuzz, one target per round: libFuzzer with AddressSanitizer and UBSan on every reader of
-- bytes from outside.
local shell = require "spec.support.shell"

local SECONDS = 60
local TARGETS = { "wal", "ops", "block", "table", "edit", "manifest", "current", "point", "http",
  "chunked", "target", "conditions", "json", "body", "text", "config" }

local rig = { seconds = 600,
  about = "libFuzzer on every reader of files, HTTP, JSON and configuration" }

function rig.round(context)
  local target = TARGETS[context.seed % #TARGETS + 1]
  local result = shell.script(("LOAM_FUZZ_SEED=%d scripts/fuzz --seconds %d %s"):format(
    context.seed, SECONDS, target))
  if result.out:find("clang not found", 1, true) then
    context:skip "needs clang"
  elseif result.status ~= 0 then
    error(result.out .. result.err)
  end
  context:count("inputs to the fuzzer of " .. target, tonumber(result.out:match "ok: (%d+)") or 0)
end

return rig
