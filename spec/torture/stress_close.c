/* SPDX-License-Identifier: MIT */
/*
 * stress_close.c - loam_shutdown() and loam_close() while sixteen threads have every public call in
 * flight, again and again on one store.
 *
 *     loam_stress_close DIR ROUNDS SEED
 *
 * What has to hold: every call comes back; CLOSED is answered after the shutdown began and not
 * before; once it has returned every write answers CLOSED; with the threads joined the store closes
 * at the first try; what a thread was told to be durable is there after the next open. Built with
 * ThreadSanitizer or AddressSanitizer it also finds races and use after free.
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "loam.h"

enum { THREADS = 16, PATH_MAX_SIZE = 4096, KEYS = 200 };

struct stress {
    loam_db *db;
    const char *path;
    _Atomic bool may_close; /* The shutdown may have begun. */
    _Atomic bool is_shut;   /* It has returned. */
    _Atomic bool is_stopping;
    _Atomic uint64_t calls;
    _Atomic uint64_t closed;
};

struct worker {
    struct stress *stress;
    pthread_t thread;
    int number;
    uint64_t random;
    uint64_t attempted; /* The counter under this thread's key. */
    uint64_t acked;
    loam_error err;
};

static _Noreturn void die(const char *what, const char *text)
{
    (void)printf("stress_close: %s: %s\n", what, text);
    (void)fflush(stdout);
    abort();
}

static uint64_t next_random(struct worker *worker, uint64_t limit)
{
    worker->random ^= worker->random << 13;
    worker->random ^= worker->random >> 7;
    worker->random ^= worker->random << 17;
    return worker->random % limit;
}

static void sleep_ms(uint64_t ms)
{
    struct timespec span = {.tv_sec = 0, .tv_nsec = (long)ms * 1000000};
    (void)nanosleep(&span, NULL);
}

/* Judges an answer. Returns whether the call was done. */
static bool took(struct worker *worker, const char *what, int rc)
{
    struct stress *stress = worker->stress;
    atomic_fetch_add(&stress->calls, 1);
    if (rc == LOAM_CLOSED) {
        if (!atomic_load(&stress->may_close)) {
            die(what, "CLOSED before the shutdown");
        }
        atomic_fetch_add(&stress->closed, 1);
        sleep_ms(1); /* Sixteen threads that ask again at once would leave no processor. */
        return false;
    }
    bool is_fine = rc >= 0 || rc == LOAM_NOT_FOUND || rc == LOAM_BUSY || rc == LOAM_EXISTS ||
                   rc == LOAM_CANCELLED;
    if (!is_fine) {
        die(what, worker->err.text);
    }
    return rc >= 0;
}

static size_t make_key(struct worker *worker, char key[32])
{
    return (size_t)snprintf(key, 32, "key%03d", (int)next_random(worker, KEYS));
}

/* ---- The calls ---- */

static void act_own(struct worker *worker)
{
    char key[32];
    char value[32];
    bool was_shut = atomic_load(&worker->stress->is_shut);
    size_t key_size = (size_t)snprintf(key, sizeof(key), "own%02d", worker->number);
    size_t value_size = (size_t)snprintf(value, sizeof(value), "%" PRIu64, ++worker->attempted);
    if (took(worker, "put",
             loam_put(worker->stress->db, LOAM_BUCKET_DEFAULT, key, key_size, value, value_size,
                      NULL, &worker->err))) {
        worker->acked = worker->attempted;
        if (was_shut) {
            die("put", "done after the shutdown");
        }
    }
}

static void act_write(struct worker *worker)
{
    static const int durabilities[] = {LOAM_OS, LOAM_OS, LOAM_INTERVAL, LOAM_SYNC};
    char key[32];
    char value[2000];
    size_t size = make_key(worker, key);
    memset(value, 'v', sizeof(value));
    loam_op op = {.kind = next_random(worker, 4) == 0 ? LOAM_OP_DELETE : LOAM_OP_PUT,
                  .bucket = LOAM_BUCKET_DEFAULT,
                  .key = key,
                  .key_size = size};
    if (op.kind == LOAM_OP_PUT) {
        op.value = value;
        op.value_size = next_random(worker, sizeof(value));
    }
    loam_commit commit = {.durability = durabilities[next_random(worker, 4)]};
    (void)took(worker, "apply", loam_apply(worker->stress->db, &op, &commit, NULL, &worker->err));
}

static void act_read(struct worker *worker)
{
    loam_db *db = worker->stress->db;
    char key[32];
    size_t size = make_key(worker, key);
    loam_buffer value = {0};
    loam_view view = {0};
    loam_slice keys[2] = {{key, size}, {"own01", 5}};
    loam_slice results[2];
    (void)took(worker, "get",
               loam_get(db, LOAM_BUCKET_DEFAULT, key, size, NULL, &value, &worker->err));
    (void)took(worker, "get_view",
               loam_get_view(db, LOAM_BUCKET_DEFAULT, key, size, NULL, &view, &worker->err));
    loam_view_release(&view);
    (void)took(worker, "mget",
               loam_mget(db, LOAM_BUCKET_DEFAULT, keys, 2, NULL, results, &value, &worker->err));
    loam_buffer_free(&value);
}

static void act_scan(struct worker *worker)
{
    loam_db *db = worker->stress->db;
    loam_range range = {.prefix = "key", .prefix_size = 3, .reverse = next_random(worker, 2) == 0};
    loam_snapshot *snapshot = NULL;
    loam_scan *scan = NULL;
    loam_rows rows = {.count = 1};
    if (!took(worker, "snapshot_open", loam_snapshot_open(db, &snapshot, &worker->err))) {
        return;
    }
    int rc = loam_scan_open(db, LOAM_BUCKET_DEFAULT, &range, snapshot, &scan, &worker->err);
    if (took(worker, "scan_open", rc)) {
        while (rows.count > 0 &&
               took(worker, "scan_next", loam_scan_next(scan, &rows, &worker->err))) {
        }
        loam_scan_close(scan);
    }
    uint64_t count = 0;
    rc = loam_count(db, LOAM_BUCKET_DEFAULT, &range, snapshot, &count, &worker->err);
    (void)took(worker, "count", rc);
    loam_snapshot_close(snapshot);
}

static void act_submit(struct worker *worker)
{
    loam_completions *queue = NULL;
    size_t waiting = 0;
    if (!took(worker, "completions_open",
              loam_completions_open(worker->stress->db, &queue, &worker->err))) {
        return;
    }
    loam_batch *batch = loam_batch_new();
    for (uint64_t tag = 1; tag <= 20; tag++) {
        loam_outcome outcome = {0};
        loam_commit commit = {.durability = 1 + (int)next_random(worker, 3)};
        loam_batch_clear(batch);
        if (loam_batch_put(batch, LOAM_BUCKET_DEFAULT, &tag, 8, "async", 5, &worker->err) < 0) {
            die("batch_put", worker->err.text);
        }
        int rc = loam_submit(queue, batch, &commit, tag, &outcome, &worker->err);
        waiting += took(worker, "submit", rc) && rc == 0;
    }
    while (waiting > 0) { /* Submitted writes are completed, whatever happens. */
        loam_completion done[8];
        size_t count = loam_completions_take(queue, done, 8);
        for (size_t i = 0; i < count; i++) {
            worker->err = done[i].error;
            (void)took(worker, "an asynchronous commit", done[i].code);
            loam_buffer_free(&done[i].outcome.previous);
        }
        waiting -= count;
        if (count == 0) {
            sleep_ms(1);
        }
    }
    loam_batch_free(batch);
    if (loam_completions_close(queue, &worker->err) != LOAM_OK) {
        die("completions_close", worker->err.text);
    }
}

static void act_background(struct worker *worker)
{
    loam_db *db = worker->stress->db;
    uint64_t job = 0;
    loam_job_info info;
    switch (next_random(worker, 3)) {
    case 0:
        if (took(worker, "compact", loam_compact(db, &job, &worker->err))) {
            (void)took(worker, "job_wait", loam_job_wait(db, job, 0, &info, &worker->err));
        }
        break;
    case 1:
        (void)took(worker, "sync", loam_sync(db, &worker->err));
        break;
    default:
        (void)took(worker, "flush", loam_flush(db, &worker->err));
        break;
    }
}

static void act_tools(struct worker *worker)
{
    loam_db *db = worker->stress->db;
    char path[PATH_MAX_SIZE];
    uint64_t job = 0;
    loam_job_info info;
    loam_buffer report = {0};
    (void)snprintf(path, sizeof(path), "%s.backup", worker->stress->path);
    int rc = LOAM_OK;
    switch (next_random(worker, 40)) {
    case 0:
        rc = loam_backup_start(db, path, NULL, &job, &worker->err);
        break;
    case 1:
        rc = loam_scrub(db, 100000, &job, &worker->err); /* Slow: a shutdown finds it running. */
        break;
    case 2:
        rc = loam_check_start(db, &job, &worker->err);
        break;
    case 3:
        (void)took(worker, "check", loam_check(db, &report, &worker->err));
        loam_buffer_free(&report);
        return;
    default:
        return; /* Each of them is long. */
    }
    if (took(worker, "a job", rc)) {
        (void)took(worker, "job_wait", loam_job_wait(db, job, 0, &info, &worker->err));
    }
}

static void act_looking(struct worker *worker)
{
    loam_db *db = worker->stress->db;
    loam_stats stats;
    loam_histogram histogram;
    loam_table_info tables[16];
    loam_job_info jobs[4];
    loam_log_line lines[4];
    loam_bucket_info buckets[8];
    loam_bucket_info info;
    loam_bucket_options create = {.create = true};
    char name[32];
    uint32_t id = 0;
    loam_stats_get(db, &stats);
    loam_histogram_get(db, (int)next_random(worker, LOAM_HISTOGRAM_COUNT), &histogram);
    (void)loam_tables(db, tables, 16);
    (void)loam_job_list(db, jobs, 4);
    (void)loam_log_take(db, lines, 4);
    (void)loam_bucket_list(db, buckets, 8);
    if (next_random(worker, 8) != 0) {
        return;
    }
    (void)snprintf(name, sizeof(name), "temporary%d", worker->number);
    (void)took(worker, "bucket_open", loam_bucket_open(db, name, &create, &info, &worker->err));
    (void)took(worker, "bucket_drop", loam_bucket_drop(db, name, &worker->err));
    (void)took(worker, "content_type", loam_content_type_id(db, "a/b", 3, &id, &worker->err));
}

/* ---- Rounds ---- */

typedef void act_fn(struct worker *worker);
static act_fn *const ACTS[] = {act_own,     act_own,        act_write,  act_write,
                               act_read,    act_scan,       act_submit, act_write,
                               act_looking, act_background, act_read,   act_tools};

static void *run_worker(void *argument)
{
    struct worker *worker = argument;
    while (!atomic_load(&worker->stress->is_stopping)) {
        ACTS[next_random(worker, sizeof(ACTS) / sizeof(ACTS[0]))](worker);
    }
    return NULL;
}

static void open_store(struct stress *stress)
{
    loam_error err;
    loam_options options;
    loam_options_init(&options);
    options.memtable_bytes = 64 << 10;
    options.table_bytes = 64 << 10;
    options.memory_bytes = 4 << 20;
    options.background_threads = 2;
    if (loam_open(stress->path, &options, &stress->db, &err) != LOAM_OK) {
        die("open", err.text);
    }
}

/* What this thread was told is there. */
static void check_own(struct worker *worker)
{
    char key[32];
    size_t size = (size_t)snprintf(key, sizeof(key), "own%02d", worker->number);
    loam_buffer value = {0};
    int rc =
        loam_get(worker->stress->db, LOAM_BUCKET_DEFAULT, key, size, NULL, &value, &worker->err);
    uint64_t seen = 0;
    for (size_t i = 0; rc == LOAM_OK && i < value.size; i++) {
        seen = seen * 10 + (uint64_t)(value.data[i] - '0');
    }
    if ((rc != LOAM_OK && rc != LOAM_NOT_FOUND) || seen < worker->acked ||
        seen > worker->attempted) {
        die(key, "is not what was acknowledged");
    }
    worker->attempted = seen;
    worker->acked = seen;
    loam_buffer_free(&value);
}

static void run_round(struct stress *stress, struct worker *workers, uint64_t ms)
{
    loam_error err;
    open_store(stress);
    for (int i = 0; i < THREADS; i++) {
        check_own(&workers[i]);
    }
    for (int i = 0; i < THREADS; i++) {
        if (pthread_create(&workers[i].thread, NULL, run_worker, &workers[i]) != 0) {
            die("pthread_create", "");
        }
    }
    sleep_ms(ms);
    atomic_store(&stress->may_close, true);
    loam_shutdown(stress->db);
    atomic_store(&stress->is_shut, true);
    sleep_ms(2); /* Calls that begin after it. */
    atomic_store(&stress->is_stopping, true);
    for (int i = 0; i < THREADS; i++) {
        (void)pthread_join(workers[i].thread, NULL);
    }
    if (loam_close(stress->db, &err) != LOAM_OK) {
        die("close", err.text);
    }
    atomic_store(&stress->is_stopping, false);
    atomic_store(&stress->is_shut, false);
    atomic_store(&stress->may_close, false);
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        (void)printf("usage: loam_stress_close DIR ROUNDS SEED\n");
        return 2;
    }
    static struct stress stress;
    static struct worker workers[THREADS];
    uint64_t rounds = strtoull(argv[2], NULL, 10);
    uint64_t seed = strtoull(argv[3], NULL, 10);
    stress.path = argv[1];
    for (int i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){.stress = &stress,
                                     .number = i,
                                     .random = (seed + 1) * 0x9e3779b97f4a7c15u + (uint64_t)i};
    }
    for (uint64_t round = 0; round < rounds; round++) {
        run_round(&stress, workers, next_random(&workers[0], 60));
    }
    (void)printf("%" PRIu64 " calls\n%" PRIu64 " calls answered closed\n%" PRIu64
                 " shutdowns with calls in flight\n",
                 atomic_load(&stress.calls), atomic_load(&stress.closed), rounds);
    return 0;
}
