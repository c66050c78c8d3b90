/* SPDX-License-Identifier: MIT */
/*
 * engine.h - what the benchmark asks of a store. Floor 5.
 *
 * One file engine_NAME.c per store answers with one table of functions; driver.c and the workloads
 * know nothing else of it, so every store runs the same loop. A call that fails ends the process
 * with one line (bench_die): a benchmark that went on after an error would measure nothing.
 * Thread: a store is shared by all threads of a run, a session belongs to one thread.
 */
#ifndef LOAM_BENCH_ENGINE_H
#define LOAM_BENCH_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

struct bench_config {
    const char *dir;       /* Exists; the store's files go there. */
    uint64_t row_count;    /* N of the workloads: LMDB sizes its map by it. */
    uint64_t cache_bytes;  /* Block cache of the peers. */
    uint64_t memory_bytes; /* Loam's one budget. */
    bool is_compressed;    /* The store's own default codec; false = none. */
    bool is_sync;          /* Each write is on stable storage before it returns. */
};

struct bench_row {
    struct slice key;
    struct slice value;
};

/* What a scan has seen. Reading it makes sure that each store touches keys and values. */
struct bench_sum {
    uint64_t rows;
    uint64_t bytes; /* Keys and values. */
    uint64_t mixed; /* First bytes of the values, added up. */
};

struct bench_engine {
    const char *name;
    const char *program; /* Prefix of error lines. */
    /* Writes the version of the store to text. */
    void (*version)(char *text, size_t size);
    void *(*open)(const struct bench_config *config);
    void (*close)(void *store);
    void *(*session_open)(void *store);
    void (*session_close)(void *session);
    void (*put)(void *session, struct slice key, struct slice value);
    void (*put_batch)(void *session, const struct bench_row *rows, size_t count);
    /* Returns whether the key is there; *value is valid until the next call on the session. */
    bool (*get)(void *session, struct slice key, struct slice *value);
    /* Reads up to `limit` rows from the first key >= from on. */
    void (*scan)(void *session, struct slice from, uint64_t limit, struct bench_sum *sum);
    void (*remove)(void *session, struct slice key);
    /* Full compaction, waited for. NULL where the store has none. */
    void (*settle)(void *store);
};

/* The store this program was built for; defined by its engine_NAME.c. */
const struct bench_engine *bench_engine(void);

/* Prints one line to standard error and ends the process. */
__attribute__((noreturn, cold, format(printf, 1, 2))) void bench_die(const char *format, ...);
/* Returns zeroed memory or ends the process. */
void *bench_alloc(size_t count, size_t size);
/* Adds one row to the sum. */
static inline void bench_sum_add(struct bench_sum *sum, size_t key_size, struct slice value)
{
    sum->rows++;
    sum->bytes += key_size + value.size;
    sum->mixed += value.size > 0 ? (unsigned char)value.data[0] : 0;
}

#endif
