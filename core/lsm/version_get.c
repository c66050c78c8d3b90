/* SPDX-License-Identifier: MIT */
/*
 * version_get.c - finding tables in runs, and point reads over all runs. See version.h.
 *
 * Runs are asked newest first; the first that has a version at or below the snapshot has the
 * newest. While one table is asked, the point indexes of the next runs' tables are already on their
 * way: a key that is in the oldest run, or absent, waits for about one of them instead of all.
 */
#include "base/check.h"
#include "lsm/version.h"

#define AHEAD 4u /* Runs; eight gained nothing more. */

size_t run_seek(const struct run *run, struct slice key)
{
    size_t low = 0;
    size_t high = run->table_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (slice_cmp(table_meta(run->tables[middle])->largest, key) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

struct table *run_find(const struct run *run, struct slice key)
{
    size_t index = run_seek(run, key);
    if (index == run->table_count || slice_cmp(table_meta(run->tables[index])->smallest, key) > 0) {
        return NULL;
    }
    return run->tables[index];
}

/* The table of run `index` that may hold the key; its point index is prefetched. */
static struct table *
candidate(const struct version *version, size_t index, struct slice key, uint64_t hash)
{
    struct table *table = run_find(&version->runs[index], key);
    if (table != NULL) {
        table_prefetch(table, hash);
    }
    return table;
}

int version_get(const struct version *version,
                struct slice key,
                uint64_t hash,
                uint64_t snapshot_seq,
                struct entry *out,
                struct block **pin,
                struct loam_error *err)
{
    size_t run_count = version->run_count;
    struct table *tables[AHEAD]; /* Of run i: tables[i % AHEAD]. */
    for (size_t i = 0; i < AHEAD && i < run_count; i++) {
        tables[i] = candidate(version, i, key, hash);
    }
    for (size_t i = 0; i < run_count; i++) {
        struct table *table = tables[i % AHEAD];
        if (table != NULL) {
            int rc = table_get(table, key, hash, snapshot_seq, out, pin, err);
            if (rc != LOAM_NOT_FOUND) {
                return rc;
            }
        }
        if (i + AHEAD < run_count) {
            tables[i % AHEAD] = candidate(version, i + AHEAD, key, hash);
        }
    }
    return LOAM_NOT_FOUND;
}
