/* SPDX-License-Identifier: MIT */
/*
 * table.c - life of a table object and its block slots. See table.h.
 *
 * A missing block is read outside every lock; whoever finishes first installs it by a compare and
 * swap, the others free theirs and use the installed one. Bytes are charged before the block
 * becomes visible, so that an eviction never takes back what was not yet charged.
 */
#include "lsm/table.h"

#include <inttypes.h>

#include "base/check.h"
#include "lsm/table_internal.h"

int table_new(const struct table_context *context,
              const struct table_meta *meta,
              struct table **out,
              struct loam_error *err)
{
    PRE(context->dir != NULL && context->cache != NULL && meta->number > 0);
    size_t size = sizeof(struct table) + meta->smallest.size + meta->largest.size;
    struct table *table = mem_aligned(CACHE_LINE, size);
    if (table == NULL) {
        return mem_fail(err, size);
    }
    *table = (struct table){.context = context, .cache = context->cache, .meta = *meta};
    char *keys = (char *)(table + 1);
    memcpy(keys, meta->smallest.data, meta->smallest.size);
    memcpy(keys + meta->smallest.size, meta->largest.data, meta->largest.size);
    table->meta.smallest.data = keys;
    table->meta.largest.data = keys + meta->smallest.size;
    atomic_init(&table->refs, 1);
    mutex_init(&table->mu);
    *out = table;
    return LOAM_OK;
}

void table_ref(struct table *table)
{
    uint32_t before = atomic_fetch_add_explicit(&table->refs, 1, memory_order_relaxed);
    INV(before > 0 && before < UINT32_MAX);
}

void table_unref(struct table *table)
{
    if (table == NULL) {
        return;
    }
    uint32_t before = atomic_fetch_sub_explicit(&table->refs, 1, memory_order_acq_rel);
    INV(before > 0);
    if (before > 1) {
        return;
    }
    struct table_reader *reader = atomic_load_explicit(&table->reader, memory_order_relaxed);
    if (reader != NULL) {
        cache_unregister(table->cache, &table->member);
        table_reader_close(reader);
        mem_free(table->member.slots);
    }
    const struct table_context *context = table->context;
    uint64_t number = table->meta.number;
    bool is_obsolete = atomic_load_explicit(&table->is_obsolete, memory_order_relaxed);
    mutex_deinit(&table->mu);
    mem_free(table);
    if (is_obsolete && context->on_obsolete != NULL) {
        context->on_obsolete(context->owner, number);
    }
}

void table_mark_obsolete(struct table *table)
{
    atomic_store_explicit(&table->is_obsolete, true, memory_order_release);
}

const struct table_meta *table_meta(const struct table *table)
{
    return &table->meta;
}

void table_prefetch(const struct table *table, uint64_t hash)
{
    const struct table_reader *reader = atomic_load_explicit(&table->reader, memory_order_acquire);
    if (reader != NULL) {
        point_probe_prefetch(reader, hash);
    }
}

/* Opening. */

/* Whether the file is the one that the manifest means, and not an older one of the same number. */
static int identity_check(const struct table_meta *wanted,
                          const struct table_meta *found,
                          struct loam_error *err)
{
    if (found->row_count == wanted->row_count && found->raw_size == wanted->raw_size &&
        found->seq_min == wanted->seq_min && found->seq_max == wanted->seq_max &&
        slice_equal(found->smallest, wanted->smallest) &&
        slice_equal(found->largest, wanted->largest)) {
        return LOAM_OK;
    }
    return fail(err, LOAM_CORRUPT,
                "%012" PRIu64 ".sst at offset 0: not the table of the manifest: %" PRIu64
                " rows up to sequence %" PRIu64 ", wanted %" PRIu64 " up to %" PRIu64,
                wanted->number, found->row_count, found->seq_max, wanted->row_count,
                wanted->seq_max);
}

static int open_locked(struct table *table, struct loam_error *err) REQUIRES(table->mu)
{
    const struct table_context *context = table->context;
    struct table_reader *reader = NULL;
    TRY(table_reader_open(context->dir, table->meta.number, table->meta.size, &context->id, &reader,
                          err));
    int rc = identity_check(&table->meta, table_reader_meta(reader), err);
    if (rc == LOAM_OK) {
        uint32_t slot_count = table_reader_block_count(reader);
        size_t slot_bytes = slot_count * sizeof(*table->member.slots);
        table->member.slots = mem_zalloc(slot_count, sizeof(*table->member.slots));
        table->member.slot_count = slot_count;
        table->member.index_bytes = table_reader_memory(reader) + slot_bytes + sizeof(*table);
        rc = table->member.slots == NULL ? mem_fail(err, slot_bytes) : LOAM_OK;
    }
    if (rc != LOAM_OK) {
        table_reader_close(reader);
        return rc;
    }
    cache_register(table->cache, &table->member);
    atomic_store_explicit(&table->reader, reader, memory_order_release);
    return LOAM_OK;
}

int table_open(struct table *table, struct loam_error *err)
{
    int rc = LOAM_OK;
    mutex_lock(&table->mu);
    if (atomic_load_explicit(&table->reader, memory_order_relaxed) == NULL) {
        rc = open_locked(table, err);
    }
    mutex_unlock(&table->mu);
    return rc;
}

/* Blocks. */

struct block *table_install(struct table *table, uint32_t index, struct block *block)
{
    PRE(index < table->member.slot_count);
    size_t bytes = block_memory(block);
    shape_note(table, block);
    cache_charge(table->cache, bytes);
    struct block *expected = NULL;
    if (atomic_compare_exchange_strong_explicit(&table->member.slots[index], &expected, block,
                                                memory_order_acq_rel, memory_order_acquire)) {
        return block;
    }
    cache_uncharge(table->cache, bytes);
    block_unref(block);
    return expected;
}

static NOINLINE int block_miss(struct table *table,
                               const struct table_reader *reader,
                               uint32_t index,
                               struct block **out,
                               struct loam_error *err)
{
    struct block *block = NULL;
    cache_note_miss(table->cache);
    TRY(table_reader_block(reader, index, &block, err));
    *out = table_install(table, index, block);
    return LOAM_OK;
}

int table_block(struct table *table,
                const struct table_reader *reader,
                uint32_t index,
                struct block **out,
                struct loam_error *err)
{
    struct block *block = table_resident(table, index);
    if (UNLIKELY(block == NULL)) {
        return block_miss(table, reader, index, out, err);
    }
    cache_note_hit(table->cache);
    block_heat(block);
    *out = block;
    return LOAM_OK;
}
