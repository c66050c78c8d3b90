-- The certificate of a server, from the options tls_cert, tls_key and tls_client_ca.
--
-- One http_tls serves the listeners of all workers; SIGHUP reads its files again. The socket for
-- administration has none: nobody is between its two ends. Called by loam.server in the main
-- thread.
local ffi = require "ffi"
local log = require "loam.log"
local C = require "loam.native"

local tls = {}
local DAY_SECONDS = 86400
local WARN_DAYS = 14

local err = ffi.new("loam_error")

local function text_of(path)
  return path ~= "" and path or nil
end

--- Says in one line what is wrong with the options, or nothing.
---@param values table
---@return string?
function tls.check(values)
  local has_cert, has_key = values.tls_cert ~= "", values.tls_key ~= ""
  if has_cert ~= has_key then
    return "tls_cert and tls_key belong together: give both or neither"
  elseif values.tls_client_ca ~= "" and not has_cert then
    return "tls_client_ca needs tls_cert and tls_key"
  end
end

--- Reads the files. Returns the http_tls, nil when the options ask for none; or nil and one line.
function tls.open(values)
  if values.tls_cert == "" then
    return nil
  end
  local given, out = ffi.new("struct http_tls_options"), ffi.new("struct http_tls *[1]")
  C.http_tls_options_init(given)
  given.certificate, given.key = values.tls_cert, values.tls_key
  given.client_ca = text_of(values.tls_client_ca)
  if C.http_tls_open(given, out, err) ~= 0 then
    return nil, ffi.string(err.text)
  end
  tls.warn_of_end(out[0])
  return out[0]
end

--- Warns of a certificate that soon expires.
function tls.warn_of_end(opened)
  local left = C.http_tls_expires(opened) - C.host_now_ms() / 1000
  if left < WARN_DAYS * DAY_SECONDS then
    log.warn(("the certificate expires in %.1f days"):format(left / DAY_SECONDS))
  end
end

--- Reads the files again; what cannot be read changes nothing.
function tls.reload(opened)
  if C.http_tls_reload(opened, err) == 0 then
    log.info("loaded the certificate")
    tls.warn_of_end(opened)
  else
    log.error("the old certificate stays:", ffi.string(err.text))
  end
end

return tls
