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

local function by_label(lines)
  local found = {}
  for _, line in ipairs(lines) do
    found[line.label] = line
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

  it("makes the table of goals in pieces, and prints it again", function()
    local dir = tmpdir()
    local json = dir .. "/out.json"
    local function piece()
      return bench("--peers", "--setting", "small", "--n", "1000", "--dir", dir, "--threads", "1",
        "--workloads", "fillrandom,readhot,ycsbe,fillseq", "--json", json, "--resume", "--minutes",
        "0")
    end

    local first, left = piece(), 20
    local begun = cjson.decode(files.read(json))
    local last = first
    while last.status == 3 and left > 0 do
      last, left = piece(), left - 1
    end

    assert.equal(3, first.status, first.err)
    assert.equal(2, begun.state.progress.group)
    assert.equal(0, last.status, last.err)
    local out = cjson.decode(files.read(json))
    assert.is_nil(out.state)
    local rows, lines = by_name(out.workloads), by_label(out.lines)
    assert.equal(1000, rows.fillrandom.engines.loam.ops)
    assert.is_table(rows.ycsbe.engines.loam)
    assert.is_table(rows.fillseq.engines.loam)
    assert.equal(1.3, lines.fillrandom.limit)
    assert.is_nil(lines.readseq.value)
    assert.matches("fillrandom .* >= 1.30 ", last.out)
    assert.equal("out.json", shell.run("ls", dir).out:match("^(.-)%s*$"))

    local again = bench("--table", json, "--svg", dir .. "/goals.svg")

    assert.equal(0, again.status, again.err)
    assert.equal(last.out, again.out)
    assert.matches("^<svg.*</svg>\n$", files.read(dir .. "/goals.svg"))
  end)

  it("begins a round again when a piece was cut in the middle of a change", function()
    local dir = tmpdir()
    local json = dir .. "/out.json"
    local words = { "--engines", "loam", "--n", "1000", "--dir", dir, "--workloads",
      "fillrandom,ycsba", "--json", json, "--resume" }
    bench("--minutes", "0", unpack(words))
    bench("--minutes", "0", unpack(words))
    local cut = cjson.decode(files.read(json))
    assert.equal(3, cut.state.progress.group)
    cut.state.progress.is_open = true
    files.write(dir, { ["out.json"] = cjson.encode(cut) })

    local result = bench(unpack(words))

    assert.equal(0, result.status, result.err)
    assert.matches("round 1 begins again", result.err)
    local out = cjson.decode(files.read(json))
    assert.equal(1000, by_name(out.workloads).ycsba.engines.loam.ops)
  end)

  it("compares the module kv with the C API", function()
    local dir = tmpdir()
    local json = dir .. "/out.json"

    local result = bench("--lua", "--n", "400", "--repeat", "2", "--dir", dir, "--json", json)

    assert.equal(0, result.status, result.err)
    local out = cjson.decode(files.read(json))
    for _, name in ipairs { "put", "get", "get_into", "scan rows, 10", "scan rows", "scan",
      "two strings" } do
      local figure = out.lua[name]
      assert.is_true(figure.c_ns > 0 and figure.lua_ns > 0, name)
      assert.is_true(figure.ratio_least <= figure.ratio, name)
      assert.is_true(figure.ratio <= figure.ratio_most, name)
      assert.matches("\n" .. name .. " +[%d.]+ +[%d.]+ +[%d.]+ +[%d.]+ to ", result.out)
    end
    assert.equal("out.json", shell.run("ls", dir).out:match("^(.-)%s*$"))
  end)

  it("refuses what it does not know with one line", function()
    local dir = tmpdir()
    files.write(dir, { ["not.json"] = "{}" })
    for text, words in pairs {
      ["%-%-setting goes with %-%-peers"] = { "--setting", "small" },
      ["%-%-minutes goes with %-%-resume"] = { "--minutes", "5" },
      ["%-%-resume goes with %-%-json"] = { "--resume" },
      ["%-%-setting and %-%-cache%-mb exclude each other"] = { "--peers", "--setting", "small",
        "--cache-mb", "5" },
      ["not.json is no result of scripts/bench"] = { "--table", dir .. "/not.json" },
    } do
      local refused = bench(unpack(words))
      assert.equal(2, refused.status)
      assert.matches("^bench: [^\n]*" .. text .. "\n$", refused.err)
    end
    local store = bench("--engines", "loam,nosuch")
    local workload = bench("--n", "2000", "--workloads", "nosuch")

    assert.equal(2, store.status)
    assert.equal("bench: unknown store 'nosuch' in --engines; there are loam, leveldb, rocksdb,"
      .. " lmdb, file\n", store.err)
    assert.equal(2, workload.status)
    assert.matches("bench: no workload begins with 'nosuch'; there are fillrandom,", workload.err)
  end)
end)
