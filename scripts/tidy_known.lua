-- Files that break a rule of scripts/tidy.lua for a written reason: {path, rule, reason}. tidy also
-- fails when an entry is no longer needed, so this list only shrinks.
return {
  { "core/loam.h", "file length", "the one public header" },
  { "bindings/kv/cdef.lua", "file length", "generated from core/loam.h" },
  { "lua/loam/cdef.lua", "file length", "generated from the headers of core/host and core/http" },
  { "core/base/check.c", "banned call", "a broken assertion prints and aborts" },
  { "core/bench/calls.c", "banned call", "copies rows as a program that uses loam.h would" },
}
