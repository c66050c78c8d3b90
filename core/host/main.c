/* SPDX-License-Identifier: MIT */
/*
 * main.c - the program `loam`: one lua_State that runs lua/loam/cli. Floor 5.
 *
 * Everything the program does is Lua from here on; the exit code is what loam.cli returns. An error
 * that no command caught is one line on standard error and exit code 1. Thread: main.
 */
#include <signal.h>
#include <stdio.h>

#include "base/check.h"
#include "host/lua_state.h"

/* The global `arg`, as luajit makes it. */
static void push_arguments(lua_State *lua, int argc, char **argv)
{
    lua_createtable(lua, argc, 1);
    for (int i = 0; i < argc; i++) {
        lua_pushstring(lua, argv[i]);
        lua_rawseti(lua, -2, i);
    }
    lua_pushvalue(lua, -1);
    lua_setglobal(lua, "arg");
}

static int run(lua_State *lua, int argc, char **argv, int *exit_code, struct loam_error *err)
{
    lua_getglobal(lua, "require");
    lua_pushliteral(lua, "loam.cli");
    TRY(lua_state_call(lua, 1, 1, err));
    lua_getfield(lua, -1, "main");
    push_arguments(lua, argc, argv);
    TRY(lua_state_call(lua, 1, 1, err));
    *exit_code = (int)lua_tointeger(lua, -1);
    return LOAM_OK;
}

int main(int argc, char **argv)
{
    struct loam_error error = {0};
    /* A file at RLIMIT_FSIZE is a failed write (EFBIG), not the end of the process. */
    (void)signal(SIGXFSZ, SIG_IGN);
    lua_State *lua = NULL;
    int exit_code = 1;
    int rc = lua_state_open(&lua, &error);
    if (rc == LOAM_OK) {
        rc = run(lua, argc, argv, &exit_code, &error);
        lua_close(lua);
    }
    if (rc != LOAM_OK) {
        (void)fprintf(stderr, "loam: %s\n", error.text);
        return 1;
    }
    return exit_code;
}
