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

void run_fence(struct run *run, uint64_t *memory)
{
    struct slice first = table_meta(run->tables[0])->smallest;
    struct slice last = table_meta(run->tables[run->table_count - 1])->largest;
    run->shared = slice_make(first.data, shared_prefix_size(first, last, SIZE_MAX));
    run->fences = memory;
    for (size_t i = 0; i < run->table_count; i++) {
        const struct table_meta *meta = table_meta(run->tables[i]);
        memory[2 * i] = key_prefix(meta->smallest, run->shared.size);
        memory[2 * i + 1] = key_prefix(meta->largest, run->shared.size);
    }
}

/* How many of `count` rising numbers are below `want`. The mask keeps the compiler from making a
 * branch, of which one in two would be mispredicted. */
static inline size_t below(const uint64_t *numbers, size_t count, uint64_t want)
{
    size_t base = 0;
    while (count > 0) {
        size_t half = (count + 1) / 2;
        base += half & -(size_t)(numbers[base + half - 1] < want);
        count -= half;
    }
    return base;
}

/* Asks the fences alone. Returns whether they know: *index is then what run_seek() says, *is_in
 * whether that table may hold the key. */
static inline bool fences_seek(const struct run *run, struct slice key, size_t *index, bool *is_in)
{
    int side = key_side(key, run->shared);
    if (UNLIKELY(side != 0)) {
        *index = side < 0 ? 0 : run->table_count;
        *is_in = false;
        return true;
    }
    uint64_t want = key_prefix(key, run->shared.size);
    size_t at = below(run->fences, 2 * run->table_count, want);
    *index = at / 2;
    *is_in = at % 2 == 1;
    return at == 2 * run->table_count || run->fences[at] != want;
}

/* Compares whole keys. */
static NOINLINE size_t tables_seek(const struct run *run, struct slice key)
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

size_t run_seek(const struct run *run, struct slice key)
{
    size_t index = 0;
    bool is_in = false;
    return LIKELY(fences_seek(run, key, &index, &is_in)) ? index : tables_seek(run, key);
}

struct table *run_find(const struct run *run, struct slice key)
{
    size_t index = 0;
    bool is_in = false;
    if (LIKELY(fences_seek(run, key, &index, &is_in))) {
        return is_in ? run->tables[index] : NULL;
    }
    index = tables_seek(run, key);
    if (index == run->table_count || slice_cmp(table_meta(run->tables[index])->smallest, key) > 0) {
        return NULL;
    }
    return run->tables[index];
}

/* The table of run `index` that may hold the key; its point index is prefetched. */
static struct table *
candidate(const struct version *version, size_t index, const struct lookup *wanted)
{
    struct table *table = run_find(&version->runs[index], wanted->key);
    if (table != NULL) {
        table_prefetch(table, wanted->hash);
    }
    return table;
}

void version_look_ahead(const struct version *version,
                        const struct lookup *wanted,
                        struct version_ahead *out)
{
    size_t count = version->run_count < VERSION_AHEAD ? version->run_count : VERSION_AHEAD;
    for (size_t i = 0; i < count; i++) {
        out->tables[i] = candidate(version, i, wanted);
    }
}

int version_get(const struct version *version,
                const struct lookup *wanted,
                struct version_ahead *ahead,
                struct entry *out,
                struct block **pin,
                struct loam_error *err)
{
    size_t run_count = version->run_count;
    for (size_t i = 0; i < run_count; i++) {
        struct table *table = ahead->tables[i % VERSION_AHEAD];
        if (table != NULL) {
            int rc = table_get(table, wanted, out, pin, err);
            if (rc != LOAM_NOT_FOUND) {
                return rc;
            }
        }
        if (i + VERSION_AHEAD < run_count) {
            ahead->tables[i % VERSION_AHEAD] = candidate(version, i + VERSION_AHEAD, wanted);
        }
    }
    return LOAM_NOT_FOUND;
}
