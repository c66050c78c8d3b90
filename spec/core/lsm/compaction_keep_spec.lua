-- Whether a version survives: text tables, and the promise behind them, that no reader sees a
-- difference.
local cdef = require "spec.support.cdef"
local data_file = require "spec.support.data_file"
local ffi = require "ffi"
local lib = require "spec.support.lib"
local seed = require "spec.support.seed"

cdef.load("lsm/compaction_keep.h")

local PUT, DELETE = 1, 2
local VERDICTS = { [0] = "row", "as delete", "gone" }
local NOW = 100

local function rule_of(snapshots, is_bottom)
  local list = ffi.new("uint64_t[?]", math.max(1, #snapshots), snapshots)
  local rule = ffi.new("struct keep_rule")
  rule.snapshots, rule.snapshot_count = list, #snapshots
  rule.now_ms, rule.is_bottom = NOW, is_bottom
  return rule, list
end

-- Verdicts of versions { seq, kind, expires }, newest first.
local function decide(versions, snapshots, is_bottom)
  local rule, anchor = rule_of(snapshots, is_bottom)
  local verdicts, newer = {}, 0
  for index, one in ipairs(versions) do
    verdicts[index] = lib.keep_decide(rule, one.seq, newer, one.kind, one.expires)
    newer = one.seq
  end
  return verdicts, anchor
end

local function answer(case)
  local snapshots, versions, out = {}, {}, {}
  for number in (case.args:match("snapshots=([%d,]+)") or ""):gmatch("%d+") do
    snapshots[#snapshots + 1] = tonumber(number)
  end
  for index, line in ipairs(case.lines) do
    local seq, kind = line:match("^(%d+) (%l+)")
    versions[index] = {
      seq = tonumber(seq),
      kind = kind == "delete" and DELETE or PUT,
      expires = tonumber(line:match("expires=(%d+)") or 0),
    }
  end
  local is_bottom = case.args:match("bottom") ~= nil
  for index, verdict in ipairs((decide(versions, snapshots, is_bottom))) do
    out[index] = ("%d %s"):format(versions[index].seq, VERDICTS[verdict])
  end
  return table.concat(out, "\n")
end

-- The sequence of the row that a reader at `snapshot` sees, or nil.
local function seen_at(versions, snapshot)
  for _, one in ipairs(versions) do
    if one.seq <= snapshot then
      local is_hidden = one.kind == DELETE or (one.expires ~= 0 and one.expires <= NOW)
      return not is_hidden and one.seq or nil
    end
  end
  return nil
end

local function random_versions(random)
  local versions, seq = {}, 40
  for index = 1, random:int(1, 6) do
    seq = seq - random:int(1, 6)
    local kind = random:int(1, 3) == 1 and DELETE or PUT
    local expires = random:int(1, 4) == 1 and random:int(99, 101) or 0
    versions[index] = { seq = seq, kind = kind, expires = expires }
  end
  return versions
end

local function survivors(versions, verdicts)
  local left = {}
  for index, one in ipairs(versions) do
    if verdicts[index] == 0 then
      left[#left + 1] = one
    elseif verdicts[index] == 1 then
      left[#left + 1] = { seq = one.seq, kind = DELETE, expires = 0 }
    end
  end
  return left
end

describe("lsm.compaction_keep", function()
  it("answers as the text tables say (K06)", function()
    data_file.run("spec/data/compaction/keep.txt", answer, function(title, expected, actual)
      assert.equal(expected, actual, title)
    end)
  end)

  it("changes nothing for any open snapshot nor for a new reader #fuzz", function()
    local random = seed.new(11)
    for _ = 1, 5000 do
      local versions, snapshots = random_versions(random), {}
      for seq = 1, 40 do
        snapshots[#snapshots + 1] = random:int(1, 12) == 1 and seq or nil
      end
      local is_bottom = random:int(1, 2) == 1
      -- What lies below the inputs: an older version, unless this is the bottom.
      local below = not is_bottom and { seq = 1, kind = PUT, expires = 0 } or nil
      local left = survivors(versions, (decide(versions, snapshots, is_bottom)))
      local before = { unpack(versions) }
      before[#before + 1], left[#left + 1] = below, below

      table.insert(snapshots, 1000)
      for _, snapshot in ipairs(snapshots) do
        assert.equal(seen_at(before, snapshot), seen_at(left, snapshot))
      end
    end
  end)
end)
