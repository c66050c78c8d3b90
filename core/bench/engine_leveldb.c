/* SPDX-License-Identifier: MIT */
/*
 * engine_leveldb.c - LevelDB for the benchmark, through leveldb/c.h.
 *
 * 64 MiB write buffer, 10-bit Bloom filter, the given block cache; its defaults elsewhere. A scan
 * makes an iterator, as it must to see the newest rows.
 */
#include <leveldb/c.h>
#include <stdio.h>

#include "base/memory.h"
#include "bench/engine.h"

#define WRITE_BUFFER_BYTES ((size_t)64 << 20)
#define FILTER_BITS        10

struct store {
    leveldb_t *db;
    leveldb_options_t *options;
    leveldb_cache_t *cache;
    leveldb_filterpolicy_t *filter;
    leveldb_readoptions_t *read;
    leveldb_writeoptions_t *write;
};

struct session {
    struct store *store;
    leveldb_writebatch_t *batch;
    char *value; /* Of the last get; leveldb_free(). */
};

static void check(const char *call, const char *error)
{
    if (error != NULL) {
        bench_die("%s: %s", call, error);
    }
}

static void version(char *text, size_t size)
{
    (void)snprintf(text, size, "%d.%d", leveldb_major_version(), leveldb_minor_version());
}

static void *store_open(const struct bench_config *config)
{
    struct store *store = bench_alloc(1, sizeof(*store));
    store->options = leveldb_options_create();
    store->cache = leveldb_cache_create_lru(config->cache_bytes);
    store->filter = leveldb_filterpolicy_create_bloom(FILTER_BITS);
    store->read = leveldb_readoptions_create();
    store->write = leveldb_writeoptions_create();
    leveldb_options_set_create_if_missing(store->options, 1);
    leveldb_options_set_cache(store->options, store->cache);
    leveldb_options_set_filter_policy(store->options, store->filter);
    leveldb_options_set_write_buffer_size(store->options, WRITE_BUFFER_BYTES);
    leveldb_options_set_compression(store->options, config->is_compressed
                                                        ? leveldb_snappy_compression
                                                        : leveldb_no_compression);
    leveldb_writeoptions_set_sync(store->write, config->is_sync);
    char *error = NULL;
    store->db = leveldb_open(store->options, config->dir, &error);
    check("leveldb_open", error);
    return store;
}

static void store_close(void *opaque)
{
    struct store *store = opaque;
    leveldb_close(store->db);
    leveldb_options_destroy(store->options);
    leveldb_cache_destroy(store->cache);
    leveldb_filterpolicy_destroy(store->filter);
    leveldb_readoptions_destroy(store->read);
    leveldb_writeoptions_destroy(store->write);
    mem_free(store);
}

static void *session_open(void *store)
{
    struct session *session = bench_alloc(1, sizeof(*session));
    session->store = store;
    session->batch = leveldb_writebatch_create();
    return session;
}

static void session_close(void *opaque)
{
    struct session *session = opaque;
    leveldb_writebatch_destroy(session->batch);
    leveldb_free(session->value);
    mem_free(session);
}

static void put(void *opaque, struct slice key, struct slice value)
{
    struct session *session = opaque;
    char *error = NULL;
    leveldb_put(session->store->db, session->store->write, key.data, key.size, value.data,
                value.size, &error);
    check("leveldb_put", error);
}

static void put_batch(void *opaque, const struct bench_row *rows, size_t count)
{
    struct session *session = opaque;
    char *error = NULL;
    leveldb_writebatch_clear(session->batch);
    for (size_t i = 0; i < count; i++) {
        leveldb_writebatch_put(session->batch, rows[i].key.data, rows[i].key.size,
                               rows[i].value.data, rows[i].value.size);
    }
    leveldb_write(session->store->db, session->store->write, session->batch, &error);
    check("leveldb_write", error);
}

static bool get(void *opaque, struct slice key, struct slice *value)
{
    struct session *session = opaque;
    char *error = NULL;
    size_t size = 0;
    leveldb_free(session->value);
    session->value =
        leveldb_get(session->store->db, session->store->read, key.data, key.size, &size, &error);
    check("leveldb_get", error);
    *value = slice_make(session->value, size);
    return session->value != NULL;
}

static void scan(void *opaque, struct slice from, uint64_t limit, struct bench_sum *sum)
{
    struct session *session = opaque;
    leveldb_iterator_t *iter = leveldb_create_iterator(session->store->db, session->store->read);
    leveldb_iter_seek(iter, from.data, from.size);
    for (uint64_t left = limit; left > 0 && leveldb_iter_valid(iter); left--) {
        size_t key_size = 0;
        size_t value_size = 0;
        (void)leveldb_iter_key(iter, &key_size);
        const char *value = leveldb_iter_value(iter, &value_size);
        bench_sum_add(sum, key_size, slice_make(value, value_size));
        if (left > 1) {
            leveldb_iter_next(iter);
        }
    }
    char *error = NULL;
    leveldb_iter_get_error(iter, &error);
    check("leveldb iterator", error);
    leveldb_iter_destroy(iter);
}

static void remove_key(void *opaque, struct slice key)
{
    struct session *session = opaque;
    char *error = NULL;
    leveldb_delete(session->store->db, session->store->write, key.data, key.size, &error);
    check("leveldb_delete", error);
}

static void settle(void *opaque)
{
    struct store *store = opaque;
    leveldb_compact_range(store->db, NULL, 0, NULL, 0);
}

static const struct bench_engine engine = {
    .name = "leveldb",
    .program = "bench_leveldb",
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
