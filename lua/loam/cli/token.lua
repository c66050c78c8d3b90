-- `loam token`: makes, lists and revokes access tokens, in a file or on a server.
--
-- A server takes changes of its file within half a second. The text of a new token is the only line
-- on standard output; what else there is to say goes to standard error, so that
-- `loam token create ... >file` keeps nothing but the token.
local arguments = require "loam.cli.parts.arguments"
local C = require "loam.native"
local columns = require "loam.cli.parts.columns"
local command = require "loam.cli.parts.command"
local failure = require "loam.cli.parts.failure"
local json = require "loam.json"
local output = require "loam.cli.parts.output"
local tokens = require "loam.tokens"
local units = require "loam.config.units"

local PATH = "/v1/admin/tokens"
local ID_MATCH = "^loam_(%x+)_"

local function expiry(word)
  local ms = word:find("%a") and units.duration(word)
  if not ms or ms <= 0 then
    return nil, ("a duration such as 90d, 12h or 30m is wanted, got '%s'"):format(word)
  end
  return ms
end

local function setup(parser)
  parser:argument("action", "create, list or revoke."):choices { "create", "list", "revoke" }
    :argname("ACTION")
  parser:argument("id", "revoke: the id of the token, or its text."):args("?")
  parser:mutex(
    parser:option("--tokens", "File of tokens. Default: LOAM_TOKENS."):argname("FILE"),
    arguments.option(parser, "-u", "--url",
      "Server instead, http://HOST:PORT, https://... or unix:PATH; LOAM_TOKEN gives its token.")
      :argname("URL"))
  arguments.tls(parser)
  parser:option("--role", "create: read, write, exec, deploy or admin. May be repeated.")
    :argname("ROLE"):count("*")
  parser:option("--bucket", "create: only this bucket. May be repeated."):argname("NAME"):count("*")
  parser:option("--prefix",
    "create: only keys that begin so (b64u:... for bytes). May be repeated."):argname("TEXT")
    :count("*")
  parser:option("--expires", "create: valid for so long, as 90d or 12h. Default: for ever.")
    :argname("DURATION"):convert(expiry)
  parser:option("--note", "create: what it is for."):argname("TEXT")
  parser:flag("--json", "One JSON object per token.")
end

-- ---- A file and a server have the same three calls ----

local function check(made, message, code)
  if made == nil then
    local wanted = code == "INVALID" and failure.USAGE or code == "NOT_FOUND" and failure.NOT_FOUND
    failure.raise(wanted or failure.RUNTIME, "%s", message)
  end
  return made
end

local function file_place(path)
  return {
    create = function(wanted)
      local prefixes = {}
      for at, text in ipairs(wanted.prefixes) do
        prefixes[at] = tokens.prefix_of_text(text)
          or failure.usage("--prefix: b64u: is followed by base64url, got '%s'", text)
      end
      local made = check(tokens.create(path, { roles = wanted.roles, buckets = wanted.buckets,
        prefixes = prefixes, note = wanted.note, expires_at_ms = wanted.expires_ms
          and math.floor(C.host_now_ms() + wanted.expires_ms) }))
      local shown = tokens.shown(made.row, C.host_now_ms())
      shown.token = made.text
      return shown
    end,
    list = function()
      local rows = check(tokens.load(path))
      for at, row in ipairs(rows) do
        rows[at] = tokens.shown(row, C.host_now_ms())
      end
      return rows
    end,
    revoke = function(id)
      return tokens.shown(check(tokens.revoke(path, id)), C.host_now_ms())
    end,
  }
end

local function url_place(url, options)
  if not pcall(require, "socket") then
    failure.runtime("--url needs luasocket: the Debian package lua-socket")
  end
  local client, err = require("loam.client").new(url, options)
  if not client then
    failure.usage("--url: %s", err.text)
  end
  local function call(method, path, body)
    local made, problem, code = client:call(method, path, body and {
      body = json.encode(body), headers = { ["Content-Type"] = "application/json" } })
    return check(made, problem and problem.text, code)
  end
  return {
    create = function(wanted)
      return call("POST", PATH, { roles = json.array(wanted.roles),
        buckets = json.array(wanted.buckets), prefixes = json.array(wanted.prefixes),
        note = wanted.note, expires_in = wanted.expires_ms and wanted.expires_ms / 1000 })
    end,
    list = function() return call("GET", PATH).tokens end,
    revoke = function(id) return call("DELETE", PATH .. "/" .. id) end,
  }
end

local function place_of(given)
  local url = given.url or not given.tokens and os.getenv("LOAM_URL") or ""
  if url ~= "" then
    return url_place(url, arguments.client_options(given))
  end
  local path = given.tokens or os.getenv("LOAM_TOKENS") or ""
  if path == "" then
    failure.usage("token: give --tokens FILE or --url URL")
  end
  return file_place(path)
end

-- ---- Actions ----

local function day(ms)
  return ms and os.date("!%Y-%m-%d %H:%M", math.floor(ms / 1000)) or "-"
end

local function names(list)
  return #list > 0 and table.concat(list, ",") or "-"
end

local function print_list(list, is_json)
  if is_json then
    for _, row in ipairs(list) do
      output.line(json.encode(row))
    end
    return
  end
  local rows = { { "id", "state", "roles", "buckets", "prefixes", "created", "expires", "note" } }
  for _, row in ipairs(list) do
    rows[#rows + 1] = { row.id, row.state, names(row.roles), names(row.buckets),
      names(row.prefixes), day(row.created_at_ms), day(row.expires_at_ms), row.note or "-" }
  end
  for _, line in ipairs(columns.lines(rows)) do
    output.line((line:gsub("%c", "?")))
  end
end

local actions = {}

function actions.create(given, place)
  if #given.role == 0 then
    failure.usage("token create: give --role at least once: %s", table.concat(tokens.ROLES, ", "))
  elseif given.id then
    failure.usage("token create takes no id: it makes one")
  end
  local made = place.create { roles = given.role, buckets = given.bucket, prefixes = given.prefix,
    note = given.note, expires_ms = given.expires }
  output.line(given.json and json.encode(made) or made.token)
  if not given.json then
    io.stderr:write(("Token %s is made. Keep its text: it is shown only now.\n"):format(made.id))
  end
end

function actions.list(given, place)
  print_list(place.list(), given.json)
end

function actions.revoke(given, place)
  local id = given.id and (given.id:match(ID_MATCH) or given.id)
  if not id or #id ~= 16 or id:find("[^0-9a-f]") then
    failure.usage("token revoke: give the id of the token, 16 hex digits; `loam token list` "
      .. "shows them")
  end
  local row = place.revoke(id)
  if given.json then
    output.line(json.encode(row))
  else
    io.stderr:write(("Token %s is revoked.\n"):format(row.id))
  end
end

return command.new {
  summary = "Make, list and revoke access tokens.",
  setup = setup,
  run = function(given)
    return actions[given.action](given, place_of(given))
  end,
}
