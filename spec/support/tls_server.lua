-- Test certificates, and http_server with TLS.
--
--     local files = tls_server.files()            -- files.dir, .certificate, .key
--     local server = tls_server.start(files, limits, options)
--     local client = server:connect_tls { max_version = tls_client.TLS12 }
--     server:close_all()                          -- clients, worker, certificates
local ffi = require "ffi"
local http_server = require "spec.support.http_server"
local lib = require "spec.support.lib"
local shell = require "spec.support.shell"
local tls_client = require "spec.support.tls_client"
local tmpdir = require "spec.support.tmp"

local tls_server = {}
local made = {} -- Texts by file name: making certificates takes a while.
local NAMES = { "server", "other", "client" }

local function read(path)
  local file = assert(io.open(path))
  local text = file:read("*a")
  file:close()
  return text
end

local function make(dir)
  for _, name in ipairs(NAMES) do
    assert(shell.run("scripts/make-test-cert", dir, name).status == 0)
    for _, part in ipairs { "-cert.pem", "-key.pem" } do
      made[name .. part] = read(dir .. "/" .. name .. part)
    end
  end
end

--- Copies a file.
function tls_server.copy(from, to, mode)
  assert(shell.run("install", "-m", mode, from, to).status == 0)
end

--- Returns a table with dir, certificate, key, and the names server, other, client with their
--- "-cert.pem" and "-key.pem" in dir.
function tls_server.files()
  local dir = tmpdir()
  if not next(made) then
    make(dir)
  end
  for name, text in pairs(made) do
    local file = assert(io.open(dir .. "/" .. name, "w"))
    file:write(text)
    file:close()
  end
  os.execute(("chmod 600 %s/*.pem"):format(dir))
  return { dir = dir, certificate = dir .. "/server-cert.pem", key = dir .. "/server-key.pem" }
end

--- Returns an http_tls, or nil, the text and the code. options: certificate, key, client_ca.
function tls_server.open(options)
  local c = ffi.new("struct http_tls_options")
  lib.http_tls_options_init(c)
  c.certificate, c.key, c.client_ca = options.certificate, options.key, options.client_ca
  local out, err = ffi.new("struct http_tls *[1]"), ffi.new("loam_error")
  local rc = lib.http_tls_open(c, out, err)
  if rc ~= 0 then
    return nil, ffi.string(err.text), rc
  end
  return out[0]
end

--- Starts a server that answers "<path>:<size of the body>".
function tls_server.start(files, limits, options)
  options = options or {}
  local tls = assert(tls_server.open {
    certificate = options.certificate or files.certificate,
    key = options.key or files.key,
    client_ca = options.client_ca,
  })
  local server = assert(http_server.new { tls = tls, limits = limits })
  local clients = {}

  server.tls = tls
  server.handle = function(request)
    request:respond(200, request.path .. ":" .. #request.body)
  end

  function server:connect_tls(client_options)
    local client = tls_client.new(self, client_options)
    clients[#clients + 1] = client
    return client
  end

  function server:close_all()
    for _, client in ipairs(clients) do
      if client.ssl then
        client:close(false)
      end
    end
    self:close()
    lib.http_tls_close(self.tls)
    self.tls = nil
  end

  return server
end

return tls_server
