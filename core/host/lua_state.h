/* SPDX-License-Identifier: MIT */
/*
 * lua_state.h - lua_States that find Loam's Lua files. Floor 5; the program only.
 *
 * The files are beside the source tree of build/loam, or in the prefix of an installed program.
 * A state is entered by one thread only.
 */
#ifndef LOAM_HOST_LUA_STATE_H
#define LOAM_HOST_LUA_STATE_H

#include <lauxlib.h>
#include <lua.h>
#include <stdbool.h>

#include "base/attrs.h"
#include "base/status.h"

/* Makes a state with all libraries, package.path, and kv.native pointing at this program. *out is
 * released with lua_close(). Errors: NO_MEMORY, NOT_FOUND (no Lua files: fills err). Thread: any */
NODISCARD int lua_state_open(lua_State **out, struct loam_error *err);
/* Whether a function with this `source` (of lua_Debug) is one of Loam's. Thread: one that has made
 * a state */
bool lua_state_is_own(const char *source);
/* Calls the function below its argument_count arguments. Returns LOAM_OK with result_count results
 * on the stack, or SCRIPT with the message in err and nothing on the stack. With LOAM_TRACEBACK
 * in the environment the message carries a traceback. Thread: the state's */
NODISCARD int
lua_state_call(lua_State *lua, int argument_count, int result_count, struct loam_error *err);

#endif
