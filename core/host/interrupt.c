/* SPDX-License-Identifier: MIT */
/*
 * interrupt.c - ends Lua code of the user that runs for too long. Floor 5; the program only.
 *
 * The main thread sends a signal to the worker's thread; the handler sets a count hook, which is
 * what lua_sethook() may do in a signal handler of the same thread, and nothing else. The hook runs
 * between two instructions of the interpreter and raises an error there, but only in functions that
 * are not Loam's own: those may be in the middle of something. After the first time it comes at
 * every instruction, so that a loop around pcall() gets no further either; it goes away when the
 * worker is at something else. Compiled traces never look at hooks: loam.app_loader sees to it that
 * the user's functions are not compiled where this is wanted.
 */
#include "host/interrupt.h"

#include <errno.h>
#include <lauxlib.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>

#include "base/check.h"
#include "host/host_private.h"
#include "host/lua_state.h"

enum { FIRST_COUNT = 1000 };

static _Thread_local lua_State *own_lua;
static _Thread_local struct host_worker *own_worker;

static double wanted_step(struct host_worker *worker)
{
    double step;
    __atomic_load(&worker->interrupt_step, &step, __ATOMIC_ACQUIRE);
    return step;
}

/* Whether the function that runs is none of Loam's; *info then tells where it is. */
static bool is_users(lua_State *lua, lua_Debug *info)
{
    return lua_getstack(lua, 0, info) == 1 && lua_getinfo(lua, "Sl", info) != 0 &&
           !lua_state_is_own(info->source);
}

static void on_count(lua_State *lua, lua_Debug *event)
{
    (void)event;
    struct host_turn *turn = host_turn(own_worker->host, own_worker->index);
    double step = wanted_step(own_worker);
    if (turn->step != step) {
        (void)lua_sethook(lua, NULL, 0, 0);
        return;
    }
    lua_Debug info;
    if (is_users(lua, &info)) {
        turn->ended = step;
        (void)lua_sethook(lua, on_count, LUA_MASKCOUNT, 1);
        lua_pushfstring(lua, "%s:%d: ended: this ran for longer than handler_ms", info.short_src,
                        info.currentline);
        (void)lua_error(lua);
    }
}

static void on_signal(int number)
{
    (void)number;
    if (own_lua != NULL) {
        (void)lua_sethook(own_lua, on_count, LUA_MASKCOUNT, FIRST_COUNT);
    }
}

void interrupt_begin(struct host_worker *worker, lua_State *lua)
{
    PRE(worker != NULL && lua != NULL);
    own_worker = worker;
    own_lua = lua;
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    INV(sigaction(SIGURG, &action, NULL) == 0);
    sigset_t set;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGURG);
    INV(pthread_sigmask(SIG_UNBLOCK, &set, NULL) == 0);
}

void interrupt_end(void)
{
    sigset_t set;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGURG);
    INV(pthread_sigmask(SIG_BLOCK, &set, NULL) == 0);
    own_lua = NULL;
}

void host_interrupt(struct host *host, int index, double step)
{
    PRE(index >= 1 && index <= host->worker_count);
    struct host_worker *worker = host->workers[index - 1];
    __atomic_store(&worker->interrupt_step, &step, __ATOMIC_RELEASE);
    (void)pthread_kill(worker->thread.os, SIGURG);
}
