/* SPDX-License-Identifier: MIT */
/* table_testing.c - thin wrappers for the specs of tables, cache and runs. */
#include "lsm/table_testing.h"

#include "base/check.h"
#include "lsm/table_stress.h"

static void note_obsolete(void *owner, uint64_t number)
{
    struct testing_tables *tables = owner;
    tables->obsolete = number;
    tables->obsolete_count++;
}

struct testing_tables *
testing_tables_new(struct env_dir *dir, const struct store_id *id, uint64_t capacity)
{
    struct testing_tables *tables = mem_zalloc(1, sizeof(*tables));
    struct cache *cache = cache_new(capacity);
    INV(tables != NULL && cache != NULL);
    tables->context = (struct table_context){
        .dir = dir, .id = *id, .cache = cache, .on_obsolete = note_obsolete, .owner = tables};
    return tables;
}

void testing_tables_free(struct testing_tables *tables)
{
    if (tables != NULL) {
        epoch_drain();
        cache_free(tables->context.cache);
        mem_free(tables);
    }
}

struct cache *testing_tables_cache(struct testing_tables *tables)
{
    return tables->context.cache;
}

int testing_tables_add(struct testing_tables *tables,
                       const struct table_meta *meta,
                       struct table **out,
                       struct loam_error *err)
{
    return table_new(&tables->context, meta, out, err);
}

uint64_t testing_tables_obsolete(const struct testing_tables *tables, uint64_t *count)
{
    *count = tables->obsolete_count;
    return tables->obsolete;
}

int testing_table_get(struct table *table,
                      struct slice key,
                      uint64_t snapshot_seq,
                      struct entry *out,
                      struct block **pin,
                      struct loam_error *err)
{
    struct lookup wanted = lookup_make(key, snapshot_seq);
    epoch_enter();
    int rc = table_get(table, &wanted, out, pin, err);
    epoch_exit();
    return rc;
}

void testing_pin_free(struct block *pin)
{
    block_unref(pin);
}

struct testing_version {
    struct version version;
};

struct testing_version *testing_version_new(void)
{
    return mem_zalloc(1, sizeof(struct testing_version));
}

int testing_version_add_run(struct testing_version *version, struct table **tables, size_t count)
{
    struct version *to = &version->version;
    struct run *runs = mem_realloc(to->runs, (to->run_count + 1) * sizeof(*runs));
    struct table **copy = mem_zalloc(count, sizeof(struct table *) + 2 * sizeof(uint64_t));
    INV(runs != NULL && copy != NULL);
    for (size_t i = 0; i < count; i++) {
        copy[i] = tables[i];
        table_ref(copy[i]);
    }
    to->runs = runs;
    runs[to->run_count] = (struct run){.tables = copy, .table_count = count};
    run_fence(&runs[to->run_count++], (uint64_t *)(copy + count));
    return LOAM_OK;
}

int testing_version_get(struct testing_version *version,
                        struct slice key,
                        uint64_t snapshot_seq,
                        struct entry *out,
                        struct block **pin,
                        struct loam_error *err)
{
    struct lookup wanted = lookup_make(key, snapshot_seq);
    struct version_ahead ahead;
    epoch_enter();
    version_look_ahead(&version->version, &wanted, &ahead);
    int rc = version_get(&version->version, &wanted, &ahead, out, pin, err);
    epoch_exit();
    return rc;
}

void testing_version_free(struct testing_version *version)
{
    if (version == NULL) {
        return;
    }
    for (size_t i = 0; i < version->version.run_count; i++) {
        struct run *run = &version->version.runs[i];
        for (size_t at = 0; at < run->table_count; at++) {
            table_unref(run->tables[at]);
        }
        mem_free(run->tables);
    }
    mem_free(version->version.runs);
    mem_free(version);
}

struct iter *testing_table_iter_new(struct table *table, bool fill_cache)
{
    struct table_iter *it = mem_alloc(sizeof(*it));
    INV(it != NULL);
    table_iter_init(it, table, fill_cache);
    return &it->iter;
}

struct iter *
testing_run_iter_new(const struct testing_version *version, size_t run, bool fill_cache)
{
    struct run_iter *it = mem_alloc(sizeof(*it));
    INV(it != NULL && run < version->version.run_count);
    run_iter_init(it, &version->version.runs[run], fill_cache);
    return &it->iter;
}

int testing_iter_move(
    struct iter *iter, int move, struct slice key, uint64_t seq, bool *is_valid, struct entry *out)
{
    switch (move) {
    case 'f':
        iter_first(iter);
        break;
    case 'l':
        iter_last(iter);
        break;
    case 's':
        iter_seek(iter, key, seq);
        break;
    case 'b':
        iter_seek_before(iter, key, seq);
        break;
    case 'n':
        iter_next(iter);
        break;
    default:
        PRE(move == 'p');
        iter_prev(iter);
        break;
    }
    *is_valid = iter->is_valid;
    *out = iter->entry;
    return iter->status;
}

void testing_iter_set_error(struct iter *iter, struct loam_error *err)
{
    iter->err = err;
}

void testing_iter_free(struct iter *iter)
{
    iter_free(iter);
    mem_free(iter);
}
