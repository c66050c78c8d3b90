/* SPDX-License-Identifier: MIT */
/*
 * host.h - what the host's Lua calls beyond loam.h and http.h. Floor 5, the top.
 *
 * A `struct host` is what the threads of one server share: the workers, the counters, the buckets'
 * epoch and the queue of slow calls. The main thread's Lua (lua/loam/server.lua) makes it, opens
 * one http_worker per worker thread, starts them and then waits for signals. Each worker thread has
 * a lua_State of its own that runs lua/loam/worker.lua. Lua always asks; nothing here calls Lua
 * back.
 *
 * Thread: "main" = the thread that opened the host; "worker" = the worker's own thread.
 */
#ifndef LOAM_HOST_HOST_H
#define LOAM_HOST_HOST_H

#include <stddef.h>
#include <stdint.h>

#include "http/http.h"
#include "loam.h"

/* ffi: begin */
struct host;
struct host_worker;

/* ---- The process ---- */

/* Words that every thread may read at any time. */
struct host_shared {
    uint32_t bucket_epoch; /* Grows when a bucket is dropped or made: cached ids are stale. */
    uint32_t reload_count; /* Grows with every host_reload(). */
    uint32_t token_epoch;  /* Grows when a worker has changed the file of tokens. */
    int32_t stop_ms;       /* -1 while serving, else the deadline of the graceful stop. */
    uint32_t worker_count;
    int32_t log_level;       /* 0 = as configured, else 1 debug .. 4 error: host_log_level_set(). */
    uint32_t question_count; /* Grows with every host_board_ask(). */
    double started_at_ms;    /* Since the Unix epoch. */
};

/* Errors: INVALID a count outside 1..256; NO_MEMORY, IO. *out is released with host_close().
 * Thread: main */
int host_open(int worker_count, struct host **out, struct loam_error *err);
/* Stops and joins what still runs, closes the HTTP workers. NULL is fine. Thread: main */
void host_close(struct host *host);
/* Valid until host_close(). Thread: any */
const struct host_shared *host_shared(const struct host *host);
/* Lets every worker stop accepting, finish within deadline_ms, and end. Thread: any */
void host_stop(struct host *host, int deadline_ms);
/* Lets every worker load app.lua again. Thread: any */
void host_reload(struct host *host);
/* Lets every worker log from this level on. Thread: any */
void host_log_level_set(struct host *host, int level);
/* To be called after a bucket was made or dropped. Thread: any */
void host_buckets_changed(struct host *host);

/* To be called after the file of tokens was written: a revoked token is good in no worker when this
 * has returned. Thread: any */
void host_tokens_changed(struct host *host);

/* Blocks SIGTERM, SIGINT, SIGHUP for this thread and those it starts, and ignores SIGPIPE. Thread:
 * main, before any other thread exists */
void host_signals_block(void);
/* Lets the process have as many descriptors as it may. Thread: main */
void host_descriptors_raise(void);
/* Waits for one of them; -1 = no limit. Returns 15, 2, 1, HOST_SIGNAL_WORKER when a worker ended
 * without being told to, or 0 after the timeout. Thread: main */
int host_signal_wait(struct host *host, int timeout_ms);
enum { HOST_SIGNAL_WORKER = 1000 };

/* Modification time of a file in seconds, -1 when there is none. Thread: any */
double host_file_mtime(const char *path);
/* 1 for a directory, 0 for anything else. Thread: any */
int host_is_directory(const char *path);
/* Makes a directory, mode 0700; one that is there is fine. Errors: IO. Thread: any */
int host_make_directory(const char *path, struct loam_error *err);
/* Processors this process may use, at least 1. Thread: any */
int host_cpu_count(void);
/* Milliseconds since the Unix epoch; milliseconds of the monotonic clock. Thread: any */
double host_now_ms(void);
double host_monotonic_ms(void);

/* ---- Workers ---- */

/* Gives the host an open http_worker; host_close() closes it. Returns its index, counted from 1.
 * Thread: main, before host_worker_start() */
int host_worker_add(struct host *host, struct http_worker *http);
/* Starts the thread of worker `index`: a new lua_State calls loam.worker with the worker, and
 * `config` is what host_worker_config() then gives it. The program only. Thread: main */
int host_worker_start(struct host *host,
                      int index,
                      loam_db *db,
                      const char *config,
                      size_t config_size,
                      struct loam_error *err);
/* Waits until the worker serves, or has failed: SCRIPT with its one line. Thread: main */
int host_worker_wait(struct host *host, int index, struct loam_error *err);
/* Waits until no worker runs any more, for timeout_ms at most. Returns how many still run: those
 * can only be left behind, with host_exit(). Thread: main */
int host_end_wait(struct host *host, int timeout_ms);
/* Waits for the end of all workers. Returns how many ended by a failure. Thread: main */
int host_join(struct host *host);
/* Ends the process without another look at its threads. Thread: any */
void host_exit(int code);

struct host *host_worker_host(struct host_worker *worker);
struct http_worker *host_worker_http(struct host_worker *worker);
loam_db *host_worker_db(struct host_worker *worker);
int host_worker_index(const struct host_worker *worker);
/* Valid until the worker has ended. */
const char *host_worker_config(const struct host_worker *worker, size_t *size);
/* Tells host_worker_wait() that this worker serves. Thread: worker */
void host_worker_ready(struct host_worker *worker);
/* What a worker is at. It alone writes; others may read: a text may come out mixed. */
struct host_turn {
    double since_ms; /* When it left its poll, by the monotonic clock; 0 = it waits for events. */
    double step;     /* Counts the tasks that went on. */
    double step_ms;  /* When the last one did, by the monotonic clock. */
    double ended;    /* The step that host_interrupt() has ended last. */
    double serial;   /* Of the request that runs; 0 = none. */
    uint32_t size;   /* Of `what`. */
    char what[100];  /* Target of the request, or a few words. */
};
/* Of worker `index`; valid until host_close(). Thread: any */
struct host_turn *host_turn(struct host *host, int index);
/* Lets worker `index` raise errors in Lua code that is not Loam's, nor compiled, for as long as it
 * is in that step. The program only. Thread: main */
void host_interrupt(struct host *host, int index, double step);
/* What its request ids begin with, in front of "-". Thread: any */
const char *host_worker_prefix(const struct host *host, int index);
/* Counters of the connections of worker `index`; they move while they are read. Thread: any */
const struct http_counters *host_http_counters(const struct host *host, int index);

/* ---- Counters ---- */

/*
 * A metric is a run of `width` slots. Every worker has a row with all slots and is the only one who
 * writes it, with plain stores; readers add up the rows. So counting costs no atomic operation, and
 * a sum may lag by what happened during the addition. Row 0 belongs to the main thread.
 */
/* Finds or makes the slots of a metric. Returns the first slot, or TOO_LARGE when all are taken.
 * Thread: any */
int host_metric_slot(struct host *host, const char *key, size_t key_size, int width);
/* The row of worker `index`; valid until host_close(). Thread: any */
double *host_metric_row(struct host *host, int index);
/* How many metrics there are; they never go away. Thread: any */
int host_metric_count(struct host *host);
/* The key of metric `at` (counted from 0), valid until host_close(), and its slots. Thread: any */
const char *host_metric_get(struct host *host, int at, size_t *key_size, int *slot, int *width);
/* The sum of one slot over all rows. Thread: any */
double host_metric_sum(struct host *host, int slot);

/* ---- Questions to all workers ---- */

/* Puts a question on the board, in the place of the last one, and wakes all workers. Returns its
 * number, from 1, or NO_MEMORY. Thread: any */
double host_board_ask(struct host *host, const char *text, size_t size);
/* Puts up the answer of a worker. Errors: NO_MEMORY. Thread: any */
int host_board_answer(struct host *host, int worker, double number, const char *text, size_t size);
/* Copies what is at a place: 0 = the question, else the answer of that worker. Returns the number
 * of the question it belongs to, 0 for none, or NO_MEMORY. Thread: any */
double host_board_read(struct host *host, int place, loam_buffer *out);

/* ---- Slow calls ---- */

enum {
    HOST_TASK_FLUSH = 1,
    HOST_TASK_SYNC = 2,
    HOST_TASK_BUCKET_OPEN = 3,
    HOST_TASK_BUCKET_DROP = 4,
    HOST_TASK_CONTENT_TYPE = 5,
    HOST_TASK_COMPACT = 6, /* Flushes first. */
};

/* A call of the engine that waits for the disk, made by a thread of the host in the worker's stead.
 * Zero-initialise it. */
struct host_task {
    int kind;   /* HOST_TASK_* */
    double tag; /* The caller's. */
    char name[160];
    size_t name_size;
    struct loam_bucket_options bucket_options;
    int code; /* Result. */
    uint32_t content_type;
    uint64_t job;
    struct loam_bucket_info bucket;
    struct loam_error error;
};
/* Copies the task and queues it. The worker gets WAKE when it is done. Errors: NO_MEMORY. Thread:
 * worker */
int host_task_submit(struct host_worker *worker,
                     const struct host_task *task,
                     struct loam_error *err);
/* Makes the call at once, in this thread. Thread: any */
void host_task_run(loam_db *db, struct host_task *task);
/* Moves one finished task of this worker to *out; returns 1, or 0 when there is none. Thread:
 * worker */
int host_task_take(struct host_worker *worker, struct host_task *out);

/* ---- PUTs from the socket to the engine ---- */

enum { HOST_PUT_GROUP_MAX = 256 }; /* As many operations as loam_outcome.existed_bits tells of. */

/* Requests whose rows are committed together; answered with their own sequence numbers. */
struct host_put_group {
    loam_batch *batch;
    struct http_request *requests[HOST_PUT_GROUP_MAX];
    uint32_t generations[HOST_PUT_GROUP_MAX];
    uint32_t count;
    uint32_t index;
    struct host_put_group *next_free;
};

/*
 * Plain PUTs (no condition, no query but the durability, a key without escapes, a content type seen
 * before) from the requests of one poll to the engine and back, without Lua values. Those that
 * follow each other with the same bucket and durability make one batch. One per worker, all of it
 * the worker's. The first part is the caller's.
 */
struct host_puts {
    loam_completions *queue;
    int durability; /* Of requests that do not say. */
    uint32_t deadline_ms;
    double tag_base; /* The tag of a group is this plus its index. */
    size_t key_bytes_max;
    size_t value_bytes_max;
    size_t group_bytes_max;
    const char *type_name; /* The remembered content type; NULL = none. */
    size_t type_size;
    uint32_t content_type; /* Its id. */
    double *created;       /* Counters of answers 201 and 204; NULL: not counted. */
    double *replaced;

    /* The open group. */
    uint32_t waiting; /* Its requests. */
    uint32_t bucket;
    int open_durability;
    size_t open_bytes;
    struct host_put_group *open;
    /* All groups. */
    uint32_t pending; /* Submitted and not finished. */
    uint32_t group_count;
    uint32_t group_capacity;
    struct host_put_group **groups;
    struct host_put_group *free;
};

enum {
    HOST_PUT_TAKEN = 1,
    HOST_PUT_FLUSH = 2, /* Not taken yet: host_puts_flush(), then again. */
    HOST_PUT_OTHER = 3, /* No plain PUT: for the general way. */
};
/* After the caller's part is filled. Released with host_puts_close(). Errors: NO_MEMORY. Thread:
 * worker */
int host_puts_open(struct host_puts *puts, struct loam_error *err);
/* Requests that wait in groups get no answer. Thread: worker */
void host_puts_close(struct host_puts *puts);
/* Adds a request to the open group; its body has been copied then. Returns HOST_PUT_*. Thread:
 * worker */
int host_puts_add(struct host_puts *puts,
                  struct http_request *request,
                  uint32_t bucket,
                  const char *raw,
                  size_t raw_size);
/* Submits the open group. Returns LOAM_OK, when it was answered or a completion will follow, or the
 * code of loam_submit(): the group's requests are then the caller's, who sets `waiting` to 0;
 * *stall_ms is set too. Thread: worker */
int host_puts_flush(struct host_puts *puts, uint32_t *stall_ms, struct loam_error *err);
/* Answers the requests of the group at `index` by its completion. A negative code is the commit's
 * own: nothing was sent, the group's requests are the caller's. host_puts_recycle() follows in any
 * case. Thread: worker */
int host_puts_finish(struct host_puts *puts, uint32_t index, const loam_completion *completion);
void host_puts_recycle(struct host_puts *puts, uint32_t index);
/* CRC-32 (IEEE 802.3) of some bytes. Thread: any */
double host_crc32(const void *data, size_t size);
/* ffi: end */

#endif
