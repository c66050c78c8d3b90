/* SPDX-License-Identifier: MIT */
/*
 * engine_rocksdb.c - RocksDB for the benchmark, through rocksdb/c.h.
 *
 * 64 MiB write buffer, full 10-bit Bloom filter, the given block cache; its defaults elsewhere.
 * Reads use the pinned call, which spares it a copy. A scan makes an iterator, as it must to see
 * the newest rows.
 */
#include <rocksdb/c.h>
#include <stdio.h>

#include "base/memory.h"
#include "bench/engine.h"

#define WRITE_BUFFER_BYTES ((size_t)64 << 20)
#define FILTER_BITS        10

struct store {
    rocksdb_t *db;
    rocksdb_options_t *options;
    rocksdb_block_based_table_options_t *table;
    rocksdb_cache_t *cache;
    rocksdb_readoptions_t *read;
    rocksdb_writeoptions_t *write;
};

struct session {
    struct store *store;
    rocksdb_writebatch_t *batch;
    rocksdb_pinnableslice_t *value; /* Of the last get; NULL or to be destroyed. */
};

static void check(const char *call, const char *error)
{
    if (error != NULL) {
        bench_die("%s: %s", call, error);
    }
}

/* The C API does not tell the version at run time. */
static void version(char *text, size_t size)
{
    (void)snprintf(text, size, "%s", BENCH_ROCKSDB_VERSION);
}

static void *store_open(const struct bench_config *config)
{
    struct store *store = bench_alloc(1, sizeof(*store));
    store->options = rocksdb_options_create();
    store->table = rocksdb_block_based_options_create();
    store->cache = rocksdb_cache_create_lru(config->cache_bytes);
    store->read = rocksdb_readoptions_create();
    store->write = rocksdb_writeoptions_create();
    rocksdb_block_based_options_set_block_cache(store->table, store->cache);
    /* The table options own the filter. */
    rocksdb_block_based_options_set_filter_policy(
        store->table, rocksdb_filterpolicy_create_bloom_full(FILTER_BITS));
    rocksdb_options_set_block_based_table_factory(store->options, store->table);
    rocksdb_options_set_create_if_missing(store->options, 1);
    rocksdb_options_set_write_buffer_size(store->options, WRITE_BUFFER_BYTES);
    rocksdb_options_set_compression(store->options, config->is_compressed ? rocksdb_lz4_compression
                                                                          : rocksdb_no_compression);
    rocksdb_writeoptions_set_sync(store->write, config->is_sync);
    char *error = NULL;
    store->db = rocksdb_open(store->options, config->dir, &error);
    check("rocksdb_open", error);
    return store;
}

static void store_close(void *opaque)
{
    struct store *store = opaque;
    rocksdb_close(store->db);
    rocksdb_options_destroy(store->options);
    rocksdb_block_based_options_destroy(store->table);
    rocksdb_cache_destroy(store->cache);
    rocksdb_readoptions_destroy(store->read);
    rocksdb_writeoptions_destroy(store->write);
    mem_free(store);
}

static void *session_open(void *store)
{
    struct session *session = bench_alloc(1, sizeof(*session));
    session->store = store;
    session->batch = rocksdb_writebatch_create();
    return session;
}

static void drop_value(struct session *session)
{
    if (session->value != NULL) {
        rocksdb_pinnableslice_destroy(session->value);
        session->value = NULL;
    }
}

static void session_close(void *opaque)
{
    struct session *session = opaque;
    drop_value(session);
    rocksdb_writebatch_destroy(session->batch);
    mem_free(session);
}

static void put(void *opaque, struct slice key, struct slice value)
{
    struct session *session = opaque;
    char *error = NULL;
    rocksdb_put(session->store->db, session->store->write, key.data, key.size, value.data,
                value.size, &error);
    check("rocksdb_put", error);
}

static void put_batch(void *opaque, const struct bench_row *rows, size_t count)
{
    struct session *session = opaque;
    char *error = NULL;
    rocksdb_writebatch_clear(session->batch);
    for (size_t i = 0; i < count; i++) {
        rocksdb_writebatch_put(session->batch, rows[i].key.data, rows[i].key.size,
                               rows[i].value.data, rows[i].value.size);
    }
    rocksdb_write(session->store->db, session->store->write, session->batch, &error);
    check("rocksdb_write", error);
}

static bool get(void *opaque, struct slice key, struct slice *value)
{
    struct session *session = opaque;
    char *error = NULL;
    drop_value(session);
    session->value =
        rocksdb_get_pinned(session->store->db, session->store->read, key.data, key.size, &error);
    check("rocksdb_get_pinned", error);
    if (session->value == NULL) {
        return false;
    }
    size_t size = 0;
    const char *data = rocksdb_pinnableslice_value(session->value, &size);
    *value = slice_make(data, size);
    return true;
}

static void scan(void *opaque, struct slice from, uint64_t limit, struct bench_sum *sum)
{
    struct session *session = opaque;
    rocksdb_iterator_t *iter = rocksdb_create_iterator(session->store->db, session->store->read);
    rocksdb_iter_seek(iter, from.data, from.size);
    for (uint64_t left = limit; left > 0 && rocksdb_iter_valid(iter); left--) {
        size_t key_size = 0;
        size_t value_size = 0;
        (void)rocksdb_iter_key(iter, &key_size);
        const char *value = rocksdb_iter_value(iter, &value_size);
        bench_sum_add(sum, key_size, slice_make(value, value_size));
        if (left > 1) {
            rocksdb_iter_next(iter);
        }
    }
    char *error = NULL;
    rocksdb_iter_get_error(iter, &error);
    check("rocksdb iterator", error);
    rocksdb_iter_destroy(iter);
}

static void remove_key(void *opaque, struct slice key)
{
    struct session *session = opaque;
    char *error = NULL;
    rocksdb_delete(session->store->db, session->store->write, key.data, key.size, &error);
    check("rocksdb_delete", error);
}

static void settle(void *opaque)
{
    struct store *store = opaque;
    rocksdb_compact_range(store->db, NULL, 0, NULL, 0);
}

static const struct bench_engine engine = {
    .name = "rocksdb",
    .program = "bench_rocksdb",
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
