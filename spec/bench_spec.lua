-- scripts/bench runs what is installed, in small, and writes results of a known shape. What the
-- figures are is none of a spec's business.
local cjson = require "cjson"
local files = require "spec.support.files"
local paths = require "spec.support.paths"
local shell = require "spec.support.shell"
local tmpdir = require "spec.support.tmp"

local function bench(...)
  local words = { ... }
  for index, word in ipairs(words) do
    words[index] = shell.quote(word)
  end
  return shell.script(("LOAM_BUILD_DIR=%s scripts/bench %s"):format(shell.quote(paths.build),
    table.concat(words, " ")))
end

local function by_name(rows)
  local found = {}
  for _, row in ipairs(rows) do
    found[row.workload] = row
  end
  return found
end

describe("scripts/bench #plain", function()
  it("runs the workloads with the stores that are installed", function()
    local dir = tmpdir()

    local result = bench("--n", "2000", "--threads", "2", "--dir", dir,
      "--json", dir .. "/out.json", "--svg", dir .. "/out.svg")

    assert.equal(0, result.status, result.err)
    local out = cjson.decode(files.read(dir .. "/out.json"))
    local rows = by_name(out.workloads)
    assert.equal(2000, out.options.n)
    assert.is_string(out.machine.build_type)
    for _, name in ipairs { "fillrandom", "readrandom", "readseq", "ycsbf", "reopen-killed" } do
      assert.is_table(rows[name], name)
    end
    for name, figure in pairs(rows.fillrandom.engines) do
      assert.is_string(out.versions[name])
      assert.equal(2000, figure.ops)
      assert.is_true(figure.p50_ns <= figure.p99_ns and figure.p99_ns <= figure.max_ns)
      assert.is_true(figure.peak_memory_bytes > 0)
    end
    assert.is_true(rows["fillsync-2"].engines.file.ops_per_second > 0)
    assert.matches("^workload %(per second%)", result.out:match("workload %(per.*"))
    assert.matches("^<svg.*</svg>\n$", files.read(dir .. "/out.svg"))
    assert.equal("out.json out.svg", shell.run("ls", dir).out:gsub("%s+", " "):match("^(.-)%s*$"))
  end)

  it("refuses what it does not know with one line", function()
    local store = bench("--engines", "loam,nosuch")
    local workload = bench("--n", "2000", "--workloads", "nosuch")

    assert.equal(2, store.status)
    assert.equal("bench: unknown store 'nosuch' in --engines; there are loam, leveldb, rocksdb,"
      .. " lmdb, file\n", store.err)
    assert.equal(2, workload.status)
    assert.matches("bench: no workload begins with 'nosuch'; there are fillrandom,", workload.err)
  end)
end)
