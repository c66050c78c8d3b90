/* SPDX-License-Identifier: MIT */
/* version.c - the structure of one version: runs and their tables, in one piece of memory. Search
 * in runs and point reads are in version_get.c, iteration of a run in run_iter.c. */
#include "lsm/version.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/limits.h"
#include "base/memory.h"

/* Newest run first, then by first key. */
static int cmp_entries(const void *a, const void *b)
{
    const struct version_entry *x = a;
    const struct version_entry *y = b;
    if (x->run != y->run) {
        return x->run < y->run ? 1 : -1;
    }
    return slice_cmp(table_meta(x->table)->smallest, table_meta(y->table)->smallest);
}

static size_t count_runs(const struct version_entry *sorted, size_t count)
{
    size_t runs = 0;
    for (size_t i = 0; i < count; i++) {
        runs += i == 0 || sorted[i].run != sorted[i - 1].run;
    }
    return runs;
}

/* Fills runs, tables and fences, whose memory stands behind one another; takes the references. */
static void fill(struct version *version, const struct version_entry *sorted, size_t count)
{
    struct table **tables = (struct table **)(version->runs + version->run_count);
    uint64_t *fences = (uint64_t *)(tables + count);
    struct run *run = version->runs;
    for (size_t i = 0; i < count; i++) {
        if (i == 0 || sorted[i].run != sorted[i - 1].run) {
            run += i > 0;
            *run = (struct run){.order = sorted[i].run, .tables = tables + i};
        }
        table_ref(sorted[i].table);
        run->tables[run->table_count++] = sorted[i].table;
        run->bytes += table_meta(sorted[i].table)->size;
    }
    POST(count == 0 || run == version->runs + version->run_count - 1);
    for (size_t i = 0; i < version->run_count; i++) {
        run_fence(&version->runs[i], fences);
        fences += 2 * version->runs[i].table_count;
    }
}

int version_new(const struct version_entry *entries,
                size_t count,
                struct version **out,
                struct loam_error *err)
{
    struct version_entry *sorted = mem_zalloc(count + 1, sizeof(*sorted));
    if (sorted == NULL) {
        return mem_fail(err, (count + 1) * sizeof(*sorted));
    }
    if (count > 0) {
        memcpy(sorted, entries, count * sizeof(*sorted));
        qsort(sorted, count, sizeof(*sorted), cmp_entries);
    }
    size_t runs = count_runs(sorted, count);
    size_t size = sizeof(struct version) + runs * sizeof(struct run) +
                  count * (sizeof(struct table *) + 2 * sizeof(uint64_t));
    struct version *version = mem_zalloc(1, size);
    if (version == NULL) {
        mem_free(sorted);
        return mem_fail(err, size);
    }
    atomic_init(&version->refs, 1);
    version->run_count = runs;
    version->runs = (struct run *)(version + 1);
    fill(version, sorted, count);
    mem_free(sorted);
    int rc = version_check(version, err);
    if (rc != LOAM_OK) {
        version_unref(version);
        return rc;
    }
    *out = version;
    return LOAM_OK;
}

void version_ref(struct version *version)
{
    uint32_t before = atomic_fetch_add_explicit(&version->refs, 1, memory_order_relaxed);
    PRE(before > 0 && before < UINT32_MAX);
}

void version_unref(struct version *version)
{
    if (version == NULL) {
        return;
    }
    /* Release pairs with the acquire of the last one: uses come before the end. */
    uint32_t before = atomic_fetch_sub_explicit(&version->refs, 1, memory_order_acq_rel);
    PRE(before > 0);
    if (before > 1) {
        return;
    }
    for (size_t i = 0; i < version->run_count; i++) {
        const struct run *run = &version->runs[i];
        for (size_t k = 0; k < run->table_count; k++) {
            table_unref(run->tables[k]);
        }
    }
    mem_free(version);
}

static int check_run(const struct run *run, struct loam_error *err)
{
    const struct table_meta *previous = NULL;
    for (size_t i = 0; i < run->table_count; i++) {
        const struct table_meta *meta = table_meta(run->tables[i]);
        const char *problem = table_meta_problem(meta);
        if (problem != NULL) {
            return fail(err, LOAM_CORRUPT, "table %llu has a bad %s",
                        (unsigned long long)meta->number, problem);
        }
        if (previous != NULL && slice_cmp(previous->largest, meta->smallest) >= 0) {
            return fail(err, LOAM_CORRUPT, "tables %llu and %llu of run %llu overlap",
                        (unsigned long long)previous->number, (unsigned long long)meta->number,
                        (unsigned long long)run->order);
        }
        previous = meta;
    }
    return LOAM_OK;
}

int version_check(const struct version *version, struct loam_error *err)
{
    PRE(atomic_load_explicit(&version->refs, memory_order_relaxed) > 0);
    if (version->run_count > RUN_COUNT_MAX) {
        return fail(err, LOAM_TOO_LARGE, "%zu sorted runs, the limit is %u", version->run_count,
                    RUN_COUNT_MAX);
    }
    for (size_t i = 0; i < version->run_count; i++) {
        INV(version->runs[i].table_count > 0);
        INV(i == 0 || version->runs[i - 1].order > version->runs[i].order);
        TRY(check_run(&version->runs[i], err));
    }
    return LOAM_OK;
}
