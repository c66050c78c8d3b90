/* SPDX-License-Identifier: MIT */
/*
 * fuzz_lua.c - fuzz targets of readers in Lua, in one state as the program has it: JSON bodies
 * (lua/loam/json.lua with core/host/json_check.c) and configuration files.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

#include "targets.h"

/* What decodes encodes, and to the same text as its own decoded text. A failure is one line. */
static const char PRELUDE[] =
    "package.path = 'lua/?.lua;lua/?/init.lua;bindings/?.lua;bindings/?/init.lua;' .. "
    "package.path\n"
    "package.preload['loam.native'] = function()\n"
    "  require 'loam.cdef'\n"
    "  return require('ffi').C\n"
    "end\n"
    "local json, file = require 'loam.json', require 'loam.config.file'\n"
    "local function one_line(problem)\n"
    "  assert(type(problem) == 'string' and not problem:find '[\\r\\n]', problem)\n"
    "end\n"
    "function fuzz_body(text)\n"
    "  local value, problem = json.decode(text)\n"
    "  if value == nil then return one_line(problem) end\n"
    "  local first = json.encode(value)\n"
    "  local again, refused = json.decode(first)\n"
    "  assert(not refused and json.encode(again) == first, first)\n"
    "end\n"
    "local function getenv(name) return name == 'A' and 'x' or nil end\n"
    "function fuzz_config(path)\n"
    "  local values, problem = file.read(path, getenv)\n"
    "  if values == nil then return one_line(problem) end\n"
    "  assert(type(values) == 'table')\n"
    "end\n";

static lua_State *state;

static void fail(const char *what)
{
    (void)fprintf(stderr, "%s: %s\n", what, lua_tostring(state, -1));
    abort();
}

static void call(const char *name, const char *text, size_t size)
{
    if (state == NULL) {
        state = luaL_newstate();
        luaL_openlibs(state);
        if (luaL_dostring(state, PRELUDE) != 0) {
            fail("prelude");
        }
    }
    lua_getglobal(state, name);
    lua_pushlstring(state, text, size);
    if (lua_pcall(state, 1, 0, 0) != 0) {
        fail(name);
    }
}

void fuzz_body(const uint8_t *data, size_t size)
{
    call("fuzz_body", (const char *)data, size);
}

/* The first byte chooses the format. */
void fuzz_config(const uint8_t *data, size_t size)
{
    char path[64];
    if (size == 0) {
        return;
    }
    (void)snprintf(path, sizeof(path), "/tmp/loam-fuzz-%d.%s", (int)getpid(),
                   data[0] % 2 == 0 ? "json" : "yaml");
    FILE *file = fopen(path, "wb");
    if (file == NULL || fwrite(data + 1, 1, size - 1, file) != size - 1 || fclose(file) != 0) {
        abort();
    }
    call("fuzz_config", path, strlen(path));
    (void)remove(path);
}
