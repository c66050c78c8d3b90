/* SPDX-License-Identifier: MIT */
/*
 * memtable_ahead.h - what a memtable knows of the row that is inserted next (memtable_send_for_*).
 * Floor 3, private to the memtable.
 *
 * It holds as long as no other row is inserted: the place is then exact. Thread: the one writer.
 */
#ifndef LOAM_LSM_MEMTABLE_AHEAD_H
#define LOAM_LSM_MEMTABLE_AHEAD_H

#include "disk/entry.h"
#include "disk/table_reader.h"
#include "lsm/memtable_index.h"

struct ahead {
    const char *key; /* Of the caller: with seq, it says which row it is. */
    uint64_t seq;
    uint64_t count; /* Rows there were. */
    uint64_t key_hash;
    struct index_node *leaf; /* NULL = not needed, or not known. */
    struct index_place place;
    bool is_placed;
};

static inline void ahead_begin(struct ahead *ahead, const struct entry *entry, uint64_t count)
{
    ahead->key = entry->key.data;
    ahead->seq = entry->seq;
    ahead->count = count;
    ahead->key_hash = table_key_hash(entry->key);
    ahead->is_placed = false;
}

static inline bool ahead_holds(const struct ahead *ahead, const struct entry *entry, uint64_t count)
{
    return ahead->key == entry->key.data && ahead->seq == entry->seq && ahead->count == count;
}

static inline void
ahead_place(struct ahead *ahead, const struct memtable_index *index, const struct entry *entry)
{
    memtable_index_place(index, entry->key, entry->seq, ahead->leaf, &ahead->place);
    ahead->is_placed = true;
}

#endif
