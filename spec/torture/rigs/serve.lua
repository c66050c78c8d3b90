-- kill -9 of the real server under load: each client writes batches of four keys and remembers
-- outside which were acknowledged. After every kill each client's four keys agree, and none is
-- older than what was acknowledged to it. Some kills hit the server while it starts.
-- Cases: K02.
local http = require "spec.torture.http"
local new_server = require("spec.torture.server").new
local process = require "spec.torture.process"
local tmpdir = require "spec.support.tmp"
local verdicts = require "spec.torture.verdicts"

local CLIENTS, KILLS = 4, 20

local rig = { seconds = 300, about = "kill -9 of `loam serve` under batches; state kept outside" }

local function progress(server, id)
  local attempted, acked = 0, 0
  for line in server:lines(id) do
    local word, number = line:match "^(%l) (%d+)$"
    if word == "t" then
      attempted = tonumber(number)
    elseif word == "a" then
      acked = tonumber(number)
    end
  end
  return attempted, acked
end

local function step_of(client, id, index)
  local status, _, body = client:request("GET", ("/v1/kv/default/s%d.%d"):format(id, index))
  assert(status == 200 or status == 404, "a read after the restart fails")
  return status == 200 and tonumber(body) or 0
end

-- Clients go on writing meanwhile: what is read lies between what was acknowledged before and what
-- was attempted after. One batch is read key by key, so a later key may be newer.
local function check(server, number, acked_before)
  local client = http.new(function() return server.port end)
  for id = 1, CLIENTS do
    local steps = {}
    for index = 1, 4 do
      steps[index] = step_of(client, id, index)
      local is_whole = index == 1 or steps[index] >= steps[index - 1]
      if steps[index] < acked_before[id] or not is_whole then
        verdicts.fail(is_whole and "lost" or "torn",
          ("kill %d, client %d: steps %s, acknowledged before %d"):format(number, id,
          table.concat(steps, " "), acked_before[id]))
      end
    end
    if steps[4] > progress(server, id) then
      verdicts.fail("wrong", "a step from the future")
    end
    verdicts.fine()
  end
  client:close()
end

-- With no client writing, all four keys of each have to be equal.
local function check_rest(server)
  local client = http.new(function() return server.port end)
  for id = 1, CLIENTS do
    local attempted, acked = progress(server, id)
    local first = step_of(client, id, 1)
    if first < acked or first > attempted then
      verdicts.fail(first < acked and "lost" or "wrong",
        ("client %d: step %d at the end, acknowledged %d"):format(id, first, acked))
    end
    for index = 2, 4 do
      if step_of(client, id, index) ~= first then
        verdicts.fail("torn", "a torn batch of client " .. id)
      end
    end
    verdicts.fine()
  end
  client:close()
end

function rig.round(context)
  local random, base = context.random, tmpdir()
  local server = new_server(base, { "--durability", random:pick { "os", "sync", "interval" } })
  server:start()
  server:start_clients(CLIENTS, context.seed, "serve")
  for number = 1, KILLS do
    process.sleep_ms(random:int(5, random:pick { 40, 300 }))
    server:kill()
    context:count "kill -9 of the server"
    if random:int(1, 3) == 1 then
      server:start_unwatched()
      process.sleep_ms(random:int(1, 60))
      server:kill()
      context:count "kill -9 of the server at its start"
    end
    local acked = {}
    for id = 1, CLIENTS do
      acked[id] = select(2, progress(server, id))
    end
    server:start()
    check(server, number, acked)
  end
  server:stop_clients()
  server:kill()
  server:start()
  check_rest(server)
  server:stop()
  for id = 1, CLIENTS do
    context:count("batches acknowledged by the server", (select(2, progress(server, id))))
  end
end

return rig
