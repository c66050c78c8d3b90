/* SPDX-License-Identifier: MIT */
/*
 * host_private.h - the structs behind host.h, for core/host only. Floor 5.
 *
 * Lock order: tasks.mutex and host.mutex are leaves; neither is held while the other is taken.
 */
#ifndef LOAM_HOST_PRIVATE_H
#define LOAM_HOST_PRIVATE_H

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "base/check.h"
#include "base/thread.h"
#include "host/host.h"
#include "http/checked.h"

#define HOST_WORKER_COUNT_MAX 256
#define HOST_METRIC_SLOTS     16384 /* Per worker: 128 KiB. */
#define HOST_METRIC_COUNT_MAX 4096
#define HOST_TASK_THREADS     2 /* A long flush does not hold up a new bucket. */
#define HOST_CONFIG_TEXT_MAX  (1u << 20)

enum host_worker_state {
    HOST_WORKER_NEW = 0,
    HOST_WORKER_STARTING = 1,
    HOST_WORKER_SERVING = 2,
    HOST_WORKER_ENDED = 3,  /* As told. */
    HOST_WORKER_FAILED = 4, /* Its Lua raised. */
};

struct host_task_node {
    struct host_task_node *next;
    struct host_worker *worker;
    struct host_task task;
};

struct host_task_list {
    struct host_task_node *first;
    struct host_task_node *last;
};

struct host_worker {
    /* Constant after host_worker_start(). */
    struct host *host;
    struct http_worker *http;
    loam_db *db;
    int index;
    char *config;
    size_t config_size;
    struct loam_thread thread;
    /* Protected by host->mutex. */
    enum host_worker_state state;
    struct loam_error error; /* Why it failed. */
    /* Atomic: set by the main thread, then a signal; read in the worker's hook. */
    double interrupt_step;
    /* Protected by host->tasks.mutex. */
    struct host_task_list done;
};

struct host_metric {
    char *key;
    size_t key_size;
    int slot;
    int width;
};

struct host_tasks {
    struct loam_mutex mutex;
    struct loam_cond cond; /* Something is queued, or is_stopping. */
    struct loam_thread threads[HOST_TASK_THREADS];
    struct host_task_list queued PROTECTED_BY(mutex);
    bool is_stopping PROTECTED_BY(mutex);
};

struct host {
    struct host_shared shared; /* Words written with atomic stores, read by plain loads. */
    pthread_t main_thread;
    struct loam_mutex mutex;
    struct loam_cond cond; /* A worker's state changed. */
    struct host_worker *workers[HOST_WORKER_COUNT_MAX];
    int worker_count PROTECTED_BY(mutex);
    struct host_turn turns[HOST_WORKER_COUNT_MAX]; /* Each written by its worker alone. */
    struct host_metric metrics[HOST_METRIC_COUNT_MAX] PROTECTED_BY(mutex);
    _Atomic int metric_count; /* Release: the entries below it are complete. */
    int slot_count PROTECTED_BY(mutex);
    double *rows; /* (worker_count + 1) rows of HOST_METRIC_SLOTS. */
    struct host_tasks tasks;
    struct host_logins *logins; /* Constant. */
    /* board.c: the question, and the answer of each worker. Numbers are of questions. */
    struct loam_buffer board_texts[HOST_WORKER_COUNT_MAX + 1] PROTECTED_BY(mutex);
    double board_numbers[HOST_WORKER_COUNT_MAX + 1] PROTECTED_BY(mutex);
};

enum { HOST_HEAD_SIZE_MAX = 512 }; /* ETag, X-KV-Seq, X-KV-Expires-At and a content type fit. */

/* Header lines under construction; what does not fit is a mistake of ours. */
struct host_head {
    size_t size;
    char text[HOST_HEAD_SIZE_MAX];
};

static inline void host_head_text(struct host_head *head, const char *text, size_t size)
{
    PRE(size <= sizeof head->text - head->size);
    memcpy(head->text + head->size, text, size);
    head->size += size;
}

#define HOST_HEAD_LITERAL(head, literal) host_head_text((head), "" literal, sizeof(literal) - 1)

static inline void host_head_number(struct host_head *head, uint64_t number)
{
    char digits[20];
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number != 0);
    host_head_text(head, digits + at, sizeof digits - at);
}

/* ETag: "SEQ" and X-KV-Seq: SEQ. */
static inline void host_head_seq(struct host_head *head, uint64_t seq)
{
    HOST_HEAD_LITERAL(head, "ETag: \"");
    size_t at = head->size;
    host_head_number(head, seq);
    size_t size = head->size - at;
    HOST_HEAD_LITERAL(head, "\"\r\nX-KV-Seq: ");
    host_head_text(head, head->text + at, size);
    HOST_HEAD_LITERAL(head, "\r\n");
}

/* Makes every worker's poll return. */
void host_wake_all(struct host *host);
/* Starts the threads of the queue. Errors: IO. */
NODISCARD int host_tasks_start(struct host *host, struct loam_error *err);
/* Ends the threads after what is queued; frees finished tasks nobody took. */
void host_tasks_stop(struct host *host);
/* Moves a worker to a state and tells waiters; `text` (may be NULL) is why it failed. */
void host_worker_move(struct host_worker *worker, enum host_worker_state state, const char *text);

#endif
