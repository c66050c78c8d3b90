/* SPDX-License-Identifier: MIT */
/*
 * engine_loam.c - Loam for the benchmark, through loam.h and libloam.so as any program has it.
 *
 * Writes have durability LOAM_OS (handed to the kernel: the same as the peers' unsynced log), or
 * LOAM_SYNC with is_sync. A session keeps its value buffer, batch and scan, as the header advises.
 */
#include <stdio.h>

#include "base/memory.h"
#include "bench/engine.h"
#include "loam.h"

struct session {
    loam_db *db;
    loam_batch *batch;
    loam_scan *scan; /* NULL until the first scan. */
    loam_buffer value;
};

static void check(const char *call, int code, const loam_error *err)
{
    if (code < 0) {
        bench_die("%s: %s: %s", call, loam_code_name(code), err->text);
    }
}

static void version(char *text, size_t size)
{
    (void)snprintf(text, size, "%s", loam_version());
}

static void *store_open(const struct bench_config *config)
{
    loam_options options;
    loam_options_init(&options);
    options.durability = config->is_sync ? LOAM_SYNC : LOAM_OS;
    if (!config->is_compressed) {
        options.compression = LOAM_COMPRESS_NONE;
    }
    options.memory_bytes = config->memory_bytes;
    if (options.memtable_bytes > options.memory_bytes / 4) {
        options.memtable_bytes = options.memory_bytes / 4;
    }
    loam_db *db = NULL;
    loam_error err;
    check("loam_open", loam_open(config->dir, &options, &db, &err), &err);
    return db;
}

static void store_close(void *store)
{
    loam_error err;
    check("loam_close", loam_close(store, &err), &err);
}

static void *session_open(void *store)
{
    struct session *session = bench_alloc(1, sizeof(*session));
    session->db = store;
    session->batch = loam_batch_new();
    if (session->batch == NULL) {
        bench_die("loam_batch_new: out of memory");
    }
    return session;
}

static void session_close(void *opaque)
{
    struct session *session = opaque;
    loam_scan_close(session->scan);
    loam_batch_free(session->batch);
    loam_buffer_free(&session->value);
    mem_free(session);
}

static void put(void *opaque, struct slice key, struct slice value)
{
    struct session *session = opaque;
    loam_error err;
    check("loam_put",
          loam_put(session->db, LOAM_BUCKET_DEFAULT, key.data, key.size, value.data, value.size,
                   NULL, &err),
          &err);
}

static void put_batch(void *opaque, const struct bench_row *rows, size_t count)
{
    struct session *session = opaque;
    loam_error err;
    loam_batch_clear(session->batch);
    for (size_t i = 0; i < count; i++) {
        check("loam_batch_put",
              loam_batch_put(session->batch, LOAM_BUCKET_DEFAULT, rows[i].key.data,
                             rows[i].key.size, rows[i].value.data, rows[i].value.size, &err),
              &err);
    }
    check("loam_write", loam_write(session->db, session->batch, NULL, NULL, &err), &err);
}

static bool get(void *opaque, struct slice key, struct slice *value)
{
    struct session *session = opaque;
    loam_error err;
    int code =
        loam_get(session->db, LOAM_BUCKET_DEFAULT, key.data, key.size, NULL, &session->value, &err);
    if (code == LOAM_NOT_FOUND) {
        return false;
    }
    check("loam_get", code, &err);
    *value = slice_make(session->value.data, session->value.size);
    return true;
}

static void aim(struct session *session, const loam_range *range)
{
    loam_error err;
    if (session->scan == NULL) {
        check("loam_scan_open",
              loam_scan_open(session->db, LOAM_BUCKET_DEFAULT, range, NULL, &session->scan, &err),
              &err);
    } else {
        check("loam_scan_reset",
              loam_scan_reset(session->scan, LOAM_BUCKET_DEFAULT, range, NULL, &err), &err);
    }
}

static void scan(void *opaque, struct slice from, uint64_t limit, struct bench_sum *sum)
{
    struct session *session = opaque;
    loam_range range = {.from = from.data, .from_size = from.size};
    range.limit = limit == UINT64_MAX ? 0 : limit;
    aim(session, &range);
    uint64_t left = limit;
    while (left > 0) {
        loam_rows block;
        loam_error err;
        check("loam_scan_next", loam_scan_next(session->scan, &block, &err), &err);
        if (block.count == 0) {
            break;
        }
        for (size_t i = 0; i < block.count; i++) {
            const loam_row *row = &block.rows[i];
            bench_sum_add(sum, row->key_size, slice_make(row->value, row->value_size));
        }
        left -= block.count;
    }
}

static void remove_key(void *opaque, struct slice key)
{
    struct session *session = opaque;
    loam_error err;
    check("loam_delete",
          loam_delete(session->db, LOAM_BUCKET_DEFAULT, key.data, key.size, NULL, &err), &err);
}

static void settle(void *store)
{
    loam_error err;
    uint64_t job = 0;
    loam_job_info info;
    check("loam_flush", loam_flush(store, &err), &err);
    check("loam_compact", loam_compact(store, &job, &err), &err);
    check("loam_job_wait", loam_job_wait(store, job, 0, &info, &err), &err);
    if (info.state != LOAM_JOB_DONE) {
        bench_die("loam_compact: %s", info.text);
    }
}

static const struct bench_engine engine = {
    .name = "loam",
    .program = "bench_loam",
    .version = version,
    .open = store_open,
    .close = store_close,
    .session_open = session_open,
    .session_close = session_close,
    .put = put,
    .put_batch = put_batch,
    .get = get,
    .scan = scan,
    .remove = remove_key,
    .settle = settle,
};

const struct bench_engine *bench_engine(void)
{
    return &engine;
}
