-- `loam delete KEY...`: removes keys, present or not; `loam delete --prefix P --yes`: a range.
local arguments = require "loam.cli.parts.arguments"
local command = require "loam.cli.parts.command"
local failure = require "loam.cli.parts.failure"
local output = require "loam.cli.parts.output"
local store = require "loam.cli.parts.store"

local function setup(parser)
  parser:argument("keys", "The keys; an absent one is fine."):args("*"):argname("KEY")
  arguments.store(parser)
  arguments.bounds(parser)
  parser:flag("--dry-run", "Of a range: only tell how many rows there are.")
  parser:flag("-y --yes", "Has to be given to remove a range.")
  arguments.escaped(parser)
end

local function delete_keys(given)
  local keys = {}
  for at, word in ipairs(given.keys) do
    keys[at] = arguments.bytes(given, word)
  end
  store.with(given, store.CHANGE, function(opened)
    for _, key in ipairs(keys) do
      opened:delete(key)
    end
  end)
end

-- The rules of DELETE /v1/kv/{bucket}.
local function check_range(given, range)
  if range.prefix and (range.from or range.to) then
    failure.usage("a range is --prefix, or --from and --to, not both")
  elseif range.prefix == "" or range.to == "" then
    failure.usage("--prefix and --to take at least one byte")
  elseif not range.prefix and not (range.from and range.to) then
    failure.usage("keys are wanted, or a range: --prefix, or --from and --to")
  elseif not (given.yes or given.dry_run) then
    failure.usage("this removes a range: say --yes, or --dry-run to learn of how many rows")
  end
end

local function delete_range(given)
  local range = arguments.range_of(given)
  check_range(given, range)
  local mode = given.dry_run and store.READ_ONCE or store.CHANGE
  store.with(given, mode, function(opened)
    if given.dry_run then
      return output.line(("%.0f"):format(opened:count(range)))
    end
    local count, err = opened:delete_range(range)
    if not count then
      failure.write(failure.exit_code(err) == failure.UNKNOWN, "%s; %.0f rows are gone",
        failure.line(err), err.count or 0)
    end
    output.line(("%.0f"):format(count))
  end)
end

local function run(given)
  if #given.keys == 0 then
    return delete_range(given)
  elseif given.prefix or given.from or given.to or given.dry_run then
    failure.usage("either keys or a range, not both")
  end
  delete_keys(given)
end

return command.new { summary = "Remove keys, or a range of them.", setup = setup, run = run }
