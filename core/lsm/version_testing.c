/* SPDX-License-Identifier: MIT */
/* version_testing.c - see version_testing.h. The list of obsolete tables is bounded: specs make
 * few.
 */
#include "lsm/version_testing.h"

#include "base/check.h"
#include "base/memory.h"

#define OBSOLETE_MAX 1024
#define CACHE_BYTES  (1u << 20)

struct testing_context {
    struct table_context tables;
    uint64_t obsolete[OBSOLETE_MAX];
    size_t obsolete_count;
};

static void on_obsolete(void *owner, uint64_t number)
{
    struct testing_context *context = owner;
    INV(context->obsolete_count < OBSOLETE_MAX);
    context->obsolete[context->obsolete_count++] = number;
}

struct testing_context *testing_context_new(struct env_dir *dir)
{
    struct testing_context *context = mem_zalloc(1, sizeof(*context));
    if (context == NULL) {
        return NULL;
    }
    context->tables.dir = dir;
    context->tables.cache = cache_new(CACHE_BYTES);
    context->tables.on_obsolete = on_obsolete;
    context->tables.owner = context;
    if (context->tables.cache == NULL) {
        mem_free(context);
        return NULL;
    }
    return context;
}

void testing_context_free(struct testing_context *context)
{
    if (context != NULL) {
        cache_free(context->tables.cache);
        mem_free(context);
    }
}

struct table_context *testing_context_get(struct testing_context *context)
{
    return &context->tables;
}

struct store_id testing_context_id(const struct testing_context *context)
{
    return context->tables.id;
}

size_t testing_context_obsolete(struct testing_context *context, uint64_t *out, size_t capacity)
{
    size_t count = context->obsolete_count;
    memcpy(out, context->obsolete, (count < capacity ? count : capacity) * sizeof(*out));
    context->obsolete_count = 0;
    return count;
}

int testing_version_text(const struct version *version,
                         struct loam_buffer *out,
                         struct loam_error *err)
{
    for (size_t i = 0; i < version->run_count; i++) {
        const struct run *run = &version->runs[i];
        TRY(buf_printf(out, err, "run %llu:", (unsigned long long)run->order));
        for (size_t k = 0; k < run->table_count; k++) {
            TRY(buf_printf(out, err, " %llu",
                           (unsigned long long)table_meta(run->tables[k])->number));
        }
        TRY(buf_append(out, "\n", 1, err));
    }
    return LOAM_OK;
}

const struct run *testing_version_run(const struct version *version, size_t index)
{
    PRE(index < version->run_count);
    return &version->runs[index];
}

uint64_t testing_run_find(const struct run *run, struct slice key)
{
    const struct table *table = run_find(run, key);
    return table == NULL ? 0 : table_meta(table)->number;
}
