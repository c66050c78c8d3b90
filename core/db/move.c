/* SPDX-License-Identifier: MIT */
/* move.c - finding out whether runs overlap, and the edit that joins them. */
#include "db/move.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/memory.h"

/* A table that stays as it is has at least this part of the target size. */
enum { SIZE_SHARE = 8 };

static int smallest_cmp(const void *a, const void *b)
{
    const struct table_meta *const *x = a;
    const struct table_meta *const *y = b;
    return slice_cmp((*x)->smallest, (*y)->smallest);
}

static size_t count_tables(const struct version *version, size_t start, size_t limit)
{
    size_t count = 0;
    for (size_t i = start; i < limit; i++) {
        count += version->runs[i].table_count;
    }
    return count;
}

int move_is_possible(const struct version *version,
                     size_t start,
                     size_t limit,
                     uint64_t table_bytes,
                     bool *out,
                     struct loam_error *err)
{
    PRE(limit <= version->run_count);
    *out = false;
    if (start + 1 >= limit) {
        return LOAM_OK;
    }
    size_t count = count_tables(version, start, limit);
    INV(count > 0); /* No run is empty. */
    const struct table_meta **metas = mem_zalloc(count, sizeof(*metas));
    if (metas == NULL) {
        return mem_fail(err, count * sizeof(*metas));
    }
    size_t filled = 0;
    uint64_t bytes = 0;
    for (size_t i = start; i < limit; i++) {
        for (size_t t = 0; t < version->runs[i].table_count; t++) {
            metas[filled++] = table_meta(version->runs[i].tables[t]);
            bytes += metas[filled - 1]->size;
        }
    }
    qsort(metas, count, sizeof(*metas), smallest_cmp);
    bool is_possible = bytes / count >= table_bytes / SIZE_SHARE;
    for (size_t i = 1; i < count && is_possible; i++) {
        is_possible = slice_cmp(metas[i - 1]->largest, metas[i]->smallest) < 0;
    }
    mem_free(metas);
    *out = is_possible;
    return LOAM_OK;
}

int move_fill_edit(const struct version *version,
                   size_t start,
                   size_t limit,
                   struct manifest_edit *edit,
                   struct loam_error *err)
{
    uint64_t order = version->runs[limit - 1].order;
    for (size_t i = start; i + 1 < limit; i++) {
        for (size_t t = 0; t < version->runs[i].table_count; t++) {
            struct table_meta meta = *table_meta(version->runs[i].tables[t]);
            meta.run = order;
            TRY(manifest_edit_remove_table(edit, meta.number, err));
            TRY(manifest_edit_add_table(edit, &meta, err));
        }
    }
    return LOAM_OK;
}
