-- A mixed flood: valid, malformed, slow and aborted requests at once, against `loam serve` with
-- tight limits. The server of build-asan is taken when there is one, so that its end also tells of
-- every leak. Every few seconds it is stopped under load and started again.
--
-- What must hold: a client that behaves is answered all the time; nothing is answered with 500;
-- after the flood no request and no scan is left over; each stop ends with status 0; and after a
-- restart every acknowledged write is in place. FLOOD_SECONDS sets the length of a round.
local http = require "spec.torture.http"
local new_server = require("spec.torture.server").new
local paths = require "spec.support.paths"
local process = require "spec.torture.process"
local tmpdir = require "spec.support.tmp"

local KINDS = { "writer", "writer", "reader", "reader", "invalid", "slow", "abort" }
local SECONDS = tonumber(os.getenv "FLOOD_SECONDS" or "") or 20
local STOP_EVERY_SECONDS = 10

local rig = { seconds = SECONDS + 280,
  about = "valid, malformed, slow and aborted requests at once, stops under load" }

local OPTIONS = { "--durability", "os", "--header-ms", "700ms", "--body-ms", "2s",
  "--write-stall-ms", "2s", "--idle-ms", "5s", "--connections-max", "400",
  "--connections-per-ip-max", "400", "--buffers-bytes-max", "16MiB", "--log-level", "warn" }

local function sanitized_program()
  local path = paths.root .. "/build-asan/loam"
  local file = not os.getenv "LOAM_BUILD_DIR" and io.open(path, "rb")
  if file then
    file:close()
    return path
  end
end

-- One request of a client that behaves. Returns the milliseconds it took.
local function probe(server, target)
  local client = http.new(function() return server.port end, 30)
  local before = process.now_ms()
  local status = client:request("GET", target)
  client:close()
  if status ~= 200 then
    error(("GET %s of a client that behaves: %s"):format(target, tostring(status)))
  end
  return process.now_ms() - before
end

local function flood(context, server)
  local deadline = process.now_ms() + SECONDS * 1000
  local next_stop = process.now_ms() + STOP_EVERY_SECONDS * 1000
  local longest = 0
  while process.now_ms() < deadline do
    longest = math.max(longest, probe(server, "/readyz"))
    context:count "probes of a client that behaves"
    process.sleep_ms(50)
    if process.now_ms() > next_stop then
      server:stop()
      context:count "stops under load"
      server:start()
      next_stop = process.now_ms() + STOP_EVERY_SECONDS * 1000
    end
  end
  context:count("ms: the longest of those took, rounds added up", math.ceil(longest))
end

local function stats(server)
  local client = http.new(function() return server.port end, 30)
  local status, _, body = client:request("GET", "/v1/admin/stats")
  client:close()
  assert(status == 200, "no statistics after the flood")
  return tonumber(body:match '"in_flight":(%d+)'), tonumber(body:match '"scan_count":(%d+)')
end

local function check_rest(server)
  process.await("the end of all requests and scans", 30000, function()
    local in_flight, scans = stats(server)
    return in_flight == 1 and scans == 0
  end)
end

local function check_key(client, name, attempted, acked)
  local status, _, body = client:request("GET", "/v1/kv/default/" .. name)
  assert(status == 200 or status == 404, "a read after the restart fails")
  local found = status == 200 and tonumber(body:match "^(%d+):x") or 0
  if found < acked or found > attempted then
    error(("key %s holds %d; acknowledged was %d, tried %d"):format(name, found, acked, attempted))
  end
end

local function check_writes(context, server)
  local client = http.new(function() return server.port end, 30)
  for id, kind in ipairs(KINDS) do
    for line in server:lines(id) do
      local number, what = line:match "^count (%d+) (.*)$"
      local name, attempted, acked = line:match "^key (%S+) (%d+) (%d+)$"
      if what == "answers 500" then
        error(("client %d (%s) got %s answers 500"):format(id, kind, number))
      elseif what then
        context:count(what, tonumber(number))
      else
        check_key(client, name, tonumber(attempted), tonumber(acked))
        context:count "keys checked after the restart"
      end
    end
  end
  client:close()
end

function rig.round(context)
  local server = new_server(tmpdir(), OPTIONS)
  server.program = sanitized_program()
  server:start()
  server:start_flooders(KINDS, context.seed)
  flood(context, server)
  server:stop_clients()
  check_rest(server)
  server:stop()
  server:start()
  check_writes(context, server)
  server:stop()
end

return rig
