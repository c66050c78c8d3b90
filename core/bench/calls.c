/* SPDX-License-Identifier: MIT */
/* calls.c - the loops of calls.h. */
#include "bench/calls.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/attrs.h"
#include "bench/gen.h"

enum { KEPT_COPIES = 512 }; /* Key and value of 256 rows. */

int bench_put_all(loam_db *db, const loam_slice *keys, const loam_slice *values, size_t count)
{
    loam_error err;
    for (size_t i = 0; i < count; i++) {
        uint64_t seq = 0;
        int rc = loam_put(db, LOAM_BUCKET_DEFAULT, keys[i].data, keys[i].size, values[i].data,
                          values[i].size, &seq, &err);
        if (rc != LOAM_OK) {
            return rc;
        }
    }
    return LOAM_OK;
}

int bench_get_all(loam_db *db, const loam_slice *keys, size_t count, bench_seen *seen)
{
    loam_error err;
    loam_buffer value = {0};
    int rc = LOAM_OK;
    for (size_t i = 0; i < count && rc == LOAM_OK; i++) {
        rc = loam_get(db, LOAM_BUCKET_DEFAULT, keys[i].data, keys[i].size, NULL, &value, &err);
        seen->rows++;
        seen->bytes += value.size;
    }
    loam_buffer_free(&value);
    return rc;
}

/* What a scan does with each row; returns false to end it. */
typedef bool row_visitor(void *context, const loam_row *row);

static ALWAYS_INLINE int
scan_rows(loam_db *db, const loam_range *range, row_visitor *visit, void *context)
{
    loam_error err;
    loam_scan *scan = NULL;
    int rc = loam_scan_open(db, LOAM_BUCKET_DEFAULT, range, NULL, &scan, &err);
    if (rc != LOAM_OK) {
        return rc;
    }
    bool is_wanted = true;
    loam_rows block = {.count = 1};
    while (rc == LOAM_OK && block.count > 0 && is_wanted) {
        rc = loam_scan_next(scan, &block, &err);
        for (size_t i = 0; rc == LOAM_OK && i < block.count && is_wanted; i++) {
            is_wanted = visit(context, &block.rows[i]);
        }
    }
    loam_scan_close(scan);
    return rc;
}

static ALWAYS_INLINE bool look(void *context, const loam_row *row)
{
    bench_seen *seen = context;
    seen->rows++;
    seen->bytes += row->key_size + row->value_size;
    return true;
}

int bench_scan_all(loam_db *db, bench_seen *seen)
{
    return scan_rows(db, NULL, look, seen);
}

int bench_seek_all(
    loam_db *db, const loam_slice *keys, size_t count, uint64_t limit, bench_seen *seen)
{
    int rc = LOAM_OK;
    for (size_t i = 0; i < count && rc == LOAM_OK; i++) {
        loam_range range = {.from = keys[i].data, .from_size = keys[i].size, .limit = limit};
        rc = scan_rows(db, &range, look, seen);
    }
    return rc;
}

struct copier {
    bench_seen *seen;
    char *kept[KEPT_COPIES]; /* A ring of owned texts. */
    unsigned at;
    int rc; /* NO_MEMORY once there was none. */
};

static bool keep(struct copier *copier, const char *data, size_t size)
{
    char *copy = malloc(size + 1);
    if (copy == NULL) {
        copier->rc = LOAM_NO_MEMORY;
        return false;
    }
    memcpy(copy, data, size);
    copy[size] = '\0';
    free(copier->kept[copier->at]);
    copier->kept[copier->at] = copy;
    copier->at = (copier->at + 1) % KEPT_COPIES;
    return true;
}

static ALWAYS_INLINE bool copy_row(void *context, const loam_row *row)
{
    struct copier *copier = context;
    return keep(copier, row->key, row->key_size) && keep(copier, row->value, row->value_size) &&
           look(copier->seen, row);
}

int bench_scan_copies(loam_db *db, bench_seen *seen)
{
    struct copier copier = {.seen = seen};
    int rc = scan_rows(db, NULL, copy_row, &copier);
    for (size_t i = 0; i < KEPT_COPIES; i++) {
        free(copier.kept[i]);
    }
    return rc == LOAM_OK ? copier.rc : rc;
}

struct gatherer {
    char *to;
    size_t count;
    size_t limit;
};

static bool gather(void *context, const loam_row *row)
{
    struct gatherer *all = context;
    if (all->count == all->limit || row->key_size != GEN_KEY_SIZE ||
        row->value_size != GEN_VALUE_SIZE) {
        return false;
    }
    memcpy(all->to, row->key, GEN_KEY_SIZE);
    memcpy(all->to + GEN_KEY_SIZE, row->value, GEN_VALUE_SIZE);
    all->to += GEN_KEY_SIZE + GEN_VALUE_SIZE;
    all->count++;
    return true;
}

int bench_rows_copy(loam_db *db, char *to, size_t *count)
{
    struct gatherer all = {.to = to, .limit = *count};
    int rc = scan_rows(db, NULL, gather, &all);
    *count = all.count;
    return rc;
}
