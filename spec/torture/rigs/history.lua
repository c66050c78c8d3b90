-- Linearizability over HTTP: eight client processes get, put, delete and cas a few keys while the
-- server is killed and started again; the history of each key has to have an order.
-- Cases: K01.
local http = require "spec.torture.http"
local linear = require "spec.torture.linear"
local new_server = require("spec.torture.server").new
local process = require "spec.torture.process"
local tmpdir = require "spec.support.tmp"

local CLIENTS, KILLS, KEYS = 8, 6, 4

local rig = { seconds = 300, about = "histories of 8 HTTP clients with kills are linearizable" }

local function value(word, number)
  if word == "-" then
    return nil
  end
  return number and tonumber(word) or word
end

local RESULTS = { ["true"] = true, ["false"] = false }

local function read_histories(server)
  local histories = {}
  for id = 1, CLIENTS do
    for line in server:lines(id) do
      local op, key, call, ret, written, expected, result = line:match(
        "^(%S+) (%S+) (%S+) (%S+) (%S+) (%S+) (%S+)$")
      histories[key] = histories[key] or {}
      local one = { op = op, call = tonumber(call), ret = value(ret, true),
        value = value(written), expected = value(expected), result = value(result) }
      if op == "cas" then
        one.result = RESULTS[result]
      end
      table.insert(histories[key], one)
    end
  end
  return histories
end

-- What is there at the end belongs to the history.
local function add_last_reads(server, histories)
  local client = http.new(function() return server.port end)
  for number = 1, KEYS do
    local key = "h" .. number
    local call = process.now_ms()
    local status, _, body = client:request("GET", "/v1/kv/default/" .. key)
    assert(status == 200 or status == 404, "the last read fails")
    histories[key] = histories[key] or {}
    table.insert(histories[key], { op = "get", call = call, ret = process.now_ms(),
      result = status == 200 and body or nil })
  end
  client:close()
end

function rig.round(context)
  local random, base = context.random, tmpdir()
  local server = new_server(base, { "--durability", random:pick { "os", "sync" } })
  server:start()
  server:start_clients(CLIENTS, context.seed, "history")
  for _ = 1, KILLS do
    process.sleep_ms(random:int(50, 350))
    server:kill()
    context:count "kill -9 of the server"
    server:start()
  end
  process.sleep_ms(100)
  server:stop_clients()
  local histories = read_histories(server)
  add_last_reads(server, histories)
  server:stop()
  for key, history in pairs(histories) do
    local unknown = 0
    for _, op in ipairs(history) do
      unknown = unknown + (op.ret and 0 or 1)
    end
    local ok, where = linear.check(history)
    if not ok then
      error(("key %s, %d operations: %s"):format(key, #history, where))
    end
    context:count("operations of linearizable histories", #history)
    context:count("of those with unknown outcome", unknown)
  end
  context:count "linearizable runs"
end

return rig
