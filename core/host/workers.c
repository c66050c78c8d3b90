/* SPDX-License-Identifier: MIT */
/*
 * workers.c - one thread and one lua_State per worker. Floor 5; the program only.
 *
 * Called by lua/loam/server.lua through the FFI. The thread makes its state, requires loam.worker
 * and calls it with the worker; loam.worker tells that it serves (host_worker_ready), runs its loop
 * and returns when it was told to stop. What it raises is the worker's failure: before it served,
 * host_worker_wait() answers with it; after that, the main thread is told by a signal.
 */
#include <string.h>

#include "base/check.h"
#include "base/memory.h"
#include "host/host_private.h"
#include "host/interrupt.h"
#include "host/lua_state.h"

static int run_lua(struct host_worker *worker, struct loam_error *err)
{
    lua_State *lua = NULL;
    TRY(lua_state_open(&lua, err));
    interrupt_begin(worker, lua);
    lua_getglobal(lua, "require");
    lua_pushliteral(lua, "loam.worker");
    int rc = lua_state_call(lua, 1, 1, err);
    if (rc == LOAM_OK) {
        lua_pushlightuserdata(lua, worker);
        rc = lua_state_call(lua, 1, 0, err);
    }
    interrupt_end();
    lua_close(lua);
    return rc;
}

static void *run_worker(void *argument)
{
    struct host_worker *worker = argument;
    struct loam_error error = {0};
    int rc = run_lua(worker, &error);
    bool is_failed = rc != LOAM_OK;
    host_worker_move(worker, is_failed ? HOST_WORKER_FAILED : HOST_WORKER_ENDED,
                     is_failed ? error.text : NULL);
    return NULL;
}

int host_worker_start(struct host *host,
                      int index,
                      loam_db *db,
                      const char *config,
                      size_t config_size,
                      struct loam_error *err)
{
    PRE(index >= 1 && index <= host->worker_count);
    PRE(config_size <= HOST_CONFIG_TEXT_MAX);
    struct host_worker *worker = host->workers[index - 1];
    PRE(worker->state == HOST_WORKER_NEW);
    worker->db = db;
    worker->config = mem_alloc(config_size);
    if (worker->config == NULL) {
        return mem_fail(err, config_size);
    }
    memcpy(worker->config, config, config_size);
    worker->config_size = config_size;
    worker->state = HOST_WORKER_STARTING;
    int rc = thread_start(&worker->thread, "loam-worker", run_worker, worker, err);
    if (rc != LOAM_OK) {
        worker->state = HOST_WORKER_NEW;
    }
    return rc;
}
