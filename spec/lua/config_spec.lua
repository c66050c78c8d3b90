-- Configuration: every source, their order, and each way to get it wrong.
local config = require "loam.config"
local options = require "loam.config.options"
local tmpdir = require "spec.support.tmp"

local function write(name, text)
  local path = tmpdir() .. "/" .. name
  local file = assert(io.open(path, "wb"))
  file:write(text)
  file:close()
  return path
end

local function load_with(given)
  local environment = given.env or {}
  return config.load { file = given.file, flags = given.flags, environ = given.environ,
    getenv = function(name) return environment[name] end }
end

local function message_of(given)
  local loaded, message = load_with(given)
  assert.is_nil(loaded)
  assert.is_nil(message:find("\n"))
  return message
end

describe("loam.config", function()
  it("has a default, a help text and a unit where one is needed for every option", function()
    local loaded = load_with {}

    for _, option in ipairs(options.list) do
      assert.is_true(#option.help > 10)
      assert.is_not_nil(loaded.values[option.name])
      assert.equal("default", loaded.sources[option.name])
    end
    assert.equal("bytes", options.by_name.memory_bytes.unit)
    assert.equal("ms", options.by_name.header_ms.unit)
  end)

  it("takes flags over environment over file over default", function()
    local path = write("c.json", '{"workers": 2, "max_open_files": 100, "durability": "os"}')

    local loaded = load_with { file = path, env = { LOAM_WORKERS = "3",
      LOAM_MAX_OPEN_FILES = "200" },
      flags = { workers = "4" } }

    assert.equal(4, loaded.values.workers)
    assert.equal("flag --workers", loaded.sources.workers)
    assert.equal(200, loaded.values.max_open_files)
    assert.equal("environment LOAM_MAX_OPEN_FILES", loaded.sources.max_open_files)
    assert.equal("os", loaded.values.durability)
    assert.equal(path, loaded.sources.durability)
  end)

  it("reads Lua, JSON and YAML alike", function()
    local files = {
      write("c.lua", 'return { memtable_bytes = "8MiB", hosts = { "a", "b" }, dev = true }'),
      write("d.lua", 'memtable_bytes = 8 * 1024 ^ 2\nhosts = { "a", "b" }\ndev = true\n'),
      write("c.json", '{"memtable_bytes": "8MiB", "hosts": ["a", "b"], "dev": true}'),
      write("c.yaml", "memtable_bytes: 8MiB\nhosts: [a, b]\ndev: true\n"),
    }

    for _, path in ipairs(files) do
      local loaded = assert(load_with { file = path })
      assert.equal(8388608, loaded.values.memtable_bytes)
      assert.same({ "a", "b" }, loaded.values.hosts)
      assert.is_true(loaded.values.dev)
    end
  end)

  it("replaces ${NAME} and ${NAME:-default} before it parses", function()
    local path = write("c.yaml", "data: ${ROOT}/store\nworkers: ${COUNT:-7}\n")

    local loaded = assert(load_with { file = path, env = { ROOT = "/r" } })

    assert.equal("/r/store", loaded.values.data)
    assert.equal(7, loaded.values.workers)
    assert.matches("%${ROOT} is not set", message_of { file = path })
  end)

  it("understands units of sizes and durations", function()
    local cases = {
      { "memory_bytes", "1GiB", 2 ^ 30 }, { "memory_bytes", "2 MB", 2000000 },
      { "memory_bytes", "1048576", 1048576 }, { "sync_interval_ms", "250ms", 250 },
      { "sync_interval_ms", "2s", 2000 }, { "sync_interval_ms", "15", 15 }, { "idle_ms", "1m",
        60000 },
    }

    for _, case in ipairs(cases) do
      local loaded = assert(load_with { flags = { [case[1]] = case[2] } })
      assert.equal(case[3], loaded.values[case[1]])
    end
  end)

  it("takes the names that other programs use", function()
    local path = write("c.yaml", "memtable_flush_size: 16MiB\nwal_batch_size: 4096\n"
      .. "wal_flush_interval_ms: 20\ncompaction_sstable_threshold: 4\nDATA_DIR: /d\n")
    local env = { KV_HTTP_ADDR = "127.0.0.1:1", PORT = "9", VOLUME_ID = "v7", SYNC_INTERVAL = "30",
      BATCH_SIZE = "8192" }

    local from_file = assert(load_with { file = path }).values
    local from_env = assert(load_with { env = env }).values

    assert.same({ 16777216, 4096, 20, "/d" }, { from_file.memtable_bytes,
      from_file.sync_batch_bytes,
      from_file.sync_interval_ms, from_file.data })
    assert.same({ "127.0.0.1:9", "v7", 30, 8192 }, { from_env.listen, from_env.volume_id,
      from_env.sync_interval_ms, from_env.sync_batch_bytes })
    assert.equal("/e", assert(load_with { env = { DATA_DIR = "/e" } }).values.data)
  end)

  it("prefers the own environment name to an alias", function()
    local loaded = load_with { env = { DATA_DIR = "/alias", LOAM_DATA = "/own" } }
    assert.equal("/own", loaded.values.data)
  end)

  it("lists value, unit and source of every option", function()
    local rows = load_with({ flags = { memory_bytes = "64MiB" } }):rows()

    assert.equal(#options.list, #rows)
    for _, row in ipairs(rows) do
      if row.name == "memory_bytes" then
        assert.same({ 67108864, "64MiB", "bytes", "flag --memory-bytes" },
          { row.value, row.text, row.unit, row.source })
      end
    end
  end)

  -- Error paths.

  it("names unknown options with a suggestion", function()
    assert.matches("unknown option 'memtable_byte'; did you mean 'memtable_bytes'",
      message_of { file = write("c.json", '{"memtable_byte": 1}') })
    assert.matches("environment: unknown option 'LOAM_WORKER'; did you mean 'LOAM_WORKERS'",
      message_of { environ = { "HOME", "LOAM_WORKER" } })
    assert.matches("unknown option 'xyzzy'", message_of { flags = { xyzzy = 1 } })
  end)

  it("passes over names of the environment that the suite itself uses", function()
    assert.is_table(load_with { environ = { "LOAM_TEST_TIMEOUT", "LOAM_TEST_RUNNING",
      "LOAM_GUARDS_OFF", "LOAM_BUILD_DIR" } })
  end)

  it("names the option, the rule and what came", function()
    local cases = {
      { { workers = "many" }, "workers is a whole number, got 'many'" },
      { { workers = "1.5" }, "workers is a whole number, got '1.5'" },
      { { workers = "300" }, "workers is 0 to 256, got '300'" },
      { { memory_bytes = "12XB" }, "memory_bytes is a size such as .*, got '12XB'" },
      { { table_bytes = "1k" }, "table_bytes is 1MiB to .*, got '1k'" },
      { { sync_interval_ms = "1.5ms" }, "a whole number of milliseconds, got '1.5ms'" },
      { { durability = "maybe" }, "durability is one of sync, interval, os, got 'maybe'" },
      { { dev = "perhaps" }, "dev is true or false, got 'perhaps'" },
      { { data = {} }, "data is a text, got a table" },
    }

    for _, case in ipairs(cases) do
      assert.matches(case[2], message_of { flags = case[1] })
    end
    assert.matches("environment PORT: the port is 0 to 65535, got '99999'",
      message_of { env = { PORT = "99999" } })
  end)

  it("names file and line of a syntax error", function()
    assert.matches("c.lua:2: ", message_of { file = write("c.lua", "x = 1\ny = = 2\n") })
    assert.matches("c.json:3: ", message_of { file = write("c.json", '{\n"workers": 1,\n!}') })
    assert.matches("c.yaml:2: ", message_of { file = write("c.yaml", "a: 1\nb: [1\n") })
  end)

  it("refuses files that are absent, directories, of no known kind, or hold no table", function()
    assert.matches("nowhere.lua", message_of { file = "nowhere.lua" })
    assert.matches("is it a file", message_of { file = (function()
      local path = tmpdir() .. "/d.json"
      os.execute("mkdir '" .. path .. "'")
      return path
    end)() })
    assert.matches("ends in .lua, .json, .yaml", message_of { file = write("c.toml", "a = 1") })
    assert.matches("holds no table", message_of { file = write("c.yaml", "- 1\n- 2\n") })
    assert.matches("holds no table", message_of { file = write("c.json", "3") })
    assert.matches("mean the same", message_of {
      file = write("c.json", '{"memtable_bytes": 1048576, "memtable_flush_size": 1048576}') })
  end)

  it("gives a Lua file no way to the system", function()
    for _, text in ipairs { "os.execute('true')", "io.open('x')", "require 'ffi'",
      "return loadstring" } do
      local loaded = load_with { file = write("c.lua", text) }
      assert.is_true(loaded == nil or text:find("return") ~= nil)
    end
  end)
end)
