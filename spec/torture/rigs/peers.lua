-- Differential: the same operations on Loam and on other stores give the same answers.
-- Cases: K05.
local configurations = require "spec.torture.configurations"
local operations = require "spec.torture.operations"
local peers = require "spec.torture.peers"
local tmpdir = require "spec.support.tmp"

local OPERATIONS = 4000

local rig = { seconds = 300, about = "the same operations on LevelDB, RocksDB and LMDB" }

function rig.round(context)
  local list = operations.list(context.random, OPERATIONS, false)
  local ours, what = configurations.play(list, context.random)
  local has_any = false
  for name, open in pairs(peers.installed()) do
    has_any = true
    local engine = open(tmpdir())
    local theirs = operations.play(list, engine)
    engine:close()
    operations.compare(list, theirs, ours, "Loam, " .. what .. ", against " .. name)
    context:count("operations compared with " .. name, OPERATIONS)
  end
  if not has_any then
    context:skip "none of LevelDB, RocksDB and LMDB is installed"
  end
end

return rig
