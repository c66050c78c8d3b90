-- What a writer process writes, step by step, without the testing library: the steps of
-- spec/support/crash.lua, and reading what such a process told.
local steps = {}

steps.KV_OPTIONS = { memtable_bytes = 65536, table_bytes = 65536, memory_bytes = 4 * 2 ^ 20,
  background_threads = 1 }
local KEY_COUNT = 23

--- The operations of step i, a pure function of i.
function steps.step(i)
  local ops = { { key = "last", value = tostring(i) } }
  for n = 0, i % 3 do
    local key = "k" .. (i * 7 + n * 5) % KEY_COUNT
    if (i + n) % 5 == 4 then
      ops[#ops + 1] = { kind = "delete", key = key }
    else
      ops[#ops + 1] = { key = key, value = i .. ":" .. ("v"):rep((i * 131 + n) % 700) }
    end
  end
  return ops
end

local READERS = {
  t = function(result, number) result.attempted = number end,
  a = function(result, number) result.acked = number end,
  s = function(result, number) result.acked, result.synced = number, number end,
  f = function(result, _, text) result.failed = text end,
  r = function(result, _, text) result.refused = text end,
  w = function(result) result.wrote_after = true end,
  o = function(result) result.is_open = true end,
  c = function(result) result.is_closed = true end,
  x = function(result, _, text) result.problem = text end,
}

--- Reads the lines of a progress file: {attempted, acked, synced, failed = code, refused = code,
--- wrote_after, is_open, is_closed, problem}, numbers from `from` - 1 upwards.
function steps.read(path, from)
  local result = { attempted = from - 1, acked = from - 1, synced = from - 1 }
  local file = io.open(path, "r")
  if not file then
    return result
  end
  for line in file:lines() do
    local word, number, text = line:match("^(%l) ?(%d*) ?(.*)$")
    if READERS[word] then
      READERS[word](result, tonumber(number), text)
    end
  end
  file:close()
  return result
end

return steps
