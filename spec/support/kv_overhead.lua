-- What the Lua API costs over the C API: the same loops in Lua and in C, in one process, on one
-- store.
--
--     luajit spec/support/kv_overhead.lua [LIBRARY] [COUNT]      default build/libloam.so 200000
--
-- Prints for each loop the operations per second of processor time of both and Lua's share. Rounds
-- alternate and the best of each counts, so that other load on the machine hits both alike. A scan
-- that gives strings is compared with a C loop that only looks at the rows, and with one that
-- copies key and value of each row into memory of their own; "strings" is what making such strings
-- costs LuaJIT with no store in sight, beside the C scan. Needs cc.
local library, count = arg[1] or "build/libloam.so", tonumber(arg[2] or 200000)
package.path = "bindings/?.lua;bindings/?/init.lua;" .. package.path
package.preload["kv.native"] = function() return { library = library } end

local ffi = require "ffi"
local kv = require "kv"
local string_buffer = require "string.buffer"

local ROUNDS = 5
local KEY_SIZE = 16
local C_LOOPS = [[
#include "loam.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
static loam_error err;
static void key_of(char *key, unsigned at) { snprintf(key, 17, "key%013u", at); }
static char keys[1 << 20][17];
void loops_init(unsigned count) { for (unsigned i = 0; i < count; i++) key_of(keys[i], i); }
int loop_put(loam_db *db, unsigned count, const char *value, size_t size)
{
    uint64_t seq;
    for (unsigned i = 0; i < count; i++)
        if (loam_put(db, 1, keys[i], 16, value, size, &seq, &err)) return 1;
    return 0;
}
int loop_get(loam_db *db, unsigned count)
{
    loam_buffer value = {0};
    for (unsigned i = 0; i < count; i++)
        if (loam_get(db, 1, keys[i], 16, NULL, &value, &err)) return 1;
    loam_buffer_free(&value);
    return 0;
}
int loop_scan(loam_db *db, size_t *bytes)
{
    loam_range range = {0};
    loam_scan *scan;
    loam_rows rows;
    if (loam_scan_open(db, 1, &range, NULL, &scan, &err)) return 1;
    while (!loam_scan_next(scan, &rows, &err) && rows.count)
        for (size_t i = 0; i < rows.count; i++)
            *bytes += rows.rows[i].key_size + rows.rows[i].value_size;
    loam_scan_close(scan);
    return 0;
}
static char *copy_of(const char *data, size_t size)
{
    char *copy = malloc(size + 1);
    memcpy(copy, data, size);
    copy[size] = 0;
    return copy;
}
/* As long as some garbage collector would: the last 256 rows live. */
int loop_scan_copies(loam_db *db, size_t *bytes)
{
    static char *kept[512];
    unsigned at = 0;
    loam_range range = {0};
    loam_scan *scan;
    loam_rows rows;
    if (loam_scan_open(db, 1, &range, NULL, &scan, &err)) return 1;
    while (!loam_scan_next(scan, &rows, &err) && rows.count)
        for (size_t i = 0; i < rows.count; i++, at = (at + 2) % 512) {
            free(kept[at]);
            free(kept[at + 1]);
            kept[at] = copy_of(rows.rows[i].key, rows.rows[i].key_size);
            kept[at + 1] = copy_of(rows.rows[i].value, rows.rows[i].value_size);
            *bytes += rows.rows[i].key_size + rows.rows[i].value_size;
        }
    loam_scan_close(scan);
    return 0;
}
]]

local function shell(...)
  local status = os.execute(table.concat({ ... }, " "))
  assert(status == 0, "failed: " .. table.concat({ ... }, " "))
end

local function compile(dir)
  local file = assert(io.open(dir .. "/loops.c", "wb"))
  file:write(C_LOOPS)
  file:close()
  -- The loops find loam_* among what kv has loaded, so both use one library.
  shell("cc -O2 -shared -fPIC -Icore -o", dir .. "/loops.so", dir .. "/loops.c")
  ffi.load(library, true)
  ffi.cdef [[
    void loops_init(unsigned count);
    int loop_put(loam_db *db, unsigned count, const char *value, size_t size);
    int loop_get(loam_db *db, unsigned count);
    int loop_scan(loam_db *db, size_t *bytes);
    int loop_scan_copies(loam_db *db, size_t *bytes);
  ]]
  return ffi.load(dir .. "/loops.so")
end

local function seconds(fn)
  collectgarbage()
  local start = os.clock()
  fn()
  return math.max(1e-4, os.clock() - start)
end

local function compare(name, operations, in_lua, in_c)
  local lua_best, c_best = math.huge, math.huge
  for _ = 1, ROUNDS do
    lua_best = math.min(lua_best, seconds(in_lua))
    c_best = math.min(c_best, seconds(in_c))
  end
  print(("%-14s Lua %9.0f/s   C %9.0f/s   Lua's share %3.0f %%"):format(name,
    operations / lua_best, operations / c_best, c_best / lua_best * 100))
end

local dir = assert(io.popen("mktemp -d")):read("*l")
local loops = compile(dir)
loops.loops_init(count)
local db = assert(kv.open(dir .. "/db", { durability = "os" }))
local p = db:pointer()
local keys, value = {}, ("v"):rep(100)
for index = 1, count do
  keys[index] = ("key%013d"):format(index - 1)
  assert(#keys[index] == KEY_SIZE)
end

compare("put", count, function()
  for index = 1, count do
    db:put(keys[index], value)
  end
end, function() assert(loops.loop_put(p, count, value, #value) == 0) end)
assert(db:flush())
local function get_in_c() assert(loops.loop_get(p, count) == 0) end
compare("get", count, function()
  for index = 1, count do
    db:get(keys[index])
  end
end, get_in_c)
local bytes, buffer = 0, string_buffer.new()
compare("get_into", count, function()
  for index = 1, count do
    buffer:reset()
    db:get_into(keys[index], buffer)
  end
end, get_in_c)

-- The scans make the strings that they meet anew.
keys = nil
local c_bytes = ffi.new("size_t[1]")
local function scan_in_c() assert(loops.loop_scan(p, c_bytes) == 0) end
local function scan_strings()
  for key, found in db:scan() do
    bytes = bytes + #key + #found
  end
end
compare("scan rows", count, function()
  for row in db:scan { rows = true } do
    bytes = bytes + row:key_size() + row:value_size()
  end
end, scan_in_c)
compare("scan", count, scan_strings, scan_in_c)
compare("scan, copies", count, scan_strings, function()
  assert(loops.loop_scan_copies(p, c_bytes) == 0)
end)
local text = ffi.new("char[?]", count * KEY_SIZE)
for index = 0, count - 1 do
  ffi.copy(text + index * KEY_SIZE, ("key%013d"):format(index), KEY_SIZE)
end
compare("strings", count, function()
  for index = 0, count - 1 do
    bytes = bytes + #ffi.string(text + index * KEY_SIZE, KEY_SIZE) + #ffi.string(value, #value)
  end
end, scan_in_c)
db:close()
shell("rm -rf", "'" .. dir .. "'")
