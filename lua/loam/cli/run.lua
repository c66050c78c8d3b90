-- `loam run FILE [ARGUMENTS]`: a Lua script with `kv` at hand, as plain luajit would run it.
--
-- The script sees `arg` and `...`, and `require "kv"` uses the engine inside this program. An error
-- is the script's own: it is printed with its traceback, exit code 1.
local run = { summary = "Run a Lua script that uses the module kv." }

function run.setup(parser)
  parser:argument("file", "The script."):argname("FILE")
  parser:argument("words", "What the script gets as its arguments."):args("*"):argname("ARGUMENT")
  parser:handle_options(true)
end

local function set_arguments(file, words)
  local given = { [0] = file }
  for at, word in ipairs(words) do
    given[at] = word
  end
  rawset(_G, "arg", given)
end

function run.run(arguments)
  local chunk, message = loadfile(arguments.file)
  if not chunk then
    return require("loam.cli").fail(message)
  end
  set_arguments(arguments.file, arguments.words)
  local is_ok, problem = xpcall(chunk, function(problem)
    return debug.traceback(tostring(problem), 2)
  end, unpack(arguments.words))
  if not is_ok then
    io.stderr:write("loam: ", problem, "\n")
    return 1
  end
  return 0
end

return run
