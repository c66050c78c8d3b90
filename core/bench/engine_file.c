/* SPDX-License-Identifier: MIT */
/*
 * engine_file.c - no store at all: appends to one file. It shows what the device and the file
 * system cost, so that fillsync can be read as a share of what is possible.
 *
 * With is_sync the file is opened with O_DSYNC: each write(2) is a write and an fdatasync. One
 * append has the size of a log record of the workloads' rows. Reads find nothing.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "bench/engine.h"

#define RECORD_BYTES 140
#define FILE_MODE    0644

struct store {
    int fd;
};

static void version(char *text, size_t size)
{
    (void)snprintf(text, size, "write(2)");
}

static void *store_open(const struct bench_config *config)
{
    char path[4096];
    (void)snprintf(path, sizeof(path), "%s/appended", config->dir);
    int flags = O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | (config->is_sync ? O_DSYNC : 0);
    struct store *store = bench_alloc(1, sizeof(*store));
    store->fd = open(path, flags, FILE_MODE);
    if (store->fd < 0) {
        bench_die("open %s: errno %d", path, errno);
    }
    return store;
}

static void store_close(void *opaque)
{
    struct store *store = opaque;
    close(store->fd);
    mem_free(store);
}

static void *session_open(void *store)
{
    return store;
}

static void session_close(void *session)
{
    (void)session;
}

static void append(void *session, const char *bytes, size_t size)
{
    const struct store *store = session;
    if (write(store->fd, bytes, size) != (ssize_t)size) {
        bench_die("write of %zu bytes: errno %d", size, errno);
    }
}

static void put(void *session, struct slice key, struct slice value)
{
    char record[RECORD_BYTES] = {0};
    memcpy(record, key.data, key.size);
    memcpy(record + key.size, value.data, value.size);
    append(session, record, sizeof(record));
}

static void put_batch(void *session, const struct bench_row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        put(session, rows[i].key, rows[i].value);
    }
}

static bool get(void *session, struct slice key, struct slice *value)
{
    (void)session, (void)key, (void)value;
    return false;
}

static void scan(void *session, struct slice from, uint64_t limit, struct bench_sum *sum)
{
    (void)session, (void)from, (void)limit, (void)sum;
}

static void remove_key(void *session, struct slice key)
{
    append(session, key.data, key.size);
}

static const struct bench_engine engine = {
    .name = "file",
    .program = "bench_file",
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
