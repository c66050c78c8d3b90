-- Options that several commands take, and how their words become values.
local csv = require "loam.cli.parts.csv"
local escape = require "loam.cli.parts.escape"
local failure = require "loam.cli.parts.failure"
local units = require "loam.config.units"

local arguments = {}

local function data_default()
  return os.getenv("LOAM_DATA") or os.getenv("DATA_DIR") or "data"
end

--- An option with a value and a short name. Help shows the long one, so that its columns align.
function arguments.option(parser, short, long, text)
  return parser:option(long, ("%s Also %s."):format(text, short)):hidden_name(short)
end

--- A converter for whole numbers.
---@param least number
---@param most? number
function arguments.whole(least, most)
  return function(word)
    local number = word:find("^%d+$") and tonumber(word)
    if not number or number < least or number > (most or 2 ^ 53 - 2) then
      local bounds = most and ("from %.0f to %.0f"):format(least, most)
        or ("of at least %.0f"):format(least)
      return nil, ("a whole number %s is wanted, got '%s'"):format(bounds, word)
    end
    return number
  end
end

--- A converter for seconds.
function arguments.seconds(word)
  local number = word:find("^%d*%.?%d+$") and tonumber(word)
  if not number or number > 1e11 then
    return nil, ("seconds from 0 to 1e11 are wanted, got '%s'"):format(word)
  end
  return number
end

--- A converter for the separator of CSV.
function arguments.separator(word)
  local found = csv.separator(word)
  if not found then
    return nil, ("the separator is one character or 'tab', got '%s'"):format(word)
  end
  return found
end

local DATA_HELP = "Directory of the database. Default: LOAM_DATA, DATA_DIR, else data."

--- What --data and --url name, or the environment in their place.
---@return string? url, string? directory
function arguments.place(given)
  if given.url or given.data then
    return given.url, given.data
  end
  local url = os.getenv("LOAM_URL")
  if url and url ~= "" then
    return url
  end
  return nil, data_default()
end

--- The directory that --data names, or the environment in its place.
function arguments.directory_of(given)
  return given.data or data_default()
end

--- --data alone, for what works on files.
function arguments.directory(parser)
  arguments.option(parser, "-d", "--data", DATA_HELP):argname("DIR")
end

--- How the certificate of a server of --url https://... is checked.
function arguments.tls(parser)
  parser:option("--ca", "https: PEM file of who signs the server, in place of those that the "
    .. "system trusts. Default: LOAM_CA."):argname("FILE")
  parser:flag("--insecure-tls", "https: believe whoever answers. He gets the token, too.")
end

--- The options of loam.client for what tls() declares. Warns when nobody is checked.
function arguments.client_options(given)
  local ca = given.ca or os.getenv("LOAM_CA")
  if given.insecure_tls then
    io.stderr:write("loam: warning: --insecure-tls: the server may be anybody, and so may be who ",
      "reads the token\n")
  end
  return { ca = ca ~= "" and ca or nil, insecure_tls = given.insecure_tls }
end

--- --data and --url.
function arguments.place_options(parser)
  parser:mutex(
    arguments.option(parser, "-d", "--data", DATA_HELP):argname("DIR"),
    arguments.option(parser, "-u", "--url",
      "Server instead, http://HOST:PORT, https://... or unix:PATH. Default: LOAM_URL.")
      :argname("URL"))
  arguments.tls(parser)
end

--- --url alone, for what has its directories as arguments.
function arguments.url(parser)
  arguments.option(parser, "-u", "--url",
    "Server, http://HOST:PORT, https://... or unix:PATH. Default: LOAM_URL."):argname("URL")
  arguments.tls(parser)
end

--- --rate.
function arguments.rate(parser)
  parser:option("--rate", "Most bytes per second, as 8MiB. Default: no limit."):argname("BYTES")
    :convert(function(word)
      local bytes, wanted = units.size(word)
      return bytes, bytes == nil and ("--rate is %s, got '%s'"):format(wanted, word) or nil
    end)
end

--- --id of a backup.
function arguments.backup_id(parser)
  parser:option("--id", "Which backup. Default: the newest."):argname("N")
    :convert(arguments.whole(1))
end

--- --data, --url and --bucket.
function arguments.store(parser)
  arguments.place_options(parser)
  arguments.option(parser, "-b", "--bucket", "Bucket to use."):argname("NAME"):default("default")
end

--- The bounds of a range.
function arguments.bounds(parser)
  arguments.option(parser, "-p", "--prefix", "Only keys that begin so."):argname("BYTES")
  parser:option("--from", "First key."):argname("KEY")
  parser:option("--to", "Key in front of which the range ends."):argname("KEY")
end

--- The bounds of a range and how much of it.
function arguments.range(parser)
  arguments.bounds(parser)
  arguments.option(parser, "-n", "--limit", "Most rows."):argname("N"):convert(arguments.whole(1))
end

--- -x, which says that keys and values of the command line are escaped.
function arguments.escaped(parser)
  parser:flag("-x --escaped", "Keys and values given here hold escapes: \\xNN \\n \\t \\\\.")
end

--- The bytes that a word of the command line means.
---@param given table  the parsed arguments
---@param word? string
---@return string?
function arguments.bytes(given, word)
  if word == nil or not given.escaped then
    return word
  end
  local bytes, message = escape.decode(word)
  if not bytes then
    failure.usage("'%s': %s", word, message)
  end
  return bytes
end

--- The range of parsed arguments, as stores take it.
function arguments.range_of(given)
  return {
    prefix = arguments.bytes(given, given.prefix), from = arguments.bytes(given, given.from),
    to = arguments.bytes(given, given.to), limit = given.limit, reverse = given.reverse,
    keys_only = given.keys_only,
  }
end

return arguments
