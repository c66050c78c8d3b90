-- A crowd of clients in a process of its own, so that their descriptors are not the server's.
--
--     luajit spec/support/http_flood.lua PORT COUNT TEXT DONE
--
-- Opens COUNT connections to PORT of several loopback addresses, sends TEXT on each (C escapes \r
-- and \n), creates the file DONE, and keeps them open until its input ends.
local socket = require "socket"
local ffi = require "ffi"

ffi.cdef [[
  int getrlimit(int resource, uint64_t *limits);
  int setrlimit(int resource, const uint64_t *limits);
]]

local port, count, text, done = tonumber(arg[1]), tonumber(arg[2]), arg[3], arg[4]
local RLIMIT_NOFILE, PER_ADDRESS = 7, 4000

local limits = ffi.new("uint64_t[2]")
ffi.C.getrlimit(RLIMIT_NOFILE, limits)
limits[0] = limits[1]
ffi.C.setrlimit(RLIMIT_NOFILE, limits)

text = text:gsub("\\r", "\r"):gsub("\\n", "\n")
local clients = {}
for index = 1, count do
  local client = assert(socket.tcp4())
  -- Ports of one source address run out before the descriptors do.
  assert(client:bind(("127.0.0.%d"):format(1 + math.floor(index / PER_ADDRESS)), 0))
  assert(client:connect("127.0.0.1", port))
  if text ~= "" then
    assert(client:send(text))
  end
  clients[index] = client
end
assert(io.open(done, "w")):close()
io.read("*a")
for _, client in ipairs(clients) do
  client:close()
end
