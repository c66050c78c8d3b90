/* SPDX-License-Identifier: MIT */
/*
 * host.c - what the threads of one server share: life, stop, reload, worker states. Floor 5.
 *
 * Called by lua/loam/server.lua (main thread) and lua/loam/worker.lua. Starting a worker's Lua is
 * in workers.c, which only the program links.
 */
#include "host/host.h"

#include <signal.h>
#include <string.h>
#include <time.h>

#include "base/check.h"
#include "base/memory.h"
#include "host/host_private.h"
#include "host/secure.h"

int host_open(int worker_count, struct host **out, struct loam_error *err)
{
    if (worker_count < 1 || worker_count > HOST_WORKER_COUNT_MAX) {
        return fail(err, LOAM_INVALID, "workers is %d: 1 to %d", worker_count,
                    HOST_WORKER_COUNT_MAX);
    }
    struct host *host = mem_zalloc(1, sizeof *host);
    if (host == NULL) {
        return mem_fail(err, sizeof *host);
    }
    mutex_init(&host->mutex);
    cond_init(&host->cond);
    host->main_thread = pthread_self();
    host->shared.stop_ms = -1;
    host->shared.bucket_epoch = 1;
    host->shared.worker_count = (uint32_t)worker_count;
    host->shared.started_at_ms = host_now_ms();
    host->rows = mem_zalloc((size_t)worker_count + 1, HOST_METRIC_SLOTS * sizeof(double));
    host->logins = host_logins_open();
    int rc = host_tasks_start(host, err);
    if (rc == LOAM_OK && (host->rows == NULL || host->logins == NULL)) {
        rc = mem_fail(err, HOST_METRIC_SLOTS * sizeof(double));
    }
    if (rc != LOAM_OK) {
        host_close(host);
        return rc;
    }
    *out = host;
    return LOAM_OK;
}

void host_close(struct host *host)
{
    if (host == NULL) {
        return;
    }
    host_stop(host, 0);
    (void)host_join(host);
    host_tasks_stop(host);
    for (int i = 0; i < host->worker_count; i++) {
        http_worker_close(host->workers[i]->http);
        mem_free(host->workers[i]->config);
        mem_free(host->workers[i]);
    }
    for (int i = 0; i < atomic_load(&host->metric_count); i++) {
        mem_free(host->metrics[i].key);
    }
    for (int i = 0; i <= HOST_WORKER_COUNT_MAX; i++) {
        loam_buffer_free(&host->board_texts[i]);
    }
    mem_free(host->rows);
    host_logins_close(host->logins);
    cond_deinit(&host->cond);
    mutex_deinit(&host->mutex);
    mem_free(host);
}

const struct host_shared *host_shared(const struct host *host)
{
    PRE(host != NULL);
    return &host->shared;
}

/* Wakes every worker that has a loop to wake. */
void host_wake_all(struct host *host)
{
    for (int i = 0; i < host->worker_count; i++) {
        http_worker_wake(host->workers[i]->http);
    }
}

void host_stop(struct host *host, int deadline_ms)
{
    PRE(deadline_ms >= 0);
    __atomic_store_n(&host->shared.stop_ms, deadline_ms, __ATOMIC_RELEASE);
    host_wake_all(host);
}

void host_reload(struct host *host)
{
    (void)__atomic_add_fetch(&host->shared.reload_count, 1, __ATOMIC_RELEASE);
    host_wake_all(host);
}

void host_log_level_set(struct host *host, int level)
{
    __atomic_store_n(&host->shared.log_level, level, __ATOMIC_RELEASE);
    host_wake_all(host);
}

void host_tokens_changed(struct host *host)
{
    (void)__atomic_add_fetch(&host->shared.token_epoch, 1, __ATOMIC_SEQ_CST);
}

struct host_logins *host_logins_of(struct host *host)
{
    return host->logins;
}

void host_buckets_changed(struct host *host)
{
    (void)__atomic_add_fetch(&host->shared.bucket_epoch, 1, __ATOMIC_RELEASE);
}

int host_worker_add(struct host *host, struct http_worker *http)
{
    PRE(http != NULL);
    PRE(host->worker_count < (int)host->shared.worker_count);
    struct host_worker *worker = mem_zalloc(1, sizeof *worker);
    if (worker == NULL) {
        return LOAM_NO_MEMORY;
    }
    worker->host = host;
    worker->http = http;
    host->workers[host->worker_count] = worker;
    host->worker_count++;
    worker->index = host->worker_count;
    return worker->index;
}

void host_worker_move(struct host_worker *worker, enum host_worker_state state, const char *text)
{
    struct host *host = worker->host;
    mutex_lock(&host->mutex);
    INV(state > worker->state);
    bool was_serving = worker->state == HOST_WORKER_SERVING;
    worker->state = state;
    if (text != NULL) {
        (void)fail(&worker->error, LOAM_SCRIPT, "%s", text);
    }
    cond_broadcast(&host->cond);
    mutex_unlock(&host->mutex);
    bool is_stopping = __atomic_load_n(&host->shared.stop_ms, __ATOMIC_ACQUIRE) >= 0;
    if (was_serving && (state == HOST_WORKER_FAILED || !is_stopping)) {
        /* The main thread sits in host_signal_wait(); this one is blocked there and means us. */
        (void)pthread_kill(host->main_thread, SIGUSR2);
    }
}

int host_worker_wait(struct host *host, int index, struct loam_error *err)
{
    PRE(index >= 1 && index <= host->worker_count);
    struct host_worker *worker = host->workers[index - 1];
    mutex_lock(&host->mutex);
    while (worker->state == HOST_WORKER_STARTING) {
        cond_wait(&host->cond, &host->mutex);
    }
    int rc = worker->state == HOST_WORKER_SERVING ? LOAM_OK : LOAM_SCRIPT;
    if (rc != LOAM_OK) {
        rc = fail(err, LOAM_SCRIPT, "%s", worker->error.text);
    }
    mutex_unlock(&host->mutex);
    return rc;
}

static int count_running(const struct host *host) REQUIRES(host->mutex)
{
    int count = 0;
    for (int i = 0; i < host->worker_count; i++) {
        enum host_worker_state state = host->workers[i]->state;
        count += state == HOST_WORKER_STARTING || state == HOST_WORKER_SERVING;
    }
    return count;
}

int host_end_wait(struct host *host, int timeout_ms)
{
    PRE(timeout_ms >= 0);
    uint64_t until_ns = monotonic_ns() + (uint64_t)timeout_ms * 1000000;
    mutex_lock(&host->mutex);
    bool is_in_time = true;
    int running = count_running(host);
    while (running > 0 && is_in_time) {
        is_in_time = cond_wait_until(&host->cond, &host->mutex, until_ns);
        running = count_running(host);
    }
    mutex_unlock(&host->mutex);
    return running;
}

int host_join(struct host *host)
{
    int failed = 0;
    for (int i = 0; i < host->worker_count; i++) {
        thread_join(&host->workers[i]->thread);
        failed += host->workers[i]->state == HOST_WORKER_FAILED;
    }
    return failed;
}

struct host *host_worker_host(struct host_worker *worker)
{
    return worker->host;
}

struct http_worker *host_worker_http(struct host_worker *worker)
{
    return worker->http;
}

loam_db *host_worker_db(struct host_worker *worker)
{
    return worker->db;
}

int host_worker_index(const struct host_worker *worker)
{
    return worker->index;
}

const char *host_worker_config(const struct host_worker *worker, size_t *size)
{
    *size = worker->config_size;
    return worker->config;
}

void host_worker_ready(struct host_worker *worker)
{
    host_worker_move(worker, HOST_WORKER_SERVING, NULL);
}

struct host_turn *host_turn(struct host *host, int index)
{
    PRE(index >= 1 && index <= HOST_WORKER_COUNT_MAX);
    return &host->turns[index - 1];
}

const char *host_worker_prefix(const struct host *host, int index)
{
    PRE(index >= 1 && index <= host->worker_count);
    return http_worker_prefix(host->workers[index - 1]->http);
}

const struct http_counters *host_http_counters(const struct host *host, int index)
{
    PRE(index >= 1);
    return index <= host->worker_count ? http_worker_counters(host->workers[index - 1]->http)
                                       : NULL;
}
