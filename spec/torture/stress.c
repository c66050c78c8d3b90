/* SPDX-License-Identifier: MIT */
/*
 * stress.c - sixteen threads on one store, every public call in flight, through loam.h alone.
 *
 *     loam_stress DIR SECONDS SEED
 *
 * What has to hold all the time: the accounts of bucket "bank" sum up to the same in every scan,
 * multi-get and snapshot, whatever the transfers do; a snapshot reads the same twice; a thread
 * reads what it wrote to keys of its own; of two conditional writes on one sequence number one
 * wins. Built with ThreadSanitizer it also finds races. The store is closed while a compaction that
 * was just asked for runs, opened again, and summed up once more.
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "stress.h"

_Noreturn void die(const char *what, const loam_error *err)
{
    (void)printf("stress: %s: %s\n", what, err != NULL ? err->text : "");
    (void)fflush(stdout);
    abort();
}

void must(const char *what, int rc, const loam_error *err)
{
    if (rc < 0) {
        (void)printf("stress: %s answers %s\n", what, loam_code_name(rc));
        die(what, err);
    }
}

uint64_t next_random(struct worker *worker, uint64_t limit)
{
    worker->random ^= worker->random << 13;
    worker->random ^= worker->random >> 7;
    worker->random ^= worker->random << 17;
    return worker->random % limit;
}

/* ---- Keys of one thread ---- */

static int own_key(const struct worker *worker, uint64_t index, char *key)
{
    return snprintf(key, KEY_SIZE, "own%02d.%03" PRIu64, worker->number, index);
}

static void check_own(struct worker *worker, uint64_t index)
{
    char key[KEY_SIZE];
    size_t size = (size_t)own_key(worker, index, key);
    loam_error err = {0};
    loam_view view = {0};
    int rc = loam_get_view(worker->stress->db, LOAM_BUCKET_DEFAULT, key, size, NULL, &view, &err);
    if (rc != LOAM_NOT_FOUND) {
        must("get_view", rc, &err);
    }
    int seen = 0;
    if (rc == LOAM_OK) {
        memcpy(&seen, view.data, sizeof(seen));
    }
    if (seen != worker->own[index]) {
        (void)printf("stress: %s is %d, wrote %d\n", key, seen, worker->own[index]);
        die("a thread does not read its own write", NULL);
    }
    loam_view_release(&view);
}

static void write_own(struct worker *worker, uint64_t index)
{
    char key[KEY_SIZE];
    char value[600];
    size_t size = (size_t)own_key(worker, index, key);
    loam_error err = {0};
    uint64_t seq = 0;
    struct stress *stress = worker->stress;
    if (next_random(worker, 4) == 0) {
        must("delete", loam_delete(stress->db, LOAM_BUCKET_DEFAULT, key, size, &seq, &err), &err);
        worker->own[index] = 0;
        return;
    }
    int number = (int)next_random(worker, 1000000) + 1;
    memset(value, 'v', sizeof(value));
    memcpy(value, &number, sizeof(number));
    loam_op op = {.kind = LOAM_OP_PUT,
                  .bucket = LOAM_BUCKET_DEFAULT,
                  .key = key,
                  .key_size = size,
                  .value = value,
                  .value_size = sizeof(number) + next_random(worker, 590),
                  .report_previous = true,
                  .want_previous = true};
    loam_commit commit = {.durability = LOAM_OS};
    loam_outcome outcome = {0};
    must("apply", loam_apply(stress->db, &op, &commit, &outcome, &err), &err);
    if (outcome.existed != (worker->own[index] != 0)) {
        die("apply reports a wrong previous row", NULL);
    }
    loam_buffer_free(&outcome.previous);
    worker->own[index] = number;
}

static void work_own(struct worker *worker)
{
    uint64_t index = next_random(worker, OWN_KEYS);
    check_own(worker, index);
    write_own(worker, index);
    check_own(worker, next_random(worker, OWN_KEYS));
    if (next_random(worker, 200) == 0) {
        char prefix[KEY_SIZE];
        int size = snprintf(prefix, sizeof(prefix), "own%02d.", worker->number);
        loam_range range = {.prefix = prefix, .prefix_size = (size_t)size};
        loam_commit commit = {.durability = LOAM_OS};
        loam_error err = {0};
        uint64_t counted = 0;
        uint64_t deleted = 0;
        loam_db *db = worker->stress->db;
        must("count", loam_count(db, LOAM_BUCKET_DEFAULT, &range, NULL, &counted, &err), &err);
        must("delete_range",
             loam_delete_range(db, LOAM_BUCKET_DEFAULT, &range, &commit, &deleted, &err), &err);
        if (counted != deleted) {
            die("delete_range deletes other rows than count counts", NULL);
        }
        memset(worker->own, 0, sizeof(worker->own));
    }
}

/* ---- Asynchronous commits, counters, administration ---- */

static void work_async(struct worker *worker)
{
    enum { BATCHES = 50 };
    loam_db *db = worker->stress->db;
    loam_error err = {0};
    loam_completions *queue = NULL;
    must("completions_open", loam_completions_open(db, &queue, &err), &err);
    loam_batch *batch = loam_batch_new();
    size_t waiting = 0;
    for (uint64_t tag = 1; tag <= BATCHES; tag++) {
        loam_outcome outcome = {0};
        loam_commit commit = {.durability = 1 + (int)next_random(worker, 3)};
        loam_batch_clear(batch);
        must("batch_put", loam_batch_put(batch, LOAM_BUCKET_DEFAULT, &tag, 8, "async", 5, &err),
             &err);
        int rc = loam_submit(queue, batch, &commit, tag, &outcome, &err);
        must("submit", rc, &err);
        waiting += rc == 0;
    }
    while (waiting > 0) {
        loam_completion done[8];
        size_t count = loam_completions_take(queue, done, 8);
        for (size_t i = 0; i < count; i++) {
            must("an asynchronous commit", done[i].code, &done[i].error);
            loam_buffer_free(&done[i].outcome.previous);
        }
        waiting -= count;
    }
    loam_batch_free(batch);
    must("completions_close", loam_completions_close(queue, &err), &err);
}

static void work_counter(struct worker *worker)
{
    loam_error err = {0};
    loam_outcome outcome = {0};
    loam_commit commit = {.durability = LOAM_INTERVAL};
    loam_op op = {.kind = LOAM_OP_INCR,
                  .bucket = LOAM_BUCKET_DEFAULT,
                  .key = "counter",
                  .key_size = 7,
                  .by = 1,
                  .has_init = true};
    if (next_random(worker, 4) == 0) {
        op = (loam_op){.kind = LOAM_OP_APPEND,
                       .bucket = LOAM_BUCKET_DEFAULT,
                       .key = "text",
                       .key_size = 4,
                       .value = "x",
                       .value_size = 1,
                       .ttl_ms = 50};
    }
    must("incr or append", loam_apply(worker->stress->db, &op, &commit, &outcome, &err), &err);
    loam_buffer_free(&outcome.previous);
}

static void work_background(struct worker *worker)
{
    loam_db *db = worker->stress->db;
    loam_error err = {0};
    uint64_t job = 0;
    loam_job_info info;
    switch (next_random(worker, 4)) {
    case 0:
        must("compact", loam_compact(db, &job, &err), &err);
        if (next_random(worker, 2) == 0) {
            must("job_cancel", loam_job_cancel(db, job, &err), &err);
        }
        must("job_wait", loam_job_wait(db, job, 0, &info, &err), &err);
        break;
    case 1:
        must("sync", loam_sync(db, &err), &err);
        break;
    default:
        must("flush", loam_flush(db, &err), &err);
        break;
    }
}

/* Long calls of which several threads start the same one; BUSY is an answer. */
static void start_jobs(struct worker *worker)
{
    loam_db *db = worker->stress->db;
    loam_error err = {0};
    uint64_t job = 0;
    char path[512];
    (void)snprintf(path, sizeof(path), "%s-backup", loam_path(db));
    int rc = LOAM_OK;
    switch (next_random(worker, 4)) {
    case 0:
        rc = loam_scrub(db, 0, &job, &err);
        break;
    case 1:
        rc = loam_check_start(db, &job, &err);
        break;
    case 2:
        rc = loam_backup_start(db, path, NULL, &job, &err);
        break;
    default:
        rc = loam_backup_verify_start(db, path, 0, &job, &err);
    }
    if (rc != LOAM_OK && rc != LOAM_BUSY) {
        die("a job does not start", &err);
    }
    if (rc == LOAM_OK && next_random(worker, 2) == 0) {
        (void)loam_job_cancel(db, job, NULL);
    }
}

static void look_around(struct worker *worker)
{
    loam_db *db = worker->stress->db;
    loam_error err = {0};
    loam_handle_info handles[8];
    loam_file_info files[8];
    loam_explain_step steps[8];
    loam_space_info space;
    loam_slice key = {.data = "a", .size = 1};
    size_t count = 0;
    (void)loam_handles(db, handles, 8);
    must("explain", loam_explain(db, LOAM_BUCKET_DEFAULT, &key, steps, 8, &count, &err), &err);
    if (next_random(worker, 20) == 0) {
        must("files", loam_files(db, files, 8, &count, &err), &err);
        must("space", loam_space(db, &space, &err), &err);
    }
}

static void work_looking(struct worker *worker)
{
    static const char *const NAMES[] = {"text/plain", "text/html", "image/png"};
    loam_db *db = worker->stress->db;
    loam_error err = {0};
    loam_stats stats;
    loam_histogram histogram;
    loam_table_info tables[16];
    loam_job_info jobs[4];
    loam_log_line lines[4];
    loam_bucket_info buckets[8];
    loam_stats_get(db, &stats);
    if (stats.health == LOAM_HEALTH_READ_ONLY) {
        die(stats.health_text, NULL);
    }
    loam_histogram_get(db, (int)next_random(worker, LOAM_HISTOGRAM_COUNT), &histogram);
    (void)loam_tables(db, tables, 16);
    (void)loam_job_list(db, jobs, 4);
    (void)loam_log_take(db, lines, 4);
    (void)loam_bucket_list(db, buckets, 8);
    if (loam_durable_seq(db) > loam_seq(db)) {
        die("the durable sequence number is ahead of the visible one", NULL);
    }
    uint32_t id = 0;
    const char *name = NAMES[next_random(worker, 3)];
    must("content_type_id", loam_content_type_id(db, name, strlen(name), &id, &err), &err);
    if (strcmp(loam_content_type_name(db, id), name) != 0) {
        die("a content type has another's name", NULL);
    }
    look_around(worker);
    if (next_random(worker, 50) == 0) {
        start_jobs(worker);
        loam_buffer report = {0};
        must("check", loam_check(db, &report, &err), &err);
        loam_buffer_free(&report);
    }
}

static void work_buckets(struct worker *worker)
{
    loam_db *db = worker->stress->db;
    loam_error err = {0};
    loam_bucket_options options = {.create = true};
    loam_bucket_info info;
    char name[KEY_SIZE];
    (void)snprintf(name, sizeof(name), "temporary%d", worker->number);
    must("bucket_open", loam_bucket_open(db, name, &options, &info, &err), &err);
    for (uint64_t i = 0; i < 20; i++) {
        must("put into a bucket", loam_put(db, info.id, &i, 8, "row", 3, NULL, &err), &err);
    }
    must("bucket_drop", loam_bucket_drop(db, name, &err), &err);
}

/* ---- Threads ---- */

typedef void work_fn(struct worker *worker);

static work_fn *const WORK[THREADS] = {
    work_transfer, work_transfer, work_transfer, work_transfer,   work_sums,  work_sums,
    work_sums,     work_own,      work_own,      work_own,        work_async, work_async,
    work_counter,  work_looking,  work_buckets,  work_background,
};

static void *run_worker(void *argument)
{
    struct worker *worker = argument;
    while (!atomic_load(&worker->stress->is_stopping)) {
        WORK[worker->number](worker);
        atomic_fetch_add(&worker->stress->operations, 1);
    }
    return NULL;
}

static void open_store(struct stress *stress, const char *path)
{
    loam_error err = {0};
    loam_options options;
    loam_bucket_info info;
    loam_bucket_options bucket = {.create = true};
    loam_options_init(&options);
    options.memtable_bytes = 256 << 10;
    options.table_bytes = 256 << 10;
    options.memory_bytes = 4 << 20;
    options.background_threads = 2;
    must("open", loam_open(path, &options, &stress->db, &err), &err);
    must("bucket_open", loam_bucket_open(stress->db, "bank", &bucket, &info, &err), &err);
    stress->bank = info.id;
}

static void close_store(struct stress *stress)
{
    loam_error err = {0};
    loam_snapshot *snapshot = NULL;
    uint64_t job = 0;
    must("snapshot_open", loam_snapshot_open(stress->db, &snapshot, &err), &err);
    if (loam_close(stress->db, &err) != LOAM_BUSY) {
        die("a store with an open snapshot closes", &err);
    }
    loam_snapshot_close(snapshot);
    must("compact", loam_compact(stress->db, &job, &err), &err);
    must("close", loam_close(stress->db, &err), &err);
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        (void)printf("usage: loam_stress DIR SECONDS SEED\n");
        return 2;
    }
    static struct stress stress;
    static struct worker workers[THREADS];
    pthread_t threads[THREADS];
    stress.seed = strtoull(argv[3], NULL, 10);
    open_store(&stress, argv[1]);
    bank_deposit(&stress);
    for (int i = 0; i < THREADS; i++) {
        workers[i] =
            (struct worker){.stress = &stress,
                            .number = i,
                            .random = (stress.seed + 1) * 0x9e3779b97f4a7c15u + (uint64_t)i};
        if (pthread_create(&threads[i], NULL, run_worker, &workers[i]) != 0) {
            die("no thread", NULL);
        }
    }
    struct timespec wait = {.tv_sec = strtol(argv[2], NULL, 10)};
    (void)nanosleep(&wait, NULL);
    atomic_store(&stress.is_stopping, true);
    for (int i = 0; i < THREADS; i++) {
        (void)pthread_join(threads[i], NULL);
    }
    close_store(&stress);
    open_store(&stress, argv[1]);
    (void)sum_by_scan(&workers[0], NULL, "scan after reopening");
    for (int i = 0; i < THREADS; i++) {
        for (uint64_t k = 0; WORK[i] == work_own && k < OWN_KEYS; k++) {
            check_own(&workers[i], k);
        }
    }
    loam_error err = {0};
    must("close", loam_close(stress.db, &err), &err);
    (void)printf("%" PRIuFAST64 " transfers, %" PRIuFAST64 " conflicts, %" PRIuFAST64
                 " sums, %" PRIuFAST64 " rounds of work\n",
                 stress.transfers, stress.conflicts, stress.sums, stress.operations);
    return 0;
}
