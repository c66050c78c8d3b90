/* SPDX-License-Identifier: MIT */
/*
 * memtable.h - the newest rows, sorted in memory. Floor 3.
 *
 * One writer (the commit leader) inserts; any number of readers look up and iterate at the same
 * time without locks. A row is published by a release store; rows are never changed or removed.
 * Reference counted; readers inside an epoch bracket need no reference. Inserts come in any order
 * of keys; no (key, seq) comes twice.
 */
#ifndef LOAM_LSM_MEMTABLE_H
#define LOAM_LSM_MEMTABLE_H

#include "base/attrs.h"
#include "lsm/iter.h"

/* ffi: begin */
struct memtable;
struct index_node;

/* refs = 1. log_number: the log that holds its rows. NULL when out of memory. */
struct memtable *memtable_new(uint64_t log_number);
void memtable_ref(struct memtable *memtable);
/* Frees at zero - at once: whoever published it retires it through an epoch first. */
void memtable_unref(struct memtable *memtable);
/* Copies one row in. Errors: NO_MEMORY, and nothing is added. Thread: the one writer. */
NODISCARD int
memtable_insert(struct memtable *memtable, const struct entry *entry, struct loam_error *err);
/*
 * For a row that is inserted next, in two steps with other work of the caller in between, while
 * which the memory is on its way: first the leaf of the tree is sent for, then the rows beside the
 * place. Hints: any other insert in between makes them void. The key must stay where it is until
 * the insert. Thread: the one writer.
 */
void memtable_send_for_leaf(struct memtable *memtable, const struct entry *entry);
void memtable_send_for_rows(struct memtable *memtable, const struct entry *entry);
enum { MEMTABLE_ABREAST = 8 };
/* The same for up to MEMTABLE_ABREAST rows, whose cache misses overlap. Errors: NO_MEMORY, and some
 * of the rows may be in. Thread: the one writer. */
NODISCARD int memtable_insert_abreast(struct memtable *memtable,
                                      const struct entry *entries,
                                      size_t count,
                                      struct loam_error *err);
/* Starts to load what memtable_get() of this hash will look at first. */
void memtable_prefetch(const struct memtable *memtable, uint64_t hash);
/*
 * Finds the newest version of a key with seq <= snapshot_seq. hash = table_key_hash(key) (for an
 * implementation that wants it). Returns whether there is one - it may be a delete or expired. out
 * is valid while the memtable lives. Thread: any, inside an epoch bracket
 */
bool memtable_get(const struct memtable *memtable,
                  struct slice key,
                  uint64_t hash,
                  uint64_t snapshot_seq,
                  struct entry *out);
/* Memory in use, in bytes: rows, index, hash table. Thread: any */
size_t memtable_bytes(const struct memtable *memtable);
uint64_t memtable_count(const struct memtable *memtable);
uint64_t memtable_delete_count(const struct memtable *memtable);
uint64_t memtable_log_number(const struct memtable *memtable);
/* Highest seq inserted; 0 when empty. */
uint64_t memtable_seq_max(const struct memtable *memtable);

/* See memtable_cursor.h. */
struct memtable_cursor {
    const struct index_node *leaf; /* NULL = knows nothing. */
    uint32_t at;
    uint32_t ahead; /* Rows on their way, from `at` on. */
    bool is_near;   /* For the next seek: it goes to a version of the key at the cursor. */
    const struct index_node *aimed; /* The leaf of the seek that comes next; NULL = not known. */
};

struct memtable_iter {
    struct iter iter;
    const struct memtable *memtable; /* Borrowed: must outlive the iterator. */
    const void *node;
    struct memtable_cursor cursor;
};
void memtable_iter_init(struct memtable_iter *it, const struct memtable *memtable);
/* Order, links, counts. For specs and slow checks. */
NODISCARD int memtable_check(const struct memtable *memtable, struct loam_error *err);
/* ffi: end */

#endif
