-- Values on their way from the engine to the socket for requests that take the general way: those
-- of tokens with a scope, those that are written down, blobs. No Lua string is made of a value,
-- however large; loam.fast does the same for plain requests.
local answer = require "loam.answer"
local ffi = require "ffi"
local C = require "loam.native"

local value_out = {}
local err = ffi.new("loam_error")
local sending = ffi.new("struct host_sending")

--- Answers a request with the value of a key at once and returns what stands for that answer. nil
--- when it has to be made: for a fake request, under middleware, which may look at a body, and
--- where the request's conditions lead to an error.
---@param req table
---@param ctx table
---@param bucket number
---@param key string
---@param etag number  HOST_ETAG_*
function value_out.send(req, ctx, bucket, key, etag)
  if not req._p or not ctx.is_bare() then
    return nil
  end
  sending.etag = etag
  local status = C.host_send_value(req._p, ctx.store.db, bucket, key, #key, sending, err)
  return status >= 0 and answer.sent(status, tonumber(sending.size)) or nil
end

return value_out
