-- /v1/admin/tokens: lists, makes and revokes access tokens of a server that has a file of them.
--
-- The text of a token is in the answer that made it and nowhere else. The file is small and changed
-- rarely, so it is written by the worker itself. When the answer is sent, a revoked token is good
-- in no worker any more.
local answer = require "loam.answer"
local json = require "loam.json"
local C = require "loam.native"
local tokens = require "loam.tokens"

local routes = {}
local MEMBERS = { roles = true, buckets = true, prefixes = true, note = true, expires_in = true }
local SECONDS_MAX = 1e11

local function path_of(req, ctx)
  local path = ctx.gate and ctx.gate.path
  if not path then
    answer.raise(answer.error(req, 409, "this server has no file of tokens; see the option tokens"))
  end
  return path
end

local function fail(req, message, code)
  if code == "INVALID" then
    answer.refuse(req, "%s", message)
  elseif code == "NOT_FOUND" then
    answer.raise(answer.error(req, 404, "no such token"))
  end
  answer.raise(answer.failure(req, { code = code, text = message }))
end

local function body_of(req)
  local body, message = json.decode(req.body)
  if message or type(body) ~= "table" then
    answer.refuse(req, "the body is a JSON object: %s", message or "it is something else")
  end
  for name in pairs(body) do
    if not MEMBERS[name] then
      answer.refuse(req, "unknown member '%s': it takes roles, buckets, prefixes, note, expires_in",
        tostring(name))
    end
  end
  return body
end

local function prefixes_of(req, list)
  local prefixes = {}
  if list ~= nil and type(list) ~= "table" then
    answer.refuse(req, "prefixes is a list of texts")
  end
  for at, text in ipairs(list or {}) do
    prefixes[at] = type(text) == "string" and tokens.prefix_of_text(text)
    if not prefixes[at] then
      answer.refuse(req, "prefix %d is a text, or b64u:<base64url>", at - 1)
    end
  end
  return prefixes
end

local function expiry_of(req, seconds)
  if seconds == nil then
    return nil
  elseif type(seconds) ~= "number" or not (seconds > 0 and seconds <= SECONDS_MAX) then
    answer.refuse(req, "expires_in is seconds above 0")
  end
  return math.floor(C.host_now_ms() + seconds * 1000)
end

-- Lets this worker and all others read the file before they look at another token.
local function changed(ctx)
  ctx.gate:reload()
  if ctx.host then
    C.host_tokens_changed(ctx.host)
  end
end

function routes.list(req, ctx)
  local rows, message, code = tokens.load(path_of(req, ctx))
  if not rows then
    fail(req, message, code == "NOT_FOUND" and "IO" or code) -- The file is gone, no token of it.
  end
  local list, now_ms = json.array(), C.host_now_ms()
  for at, row in ipairs(rows) do
    list[at] = tokens.shown(row, now_ms)
  end
  return answer.json(200, { tokens = list })
end

function routes.create(req, ctx)
  local path, body = path_of(req, ctx), body_of(req)
  local made, message, code = tokens.create(path, {
    roles = body.roles, buckets = body.buckets, prefixes = prefixes_of(req, body.prefixes),
    note = body.note, expires_at_ms = expiry_of(req, body.expires_in),
  })
  if not made then
    fail(req, message, code)
  end
  changed(ctx)
  local shown = tokens.shown(made.row, C.host_now_ms())
  shown.token = made.text
  return answer.json(201, shown, { ["Cache-Control"] = "no-store" })
end

function routes.revoke(req, ctx)
  local row, message, code = tokens.revoke(path_of(req, ctx), req.args.id)
  if not row then
    fail(req, message, code)
  end
  changed(ctx)
  return answer.json(200, tokens.shown(row, C.host_now_ms()))
end

local PATH = "/v1/admin/tokens"

routes.routes = {
  { name = "admin_token_list", method = "GET", path = PATH, role = "admin", params = {},
    handler = routes.list, summary = "The tokens, without their secrets.",
    answers = { [200] = "{tokens}.", [409] = "The server has no file of tokens." } },
  { name = "admin_token_create", method = "POST", path = PATH, role = "admin", params = {},
    handler = routes.create, summary = "Makes a token; its text is told only here.",
    body = "application/json",
    answers = { [201] = "The token.", [409] = "The server has no file of tokens." } },
  { name = "admin_token_revoke", method = "DELETE", path = PATH .. "/{id}", role = "admin",
    params = { { name = "id", type = "string", place = "path", summary = "Id of the token." } },
    handler = routes.revoke, summary = "Revokes a token; its row stays for the record.",
    answers = { [200] = "It is revoked.", [404] = "No such token.",
      [409] = "The server has no file of tokens." } },
}

return routes
