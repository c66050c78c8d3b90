/* SPDX-License-Identifier: MIT */
/*
 * table_stress.c - readers, evictions and dropped tables at once, for TSAN and ASAN builds.
 *
 * Readers find a table in a shared array inside an epoch bracket, as a read finds a version; the
 * dropper puts a new object of the same file in its place and lets the old one go after a grace
 * period, as a version is let go.
 */
#include "lsm/table_stress.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/check.h"
#include "base/thread.h"

#define READERS_MAX 16

struct dropped {
    struct epoch_item item;
    struct table *table;
};

struct shared {
    struct testing_tables *tables;
    const struct table_meta *metas;
    size_t count;
    const struct testing_stress *stress;
    _Atomic(struct table *) *current; /* Atomic: exchanged by the dropper. */
    _Atomic uint64_t wrong;
    _Atomic uint32_t seed;
};

static uint32_t random_next(uint64_t *state)
{
    *state = *state * 6364136223846793005ULL + 1442695040888963407ULL;
    return (uint32_t)(*state >> 33);
}

static struct slice key_make(char *out, uint32_t number)
{
    put_u32_be(out, 1);
    (void)snprintf(out + 4, 12, "%010" PRIu32, number);
    return slice_make(out, 14);
}

static bool value_is_right(const struct entry *entry, uint32_t number)
{
    char value[24];
    int size = snprintf(value, sizeof(value), "value %" PRIu32, number / 2);
    return slice_equal(entry->value, slice_make(value, (size_t)size));
}

/* One read; even numbers are there, odd ones are not. */
static bool get_is_right(struct table *table, uint32_t number)
{
    char bytes[16];
    struct lookup wanted = lookup_make(key_make(bytes, number), UINT64_MAX);
    struct entry entry;
    int rc = table_get(table, &wanted, &entry, NULL, NULL);
    return number % 2 == 1 ? rc == LOAM_NOT_FOUND : rc == LOAM_OK && value_is_right(&entry, number);
}

/* A short scan; the table is held by a reference, as a version would hold it. */
static bool scan_is_right(struct table *table, uint32_t number, bool fill_cache)
{
    char bytes[16];
    struct table_iter it;
    table_iter_init(&it, table, fill_cache);
    iter_seek(&it.iter, key_make(bytes, number), UINT64_MAX);
    bool is_right = it.iter.status == LOAM_OK;
    uint32_t expected = (number + 1) / 2 * 2;
    for (int i = 0; i < 100 && it.iter.is_valid && is_right; i++) {
        is_right = value_is_right(&it.iter.entry, expected) &&
                   slice_equal(it.iter.entry.key, key_make(bytes, expected));
        expected += 2;
        iter_next(&it.iter);
    }
    is_right = is_right && it.iter.status == LOAM_OK;
    iter_free(&it.iter);
    return is_right;
}

static void *reader_run(void *argument)
{
    struct shared *shared = argument;
    uint64_t state = atomic_fetch_add(&shared->seed, 1);
    for (uint32_t i = 0; i < shared->stress->rounds; i++) {
        uint32_t number = random_next(&state) % (shared->stress->row_count * 2) + 1;
        size_t at = random_next(&state) % shared->count;
        epoch_enter();
        struct table *table = atomic_load_explicit(&shared->current[at], memory_order_acquire);
        bool is_scan = i % 16 == 0;
        bool is_right = true;
        if (is_scan) {
            table_ref(table);
        } else {
            is_right = get_is_right(table, number);
        }
        epoch_exit();
        if (is_scan) {
            is_right = scan_is_right(table, number, i % 32 == 0);
            table_unref(table);
        }
        if (!is_right) {
            atomic_fetch_add(&shared->wrong, 1);
        }
    }
    return NULL;
}

static void release_dropped(struct epoch_item *item)
{
    struct dropped *dropped = (struct dropped *)item;
    table_unref(dropped->table);
    mem_free(dropped);
}

static void *dropper_run(void *argument)
{
    struct shared *shared = argument;
    for (uint32_t i = 0; i < shared->stress->drop_count; i++) {
        size_t at = i % shared->count;
        struct table *table = NULL;
        struct dropped *dropped = mem_zalloc(1, sizeof(*dropped));
        INV(dropped != NULL);
        INV(table_new(&shared->tables->context, &shared->metas[at], &table, NULL) == LOAM_OK);
        dropped->table =
            atomic_exchange_explicit(&shared->current[at], table, memory_order_acq_rel);
        epoch_retire(&dropped->item, release_dropped);
        for (int rest = 0; rest < 200; rest++) {
            epoch_collect();
        }
    }
    return NULL;
}

int64_t testing_tables_stress(struct testing_tables *tables,
                              const struct table_meta *metas,
                              size_t count,
                              const struct testing_stress *stress,
                              struct loam_error *err)
{
    PRE(stress->reader_count <= READERS_MAX && count > 0);
    struct shared shared = {.tables = tables, .metas = metas, .count = count, .stress = stress};
    shared.current = mem_zalloc(count, sizeof(*shared.current));
    INV(shared.current != NULL);
    for (size_t i = 0; i < count; i++) {
        struct table *table = NULL;
        INV(table_new(&tables->context, &metas[i], &table, NULL) == LOAM_OK);
        atomic_store(&shared.current[i], table);
    }
    struct loam_thread threads[READERS_MAX + 1] = {0};
    int rc = thread_start(&threads[READERS_MAX], "dropper", dropper_run, &shared, err);
    for (uint32_t i = 0; i < stress->reader_count && rc == LOAM_OK; i++) {
        rc = thread_start(&threads[i], "reader", reader_run, &shared, err);
    }
    for (size_t i = 0; i <= READERS_MAX; i++) {
        thread_join(&threads[i]);
    }
    epoch_drain();
    for (size_t i = 0; i < count; i++) {
        table_unref(atomic_load(&shared.current[i]));
    }
    mem_free(shared.current);
    return rc != LOAM_OK ? rc : (int64_t)atomic_load(&shared.wrong);
}
