-- A TLS client of http_server, in the spec's process, over the OpenSSL that the library links.
--
--     local client = tls_client.new(server, { max_version = tls_client.TLS12 })
--     client:handshake()                  -- or: local ok, reason = client:try_handshake()
--     client:send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
--     client:expect("hello")              -- expect and expect_closed as of http_server's clients
--     client:close()                      -- close(false): without close_notify, a truncated stream
local ffi = require "ffi"
local lib = require "spec.support.lib"
local socket = require "socket"

ffi.cdef [[
  struct ssl_ctx_st;
  struct ssl_st;
  struct x509_st;
  const void *TLS_client_method(void);
  struct ssl_ctx_st *SSL_CTX_new(const void *method);
  void SSL_CTX_free(struct ssl_ctx_st *ctx);
  long SSL_CTX_ctrl(struct ssl_ctx_st *ctx, int command, long number, void *data);
  void SSL_CTX_set_security_level(struct ssl_ctx_st *ctx, int level);
  int SSL_CTX_use_certificate_file(struct ssl_ctx_st *ctx, const char *path, int type);
  int SSL_CTX_use_PrivateKey_file(struct ssl_ctx_st *ctx, const char *path, int type);
  struct ssl_st *SSL_new(struct ssl_ctx_st *ctx);
  void SSL_free(struct ssl_st *ssl);
  int SSL_set_fd(struct ssl_st *ssl, int fd);
  int SSL_set_alpn_protos(struct ssl_st *ssl, const char *protocols, unsigned size);
  void SSL_get0_alpn_selected(const struct ssl_st *ssl, const char **data, unsigned *size);
  int SSL_connect(struct ssl_st *ssl);
  int SSL_read(struct ssl_st *ssl, void *data, int size);
  int SSL_write(struct ssl_st *ssl, const void *data, int size);
  int SSL_shutdown(struct ssl_st *ssl);
  int SSL_get_shutdown(const struct ssl_st *ssl);
  int SSL_get_error(const struct ssl_st *ssl, int result);
  int SSL_renegotiate(struct ssl_st *ssl);
  int SSL_do_handshake(struct ssl_st *ssl);
  int SSL_key_update(struct ssl_st *ssl, int kind);
  const char *SSL_get_version(const struct ssl_st *ssl);
  const char *SSL_get_cipher_list(const struct ssl_st *ssl, int priority);
  struct x509_st *SSL_get1_peer_certificate(const struct ssl_st *ssl);
  void X509_free(struct x509_st *certificate);
  void *X509_get_subject_name(const struct x509_st *certificate);
  char *X509_NAME_oneline(const void *name, char *text, int size);
  unsigned long ERR_get_error(void);
  unsigned long ERR_peek_error(void);
  const char *ERR_reason_error_string(unsigned long code);
  void ERR_clear_error(void);
]]

local tls_client = { TLS11 = 0x0302, TLS12 = 0x0303, TLS13 = 0x0304 }

local SET_MIN_VERSION, SET_MAX_VERSION = 123, 124
local PEM = 1
local WANT_READ, WANT_WRITE, ZERO_RETURN = 2, 3, 6
local PIECE = 65536

local Client = {}
Client.__index = Client

local function reason()
  local text = lib.ERR_reason_error_string(lib.ERR_peek_error())
  lib.ERR_clear_error()
  return text ~= nil and ffi.string(text) or "the stream ended"
end

-- Calls until it succeeds or fails; returns the result, or nil and the reason.
local function complete(self, call)
  local result, failure
  self.server:until_true(function()
    lib.ERR_clear_error()
    result = call()
    if result > 0 then
      return true
    end
    local kind = lib.SSL_get_error(self.ssl, result)
    if kind == WANT_READ or kind == WANT_WRITE then
      return false
    end
    failure = reason()
    return true
  end)
  if failure then
    return nil, failure
  end
  return result
end

--- Returns true, or nil and OpenSSL's reason.
function Client:try_handshake()
  local result, failure = complete(self, function() return lib.SSL_connect(self.ssl) end)
  return result and true, failure
end

function Client:handshake()
  assert(self:try_handshake())
  return self
end

--- Returns true, or nil and OpenSSL's reason.
function Client:send(data)
  local at = 0
  while at < #data do
    local sent, failure = complete(self, function()
      return lib.SSL_write(self.ssl, ffi.cast("const char *", data) + at, #data - at)
    end)
    if not sent then
      return nil, failure
    end
    at = at + sent
  end
  return true
end

--- Takes what has arrived. is_closed: the stream ended; is_clean: with close_notify.
function Client:receive()
  lib.ERR_clear_error()
  while not self.is_closed do
    local n = lib.SSL_read(self.ssl, self.buffer, PIECE)
    if n > 0 then
      self.received = self.received .. ffi.string(self.buffer, n)
    else
      local kind = lib.SSL_get_error(self.ssl, n)
      if kind == WANT_READ or kind == WANT_WRITE then
        break
      end
      self.is_closed = true
      self.is_clean = kind == ZERO_RETURN
      self.failure = kind ~= ZERO_RETURN and reason() or nil
    end
  end
  return self.received
end

function Client:expect(text)
  self.server:until_true(function()
    return self:receive():find(text, 1, true)
  end, function()
    return ("%q did not arrive; received: %q %s"):format(text, self.received:sub(1, 2000),
      self.failure or "")
  end)
  return self.received
end

function Client:expect_closed()
  self.server:until_true(function()
    self:receive()
    return self.is_closed
  end, function() return "the connection is still open" end)
  return self.received
end

--- Starts a second handshake (TLS 1.2). Returns true, or nil and OpenSSL's reason.
function Client:renegotiate()
  lib.SSL_renegotiate(self.ssl)
  local result, failure = complete(self, function() return lib.SSL_do_handshake(self.ssl) end)
  return result and true, failure
end

--- Asks for new keys in both directions (TLS 1.3).
function Client:update_keys()
  assert(lib.SSL_key_update(self.ssl, 1) == 1)
end

function Client:version()
  return ffi.string(lib.SSL_get_version(self.ssl))
end

--- Returns the subject of the server's certificate, "/CN=...".
function Client:subject()
  local certificate = lib.SSL_get1_peer_certificate(self.ssl)
  local text = ffi.new("char[256]")
  lib.X509_NAME_oneline(lib.X509_get_subject_name(certificate), text, 256)
  lib.X509_free(certificate)
  return ffi.string(text)
end

--- Returns the protocol that the server chose, "" when none.
function Client:protocol()
  local data, size = ffi.new("const char *[1]"), ffi.new("unsigned[1]")
  lib.SSL_get0_alpn_selected(self.ssl, data, size)
  return ffi.string(data[0], size[0])
end

--- Ends the sending half: close_notify unless it is false.
function Client:finish(is_clean)
  if is_clean ~= false then
    lib.SSL_shutdown(self.ssl)
  else
    self.socket:shutdown("send")
  end
end

function Client:close(is_clean)
  if is_clean ~= false then
    lib.SSL_shutdown(self.ssl)
  end
  lib.SSL_free(self.ssl)
  lib.SSL_CTX_free(self.ctx)
  self.socket:close()
end

--- Connects; options: min_version, max_version, protocols (a list for ALPN), certificate, key.
function tls_client.new(server, options)
  options = options or {}
  local ctx = lib.SSL_CTX_new(lib.TLS_client_method())
  lib.SSL_CTX_set_security_level(ctx, 0)
  lib.SSL_CTX_ctrl(ctx, SET_MIN_VERSION, options.min_version or tls_client.TLS11, nil)
  lib.SSL_CTX_ctrl(ctx, SET_MAX_VERSION, options.max_version or tls_client.TLS13, nil)
  if options.certificate then
    assert(lib.SSL_CTX_use_certificate_file(ctx, options.certificate, PEM) == 1)
    assert(lib.SSL_CTX_use_PrivateKey_file(ctx, options.key, PEM) == 1)
  end
  local tcp = assert(socket.tcp4())
  assert(tcp:connect("127.0.0.1", options.port or server.port))
  tcp:settimeout(0)
  local ssl = lib.SSL_new(ctx)
  lib.SSL_set_fd(ssl, tcp:getfd())
  if options.protocols then
    local text = ""
    for _, name in ipairs(options.protocols) do
      text = text .. string.char(#name) .. name
    end
    lib.SSL_set_alpn_protos(ssl, text, #text)
  end
  return setmetatable({
    server = server,
    socket = tcp,
    ctx = ctx,
    ssl = ssl,
    buffer = ffi.new("char[?]", PIECE),
    received = "",
  }, Client)
end

return tls_client
