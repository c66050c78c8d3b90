-- A client process of the rig "flood": one kind of client, many connections, until a stop file
-- appears.
--
--     luajit spec/torture/flooder.lua ROOT DIR ID SEED KIND
--
-- DIR/port holds the port of the server of the moment; DIR/stop ends it. At the end DIR/client.ID
-- gets one line "count N WHAT" per thing counted, and from writers "key NAME ATTEMPTED ACKED" per
-- key: values of a key are numbers that grow.
local root, dir, id, seed_text, kind = unpack(arg)
package.path = root .. "/?.lua;" .. package.path
local http = require "spec.torture.http"
local http_cases = require "spec.support.http_cases"
local process = require "spec.torture.process"
local seed = require "spec.support.seed"
local socket = require "socket"

seed.value = tonumber(seed_text)
local random = seed.new(tonumber(id))

local HEAD = "%s %s HTTP/1.1\r\nHost: localhost\r\n%s\r\n"
local TARGETS = {
  "/v1/kv/default/w1.1.1", "/v1/kv/default/absent", "/v1/kv/default?limit=10", "/v1/kv/default",
  "/v1/kv/default?count_only=1", "/v1/kv/default?format=json&limit=3", "/metrics", "/readyz",
  "/v1/admin/stats", "/v1/kv/default/w1.1.1?meta=1", "/nothing",
  "/v1/kv/default?prefix=w2&reverse=1",
}
local LARGE_BYTES, CONNECTIONS, KEYS = 200000, 8, 20

local counts, keys = {}, {}

local function count(what, number)
  counts[what] = (counts[what] or 0) + (number or 1)
end

local function read_file(name)
  local file = io.open(dir .. "/" .. name, "r")
  local text = file and file:read "*a"
  if file then
    file:close()
  end
  return text
end

local function is_over()
  return read_file "stop" ~= nil
end

local function port()
  return tonumber(read_file "port" or "")
end

local function note(status)
  count(status and ("answers " .. math.floor(status / 100) .. "xx") or "requests without an answer")
  if status == 500 then
    count "answers 500"
  end
end

local function connect()
  local client = socket.tcp4()
  client:settimeout(1)
  if not client:connect("127.0.0.1", port() or 1) then
    client:close()
    process.sleep_ms(5)
    return nil
  end
  count "connections"
  return client
end

-- ---- Valid: writes whose fate is kept, and reads ----

local function value_of(number)
  local sizes = { 1, 100, 100, 2000, 20000 }
  local size = random:int(1, 60) == 1 and LARGE_BYTES or random:pick(sizes)
  return ("%d:"):format(number) .. ("x"):rep(size)
end

-- One PUT on each connection at once, so that there is something to gather; then the answers.
local function write_turn(clients, number)
  local sent = {}
  for index, client in ipairs(clients) do
    local key = keys[(index - 1) * KEYS + random:int(1, KEYS)]
    if client._socket or client:connect() then
      local body = value_of(number)
      local target = ("/v1/kv/default/%s?durability=%s"):format(key.name,
        random:pick { "os", "os", "sync", "interval" })
      key.attempted = number
      local text = HEAD:format("PUT", target, ("Content-Length: %d\r\n"):format(#body)) .. body
      sent[index] = client._socket:send(text) and key
    end
  end
  for index, client in ipairs(clients) do
    local key = sent[index]
    local status, headers = false, nil
    if key then
      status, headers = client:receive_answer()
      note(status)
    end
    if status == 201 or status == 204 then
      key.acked = number
      count "writes acknowledged"
    end
    if not status or headers.connection == "close" then
      client:close()
    end
  end
end

local function run_writer()
  local clients, number = {}, 0
  for index = 1, CONNECTIONS do
    clients[index] = http.new(port, 30)
    for at = 1, KEYS do
      keys[#keys + 1] = { name = ("w%s.%d.%d"):format(id, index, at), attempted = 0, acked = 0 }
    end
  end
  while not is_over() do
    number = number + 1
    write_turn(clients, number)
  end
end

local function is_scan(target)
  return target:find "default%?" or target == "/v1/kv/default"
end

-- A scan is chunked: the end of the connection is its end.
local function read_scan(target)
  local client = connect()
  if client then
    client:send(HEAD:format("GET", target, "Connection: close\r\n"))
    local text = client:receive "*a"
    note(text and tonumber(text:match "^HTTP/1%.1 (%d%d%d)"))
    client:close()
  end
end

local function read_small(client, target)
  local method = random:int(1, 10) == 1 and "HEAD" or "GET"
  local headers = random:int(1, 5) == 1 and { Range = "bytes=1-50" } or {}
  headers.Connection = method == "HEAD" and "close" or nil
  local status = client:request(method, target, nil, headers)
  if status ~= nil then
    note(status)
  end
  if method == "HEAD" then
    client:close()
  end
end

local function run_reader()
  local client = http.new(port, 30)
  while not is_over() do
    local target = random:pick(TARGETS)
    if is_scan(target) then
      read_scan(target)
    else
      read_small(client, target)
    end
  end
end

-- ---- Invalid ----

local function load_cases()
  local texts = {}
  for _, name in ipairs { "chunked", "fields", "framing", "host", "limits", "pipeline",
    "request_line", "target" } do
    for block in (io.open(("%s/spec/data/http/%s.txt"):format(root, name)):read "*a" .. "\n\n")
      :gmatch "(.-)\n\n+" do
      local input = block:gsub("^#[^\n]*\n", ""):match "^(.-)\n%-%-%-%-"
      local is_fine, bytes = pcall(http_cases.unescape, (input or ""):gsub("\n", ""))
      if is_fine and #bytes > 0 then
        texts[#texts + 1] = bytes
      end
    end
  end
  return texts
end

-- What writes goes to keys of its own, so that those of the writers stay theirs.
local function mutated()
  local method = random:pick { "GET", "GET", "PUT", "DELETE", "POST" }
  local target = method == "GET" and random:pick(TARGETS) or "/v1/kv/default/mutated"
  local text = HEAD:format(method, target, "Content-Length: 5\r\n") .. "hello"
  for _ = 1, random:int(1, 4) do
    local at = random:int(1, #text)
    text = text:sub(1, at - 1) .. random:bytes(random:int(0, 3)) .. text:sub(at + random:int(0, 2))
  end
  return text
end

local function run_invalid()
  local cases = load_cases()
  while not is_over() do
    local client = connect()
    if client then
      client:settimeout(0.02)
      client:send(random:int(1, 2) == 1 and random:pick(cases) or mutated())
      local text, _, partial = client:receive "*a"
      note(tonumber((text or partial or ""):match "^HTTP/1%.1 (%d%d%d)"))
      count "malformed or mutated requests"
      client:close()
    end
  end
end

-- ---- Slow ----

local SLOW = {
  -- A head, byte by byte.
  function(client) client.text = HEAD:format("GET", "/v1/kv/default/a", "X: " .. ("y"):rep(99)) end,
  -- A body that stalls.
  function(client)
    client.text = HEAD:format("PUT", "/v1/kv/default/slow", "Content-Length: 300000\r\n")
    client.rest = ("x"):rep(150000)
  end,
  -- Answers that nobody reads.
  function(client) client.rest = HEAD:format("GET", "/v1/kv/default", "") end,
  function(client) client.rest = HEAD:format("GET", "/v1/kv/default/w1.1.1", ""):rep(40) end,
  -- Nothing at all.
  function() end,
}

local function slow_step(client)
  if client.rest then
    client.socket:send(client.rest)
    client.rest = nil
  elseif client.text and client.at <= #client.text then
    client.socket:send(client.text:sub(client.at, client.at))
    client.at = client.at + 1
  end
  client.turns = client.turns + 1
end

local function new_slow()
  local one = connect()
  if not one then
    return nil
  end
  one:settimeout(0)
  local client = { socket = one, at = 1, turns = 0, longest = random:int(50, 1500) }
  random:pick(SLOW)(client)
  count "slow clients"
  return client
end

local function run_slow()
  local clients = {}
  while not is_over() do
    for index = 1, 40 do
      local client = clients[index] or new_slow()
      clients[index] = client
      if client then
        slow_step(client)
        if client.turns > client.longest then
          client.socket:close()
          clients[index] = nil
        end
      end
    end
    process.sleep_ms(3)
  end
end

-- ---- Aborted ----

local function abortable()
  if random:int(1, 3) == 1 then
    return HEAD:format("PUT", "/v1/kv/default/aborted", "Content-Length: 100000\r\n")
      .. ("x"):rep(random:int(0, 99999))
  end
  return HEAD:format("GET", random:pick(TARGETS), ""):rep(random:int(1, 5))
end

local function abort_one(client)
  local text = abortable()
  client:settimeout(0.05)
  client:send(text:sub(1, random:int(1, 3) == 1 and random:int(1, #text) or #text))
  if random:int(1, 2) == 1 then
    client:receive(random:int(1, 3000))
  end
  if random:int(1, 2) == 1 then
    client:setoption("linger", { on = true, timeout = 0 }) -- Closing is then a reset.
  end
  client:close()
  count "requests aborted"
end

local function run_abort()
  while not is_over() do
    local client = connect()
    if client then
      abort_one(client)
    end
  end
end

local KINDS = { writer = run_writer, reader = run_reader, invalid = run_invalid, slow = run_slow,
  abort = run_abort }

KINDS[kind]()
local out = assert(io.open(dir .. "/client." .. id, "a"))
for what, number in pairs(counts) do
  out:write(("count %d %s\n"):format(number, what))
end
for _, key in ipairs(keys) do
  out:write(("key %s %d %d\n"):format(key.name, key.attempted, key.acked))
end
out:close()
