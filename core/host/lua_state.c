/* SPDX-License-Identifier: MIT */
/*
 * lua_state.c - makes the lua_States of the main thread and of the workers. Floor 5.
 *
 * Called by main.c and workers.c. A fresh state differs from plain luajit in three things: the path
 * of Loam's files, `kv` bound to the engine inside this program instead of libloam.so, and
 * package.loam_root, the directory that holds lua/ and bindings/.
 */
#include "host/lua_state.h"

#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/memory.h"

/* What a prefix needs so that it is ours. Tried in order, relative to the program's directory. */
static const char *const roots[] = {"/..", "/../share/loam", "/../../share/loam"};

static _Thread_local char own_root[4200]; /* Of the last state that this thread made. */

static const char preamble[] =
    "local root = ...\n"
    "package.loam_root = root\n"
    "local ours = {'/bindings/?.lua', '/bindings/?/init.lua', '/lua/?.lua', '/lua/?/init.lua'}\n"
    "for at, path in ipairs(ours) do ours[at] = root .. path end\n"
    "package.path = table.concat(ours, ';') .. ';' .. package.path\n"
    "package.preload['kv.native'] = function() return {namespace = require('ffi').C} end\n";

/* Writes the directory of this program, without a slash at the end. */
static int program_directory(char *path, size_t capacity, struct loam_error *err)
{
    ssize_t size = readlink("/proc/self/exe", path, capacity - 1);
    if (size <= 0) {
        return fail(err, LOAM_NOT_FOUND, "cannot read /proc/self/exe to find the Lua files");
    }
    path[size] = 0;
    char *slash = strrchr(path, '/');
    PRE(slash != NULL);
    *slash = 0;
    return LOAM_OK;
}

static int find_root(char *root, size_t capacity, struct loam_error *err)
{
    char directory[4096];
    char probe[4200];
    TRY(program_directory(directory, sizeof directory, err));
    for (size_t i = 0; i < sizeof roots / sizeof roots[0]; i++) {
        (void)snprintf(probe, sizeof probe, "%s%s/lua/loam/cli/init.lua", directory, roots[i]);
        if (access(probe, R_OK) == 0) {
            (void)snprintf(root, capacity, "%s%s", directory, roots[i]);
            return LOAM_OK;
        }
    }
    return fail(err, LOAM_NOT_FOUND, "no Lua files in %s/../lua or %s/../share/loam", directory,
                directory);
}

/* The message as a string, with a traceback when asked for. */
static int on_error(lua_State *lua)
{
    if (lua_tostring(lua, 1) == NULL && luaL_callmeta(lua, 1, "__tostring")) {
        lua_replace(lua, 1);
    }
    const char *message = lua_tostring(lua, 1);
    if (message == NULL) {
        message = lua_pushfstring(lua, "error object of type %s", luaL_typename(lua, 1));
    }
    if (getenv("LOAM_TRACEBACK") != NULL) {
        luaL_traceback(lua, lua, message, 1);
    } else {
        lua_pushstring(lua, message);
    }
    return 1;
}

/* A failure is one line, and Lua's loader writes several. */
static void make_one_line(char *text)
{
    char *to = text;
    bool is_blank = false;
    for (const char *at = text; *at != '\0'; at++) {
        bool is_control = (unsigned char)*at < ' ';
        if (!is_control || !is_blank) {
            *to++ = is_control ? ' ' : *at;
        }
        is_blank = is_control;
    }
    *to = '\0';
}

int lua_state_call(lua_State *lua, int argument_count, int result_count, struct loam_error *err)
{
    int base = lua_gettop(lua) - argument_count;
    PRE(base >= 1);
    lua_pushcfunction(lua, on_error);
    lua_insert(lua, base);
    int rc = lua_pcall(lua, argument_count, result_count, base);
    if (rc != 0) {
        const char *message = lua_tostring(lua, -1);
        rc = fail(err, LOAM_SCRIPT, "%s", message == NULL ? "no message" : message);
        if (err != NULL && getenv("LOAM_TRACEBACK") == NULL) {
            make_one_line(err->text);
        }
        lua_settop(lua, base - 1);
        return rc;
    }
    lua_remove(lua, base);
    return LOAM_OK;
}

bool lua_state_is_own(const char *source)
{
    size_t size = strlen(own_root);
    if (source[0] != '@') {
        return strcmp(source, "=loam") == 0 || strcmp(source, "=[C]") == 0;
    }
    const char *rest = source + 1 + size;
    return strncmp(source + 1, own_root, size) == 0 &&
           (strncmp(rest, "/lua/", 5) == 0 || strncmp(rest, "/bindings/", 10) == 0);
}

int lua_state_open(lua_State **out, struct loam_error *err)
{
    TRY(find_root(own_root, sizeof own_root, err));
    lua_State *lua = luaL_newstate();
    if (lua == NULL) {
        return mem_fail(err, sizeof(void *));
    }
    luaL_openlibs(lua);
    int rc =
        luaL_loadbuffer(lua, preamble, sizeof preamble - 1, "=loam") == 0 ? LOAM_OK : LOAM_SCRIPT;
    INV(rc == LOAM_OK);
    lua_pushstring(lua, own_root);
    rc = lua_state_call(lua, 1, 0, err);
    if (rc != LOAM_OK) {
        lua_close(lua);
        return rc;
    }
    *out = lua;
    return LOAM_OK;
}
