/* SPDX-License-Identifier: MIT */
/*
 * table_warm.c - makes blocks of a new table resident before anybody asks for them. See table.h.
 *
 * A new table takes the place of memtables or of tables whose blocks were resident: without this,
 * each of its blocks would cost its first reader a system call, a checksum and a validation. The
 * one who has written the table reads it back anyway. A block that came so has no hot bit: when
 * room gets short it is the first to go.
 */
#include "base/give_way.h"
#include "lsm/table_internal.h"

#define READ_AHEAD (1u << 20)

static void keep(void *owner, uint32_t index, struct block *block)
{
    struct table *table = owner;
    if (table_resident(table, index) != NULL) {
        return;
    }
    if (cache_has_room(table->cache, block_memory(block))) {
        block_ref(block); /* The slot's. */
        (void)table_install(table, index, block);
    } else {
        atomic_store_explicit(&table->is_cold, true, memory_order_relaxed);
    }
}

int table_verify(struct table *table, uint64_t *out_digest, struct loam_error *err)
{
    const struct table_reader *reader = NULL;
    TRY(table_reader_of(table, &reader, err));
    const struct block_keeper keeper = {.keep = keep, .owner = table};
    return table_reader_check_rows(reader, &table->meta, &keeper, out_digest, err);
}

bool table_is_cold(const struct table *table)
{
    return atomic_load_explicit(&table->is_cold, memory_order_relaxed);
}

void table_warm(struct table *table)
{
    const struct table_reader *reader = atomic_load_explicit(&table->reader, memory_order_acquire);
    struct table_window window = {0};
    bool has_room = cache_has_room(table->cache, READ_AHEAD);
    for (uint32_t i = 0; reader != NULL && has_room && i < table->member.slot_count; i++) {
        struct block *block = NULL;
        if (table_resident(table, i) != NULL) {
            continue;
        }
        if (table_reader_block_ahead(reader, i, &window, READ_AHEAD, &block, NULL) != LOAM_OK) {
            break;
        }
        size_t size = block->size;
        (void)table_install(table, i, block);
        give_way_after(size);
        has_room = cache_has_room(table->cache, READ_AHEAD);
    }
    table_window_deinit(&window);
    if (has_room) {
        atomic_store_explicit(&table->is_cold, false, memory_order_relaxed);
    }
}
