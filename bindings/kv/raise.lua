-- assert() as Lua 5.2 and later define it: it raises its second argument.
--
-- LuaJIT's own raises the last one, so assert(db:put(k, v)) would raise "IO" and lose the text.
-- Only failures with more than two results behave differently; an assert() that is no longer the
-- built-in one (luassert's, in specs) is left alone.
local builtin = assert

local function raise(value, ...)
  if value then
    return value, ...
  elseif select("#", ...) < 2 then
    return builtin(value, ...)
  end
  error((...), 0)
end

if type(builtin) == "function" and debug.getinfo(builtin, "S").what == "C" then
  rawset(_G, "assert", raise)
end

return raise
