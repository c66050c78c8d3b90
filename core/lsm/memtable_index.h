/* SPDX-License-Identifier: MIT */
/*
 * memtable_index.h - a B+tree over the nodes of a memtable that gives a node near any position.
 * Floor 3, private to the memtable.
 *
 * What it answers to a reader is a hint: some node of the list, nearly always the last one before
 * the wanted position. The caller compares and walks the list from there, backward or forward, so
 * a reader that meets a half-made change is late by some steps and never wrong. That is why the
 * tree needs no lock, no version counters and no copies: its fields are atomics that one writer
 * changes in place while readers look. To the writer itself the answer is exact.
 *
 * Each tree node keeps eight bytes of every key from `skip` on, where skip is at most what all keys
 * between its two separators share: decimal keys with many equal leading digits are told apart
 * without looking at the rows.
 */
#ifndef LOAM_LSM_MEMTABLE_INDEX_H
#define LOAM_LSM_MEMTABLE_INDEX_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attrs.h"
#include "base/slice.h"

struct entry;
struct memtable_node;
struct index_node;

struct memtable_index {
    struct arena *arena;        /* Borrowed. */
    struct memtable_node *head; /* Before all nodes; never an answer. */
    /* Atomic: release of a new root, pairs with the acquire of a search. */
    _Atomic(struct index_node *) root;
    const struct memtable_node *reference; /* The first node; constant once root is set. */
    _Atomic size_t shared;  /* Bytes that all keys share with reference. Relaxed: a hint. */
    char apart[CACHE_LINE]; /* The writer's own words stand off the lines that readers share. */
    bool is_partial;        /* Writer only: memory ran out once, some nodes are missing. */
    /* Writer only: where the last node went; ascending inserts start and end here. */
    struct index_node *finger_leaf; /* NULL = unknown. */
    uint32_t finger_at;
    bool is_ascending;  /* The last node went right behind the one before it in time. */
    size_t split_count; /* Writer only: leaves that were found hold while it stays. */
};

/* Where a node is to go, for the writer. */
struct index_place {
    struct memtable_node *before; /* The last node before it; NULL = none. */
    struct memtable_node *after;  /* The first node behind it; NULL = ask before->next. */
    struct index_node *leaf;      /* NULL when the tree is empty. */
    uint32_t at;
    bool is_ascending; /* Right behind the last node added. */
};

void memtable_index_init(struct memtable_index *index,
                         struct arena *arena,
                         struct memtable_node *head);
/* A node that probably is the last before (key, seq); NULL = probably none. Thread: any. */
struct memtable_node *
memtable_index_find(const struct memtable_index *index, struct slice key, uint64_t seq);
/* A node at or near the end; NULL when empty. Thread: any. */
struct memtable_node *memtable_index_last(const struct memtable_index *index);
/* The leaf of a position, sent for. NULL when it is not needed: the tree is empty, or the position
 * is right behind the last node added. Thread: the one writer. */
struct index_node *
memtable_index_send_for(const struct memtable_index *index, struct slice key, uint64_t seq);
/* Rows that are inserted abreast: the cache misses on their ways through the tree overlap. */
#define INDEX_ABREAST 8
struct index_ahead {
    struct index_node *leaf[INDEX_ABREAST]; /* Of each row; NULL when the tree is empty. */
    size_t split_count;                     /* Of the index when they were found. */
};
/* Finds the leaves of up to INDEX_ABREAST entries and sends for what inserting them will touch.
 * Thread: the one writer, as the next. */
void memtable_index_look_ahead(const struct memtable_index *index,
                               const struct entry *entries,
                               size_t count,
                               struct index_ahead *out);
/* leaf: where the position is, if known; else NULL. */
void memtable_index_place(const struct memtable_index *index,
                          struct slice key,
                          uint64_t seq,
                          struct index_node *leaf,
                          struct index_place *out);
/* Adds a node at its place. When memory runs out the node stays out of the tree: slower to find,
 * not lost. key: a copy of the node's key. */
void memtable_index_add(struct memtable_index *index,
                        struct memtable_node *node,
                        struct slice key,
                        const struct index_place *place);

#endif
