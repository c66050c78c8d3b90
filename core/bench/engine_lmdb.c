/* SPDX-License-Identifier: MIT */
/*
 * engine_lmdb.c - LMDB for the benchmark, through lmdb.h.
 *
 * Writes: one transaction each, NOSYNC|WRITEMAP, which is weaker than what the others promise (a
 * crash of the system can destroy the store); with is_sync LMDB's own default, which syncs twice
 * per commit. Reads renew one read transaction per operation, the fast way to see the newest rows;
 * a value is copied out because the next write may change its page.
 */
#include <lmdb.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "bench/engine.h"

#define MAP_BYTES_MIN ((size_t)4 << 30)
#define MAP_BYTES_ROW 1000u
#define READERS_MAX   512
#define FILE_MODE     0644

struct store {
    MDB_env *env;
    MDB_dbi dbi;
};

struct session {
    struct store *store;
    MDB_txn *txn; /* Reading; reset between operations. NULL before the first read. */
    MDB_cursor *cursor;
    char *value;
    size_t value_capacity;
};

static void check(const char *call, int code)
{
    if (code != 0) {
        bench_die("%s: %s", call, mdb_strerror(code));
    }
}

static void version(char *text, size_t size)
{
    int major = 0;
    int minor = 0;
    int patch = 0;
    (void)mdb_version(&major, &minor, &patch);
    (void)snprintf(text, size, "%d.%d.%d", major, minor, patch);
}

static void open_table(struct store *store)
{
    MDB_txn *txn = NULL;
    check("mdb_txn_begin", mdb_txn_begin(store->env, NULL, 0, &txn));
    check("mdb_dbi_open", mdb_dbi_open(txn, NULL, 0, &store->dbi));
    check("mdb_txn_commit", mdb_txn_commit(txn));
}

static void *store_open(const struct bench_config *config)
{
    struct store *store = bench_alloc(1, sizeof(*store));
    check("mdb_env_create", mdb_env_create(&store->env));
    size_t map_bytes = MAP_BYTES_MIN + config->row_count * MAP_BYTES_ROW;
    check("mdb_env_set_mapsize", mdb_env_set_mapsize(store->env, map_bytes));
    check("mdb_env_set_maxreaders", mdb_env_set_maxreaders(store->env, READERS_MAX));
    unsigned flags = MDB_NOTLS | (config->is_sync ? 0 : MDB_NOSYNC | MDB_WRITEMAP);
    check("mdb_env_open", mdb_env_open(store->env, config->dir, flags, FILE_MODE));
    open_table(store);
    return store;
}

static void store_close(void *opaque)
{
    struct store *store = opaque;
    mdb_env_close(store->env);
    mem_free(store);
}

static void *session_open(void *store)
{
    struct session *session = bench_alloc(1, sizeof(*session));
    session->store = store;
    return session;
}

static void session_close(void *opaque)
{
    struct session *session = opaque;
    if (session->cursor != NULL) {
        mdb_cursor_close(session->cursor);
    }
    if (session->txn != NULL) {
        mdb_txn_abort(session->txn);
    }
    mem_free(session->value);
    mem_free(session);
}

static MDB_val val_of(struct slice bytes)
{
    /* LMDB's type has no const; what goes in is not written to. */
    union {
        const void *in;
        void *out;
    } data = {.in = bytes.data};
    return (MDB_val){.mv_size = bytes.size, .mv_data = data.out};
}

static void put_in(struct session *session, MDB_txn *txn, struct slice key, struct slice value)
{
    MDB_val lmdb_key = val_of(key);
    MDB_val lmdb_value = val_of(value);
    check("mdb_put", mdb_put(txn, session->store->dbi, &lmdb_key, &lmdb_value, 0));
}

static MDB_txn *write_begin(struct session *session)
{
    MDB_txn *txn = NULL;
    check("mdb_txn_begin", mdb_txn_begin(session->store->env, NULL, 0, &txn));
    return txn;
}

static void put(void *opaque, struct slice key, struct slice value)
{
    MDB_txn *txn = write_begin(opaque);
    put_in(opaque, txn, key, value);
    check("mdb_txn_commit", mdb_txn_commit(txn));
}

static void put_batch(void *opaque, const struct bench_row *rows, size_t count)
{
    MDB_txn *txn = write_begin(opaque);
    for (size_t i = 0; i < count; i++) {
        put_in(opaque, txn, rows[i].key, rows[i].value);
    }
    check("mdb_txn_commit", mdb_txn_commit(txn));
}

static void read_begin(struct session *session)
{
    if (session->txn != NULL) {
        check("mdb_txn_renew", mdb_txn_renew(session->txn));
        return;
    }
    check("mdb_txn_begin", mdb_txn_begin(session->store->env, NULL, MDB_RDONLY, &session->txn));
}

static void keep_value(struct session *session, const MDB_val *value)
{
    if (session->value_capacity < value->mv_size) {
        mem_free(session->value);
        session->value = bench_alloc(value->mv_size, 1);
        session->value_capacity = value->mv_size;
    }
    memcpy(session->value, value->mv_data, value->mv_size);
}

static bool get(void *opaque, struct slice key, struct slice *value)
{
    struct session *session = opaque;
    MDB_val lmdb_key = val_of(key);
    MDB_val found = {0};
    read_begin(session);
    int code = mdb_get(session->txn, session->store->dbi, &lmdb_key, &found);
    if (code == 0) {
        keep_value(session, &found);
        *value = slice_make(session->value, found.mv_size);
    } else if (code != MDB_NOTFOUND) {
        check("mdb_get", code);
    }
    mdb_txn_reset(session->txn);
    return code == 0;
}

static void scan(void *opaque, struct slice from, uint64_t limit, struct bench_sum *sum)
{
    struct session *session = opaque;
    read_begin(session);
    if (session->cursor == NULL) {
        check("mdb_cursor_open",
              mdb_cursor_open(session->txn, session->store->dbi, &session->cursor));
    } else {
        check("mdb_cursor_renew", mdb_cursor_renew(session->txn, session->cursor));
    }
    MDB_val key = val_of(from);
    MDB_val value = {0};
    int code = mdb_cursor_get(session->cursor, &key, &value, MDB_SET_RANGE);
    for (uint64_t left = limit; left > 0 && code == 0; left--) {
        bench_sum_add(sum, key.mv_size, slice_make(value.mv_data, value.mv_size));
        if (left > 1) {
            code = mdb_cursor_get(session->cursor, &key, &value, MDB_NEXT);
        }
    }
    if (code != 0 && code != MDB_NOTFOUND) {
        check("mdb_cursor_get", code);
    }
    mdb_txn_reset(session->txn);
}

static void remove_key(void *opaque, struct slice key)
{
    struct session *session = opaque;
    MDB_val lmdb_key = val_of(key);
    MDB_txn *txn = write_begin(session);
    int code = mdb_del(txn, session->store->dbi, &lmdb_key, NULL);
    if (code != 0 && code != MDB_NOTFOUND) {
        check("mdb_del", code);
    }
    check("mdb_txn_commit", mdb_txn_commit(txn));
}

static const struct bench_engine engine = {
    .name = "lmdb",
    .program = "bench_lmdb",
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
};

const struct bench_engine *bench_engine(void)
{
    return &engine;
}
