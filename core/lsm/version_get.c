/* SPDX-License-Identifier: MIT */
/*
 * version_get.c - finding tables in runs, and point reads over all runs. See version.h.
 *
 * Runs are asked newest first; the first that has a version at or below the snapshot has the
 * newest. While one table is asked, the point index of the next run's table is already on its way.
 */
#include "base/check.h"
#include "lsm/version.h"

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
    struct table *next = run_count == 0 ? NULL : candidate(version, 0, key, hash);
    for (size_t i = 0; i < run_count; i++) {
        struct table *table = next;
        next = i + 1 < run_count ? candidate(version, i + 1, key, hash) : NULL;
        if (table != NULL) {
            int rc = table_get(table, key, hash, snapshot_seq, out, pin, err);
            if (rc != LOAM_NOT_FOUND) {
                return rc;
            }
        }
    }
    return LOAM_NOT_FOUND;
}
