-- The commands of the shell. Each is {names, usage, help, least, most, run(shell, words)}, where
-- least and most bound the number of words. What a command prints as a key or a value can be typed
-- back. `shell` is {store, bucket}; see shell.lua.
local columns = require "loam.cli.parts.columns"
local compaction = require "loam.cli.parts.compaction"
local escape = require "loam.cli.parts.escape"
local failure = require "loam.cli.parts.failure"
local output = require "loam.cli.parts.output"
local show = require "loam.cli.parts.show"
local stats_text = require "loam.cli.parts.stats_text"

local shell_commands = {}
local LIST_LIMIT = 100
local NOT_FOUND = "(not found)"

local function number_of(word, what, least)
  local number = tonumber(word)
  if not number or number - number ~= 0 or least and number < least then
    failure.usage("%s is a number%s, got %s", what, least and " of at least " .. least or "",
      escape.word(word))
  end
  return number
end

local function set(shell, words)
  local ttl = words[3] and number_of(words[3], "the TTL", 0)
  shell.store:put { key = words[1], value = words[2], ttl = ttl }
  output.line("ok")
end

local function get(shell, words)
  local row = shell.store:get(words[1])
  output.line(row and escape.word(row.value) or NOT_FOUND)
end

local function delete(shell, words)
  for _, key in ipairs(words) do
    shell.store:delete(key)
  end
  output.line("ok")
end

local function list(shell, words)
  local limit = words[2] and number_of(words[2], "the limit", 0) or LIST_LIMIT
  if limit % 1 ~= 0 then
    failure.usage("the limit is a whole number, got %s", words[2])
  end
  local count = 0
  local range = { prefix = words[1], limit = limit > 0 and limit + 1 or nil }
  for row in shell.store:scan(range) do
    count = count + 1
    if limit > 0 and count > limit then
      output.flush()
      io.stderr:write("... there are more: list PREFIX LIMIT, with limit 0 for all\n")
      return
    end
    output.line(escape.word(row.key), " ", escape.word(row.value))
  end
end

local function count(shell, words)
  output.line(("%.0f"):format(shell.store:count { prefix = words[1] }))
end

local function incr(shell, words)
  local by = words[2] and number_of(words[2], "the step") or 1
  local init = words[3] and number_of(words[3], "the initial value") or nil
  local number = shell.store:incr(words[1], by, init)
  output.line(number and show.value(number) or NOT_FOUND)
end

local function stats(shell)
  for _, line in ipairs(stats_text.lines(shell.store:stats())) do
    output.line(line)
  end
end

local function compact(shell)
  output.line(compaction.run(shell.store))
end

local function has_bucket(shell, name)
  for _, bucket in ipairs(shell.store:buckets()) do
    if bucket.name == name then
      return true
    end
  end
  return false
end

local function use(shell, words)
  if not has_bucket(shell, words[1]) then
    failure.runtime("no bucket %s; buckets lists them, create NAME makes one",
      escape.word(words[1]))
  end
  shell.store:use(words[1])
  shell.bucket = words[1]
end

local function buckets(shell)
  for _, bucket in ipairs(shell.store:buckets()) do
    output.line(bucket.name == shell.bucket and "* " or "  ", bucket.name)
  end
end

local function create(shell, words)
  if words[1]:find("[^%w._-]") or #words[1] > 64 or words[1] == "" then
    failure.usage("a bucket name is 1 to 64 of A-Z a-z 0-9 . _ -")
  end
  shell.store:create_bucket(words[1], { ttl = words[2] and number_of(words[2], "the TTL", 0) })
  output.line("ok")
end

local function drop(shell, words)
  if words[1] == shell.bucket then
    failure.usage("%s is in use; use another bucket first", words[1])
  end
  shell.store:drop_bucket(words[1])
  output.line("ok")
end

local function quit(shell)
  shell.is_done = true
end

local help

local LIST = {
  { names = { "set", "put" }, usage = "KEY VALUE [TTL]", least = 2, most = 3, run = set,
    help = "Writes a value; TTL in seconds." },
  { names = { "get" }, usage = "KEY", least = 1, most = 1, run = get, help = "Prints a value." },
  { names = { "delete", "del" }, usage = "KEY...", least = 1, most = math.huge, run = delete,
    help = "Removes keys." },
  { names = { "list", "scan" }, usage = "[PREFIX] [LIMIT]", least = 0, most = 2, run = list,
    help = "Prints rows, 100 unless told otherwise." },
  { names = { "count" }, usage = "[PREFIX]", least = 0, most = 1, run = count,
    help = "Counts rows." },
  { names = { "incr" }, usage = "KEY [STEP] [INITIAL]", least = 1, most = 3, run = incr,
    help = "Adds to a number." },
  { names = { "use" }, usage = "BUCKET", least = 1, most = 1, run = use,
    help = "Goes to another bucket." },
  { names = { "buckets" }, usage = "", least = 0, most = 0, run = buckets,
    help = "Lists the buckets." },
  { names = { "create" }, usage = "BUCKET [TTL]", least = 1, most = 2, run = create,
    help = "Makes a bucket." },
  { names = { "drop" }, usage = "BUCKET", least = 1, most = 1, run = drop,
    help = "Removes a bucket with all its rows." },
  { names = { "stats" }, usage = "", least = 0, most = 0, run = stats,
    help = "Prints statistics." },
  { names = { "compact" }, usage = "", least = 0, most = 0, run = compact,
    help = "Compacts everything and waits." },
  { names = { "help" }, usage = "", least = 0, most = 0, run = function() help() end,
    help = "Prints this." },
  { names = { "quit", "exit" }, usage = "", least = 0, most = 0, run = quit,
    help = "Leaves." },
}

function help()
  local rows = {}
  for _, command in ipairs(LIST) do
    rows[#rows + 1] = { table.concat(command.names, ", "), command.usage, command.help }
  end
  rows[#rows + 1] = { "= EXPRESSION", "", "Lua: kv and db (with --url: client) are at hand." }
  for _, line in ipairs(columns.lines(rows)) do
    output.line(line)
  end
  output.line("Words with blanks stand in double quotes: \"a b\\n\\x00\". ",
    "Commands are read in either case.")
end

local by_name, names = {}, {}
for _, command in ipairs(LIST) do
  for _, name in ipairs(command.names) do
    by_name[name] = command
    names[#names + 1] = name
  end
end

--- All names, for completion.
shell_commands.names = names

--- Finds a command by its name in either case; raises a failure for an unknown one.
function shell_commands.find(word)
  local command = by_name[word:lower()]
  if not command then
    local near = require("kv.options").nearest(word:lower(), by_name)
    failure.usage("unknown command %s; %s", escape.word(word),
      near and "did you mean " .. near .. "?" or "help lists all")
  end
  return command
end

return shell_commands
