/* SPDX-License-Identifier: MIT */
/*
 * memtable.c - a sorted list of rows in an arena, a B+tree of hints over it (memtable_index.h) and
 * a hash table of the newest rows (memtable_hash.h).
 *
 * The list alone decides what is there and in which order; the other two only say where to look.
 * A get asks the hash table: one cache line for a key that is absent, and one more for the row. A
 * skiplist was the first thought: at half a million rows it pays a cache miss on each of its lower
 * levels, where the tree pays one per insert.
 */
#include "lsm/memtable.h"

#include <inttypes.h>

#include "base/check.h"
#include "base/memory.h"
#include "lsm/memtable_impl.h"

#define CHUNK_SIZE_MIN   (16u << 10)
#define CHUNK_SIZE_MAX   (2u << 20)
#define CHUNKS_PER_SIZE  4u /* Chunks grow as the memtable does: a small one is small. */
#define VERSION_STEP_MAX 8u /* Newer versions a get walks over before it asks the index. */

_Static_assert(MEMTABLE_ABREAST == INDEX_ABREAST, "the index looks ahead for all of them");

static struct memtable_node *node_new(struct arena *arena, const struct entry *entry)
{
    size_t extra = entry->expire_at_ms != 0 ? NODE_EXPIRY_BIT : 0;
    size_t size = sizeof(struct memtable_node) + extra + entry->key.size + entry->value.size;
    struct memtable_node *node = arena_alloc(arena, size);
    if (node == NULL) {
        return NULL;
    }
    node->tag = entry->seq << NODE_SEQ_SHIFT | extra | entry->kind;
    node->sizes = entry->key.size | (uint64_t)entry->value.size << NODE_KEY_BITS |
                  (uint64_t)entry->content_type << (NODE_KEY_BITS + NODE_VALUE_BITS);
    char *p = node->bytes;
    if (extra != 0) {
        memcpy(p, &entry->expire_at_ms, sizeof(entry->expire_at_ms));
        p += sizeof(entry->expire_at_ms);
    }
    if (entry->key.size > 0) {
        memcpy(p, entry->key.data, entry->key.size);
    }
    if (entry->value.size > 0) {
        memcpy(p + entry->key.size, entry->value.data, entry->value.size);
    }
    return node;
}

struct memtable *memtable_new(uint64_t log_number)
{
    struct memtable *memtable = mem_zalloc(1, sizeof(*memtable));
    if (memtable == NULL) {
        return NULL;
    }
    arena_init(&memtable->arena, CHUNK_SIZE_MIN);
    struct entry nothing = {.seq = SEQ_MAX};
    memtable->head = node_new(&memtable->arena, &nothing);
    if (memtable->head == NULL || memtable_hash_init(&memtable->hash) != LOAM_OK) {
        arena_deinit(&memtable->arena);
        mem_free(memtable);
        return NULL;
    }
    atomic_init(&memtable->head->next, NULL);
    atomic_init(&memtable->head->prev, NULL);
    memtable_index_init(&memtable->index, &memtable->arena, memtable->head);
    memtable->log_number = log_number;
    atomic_init(&memtable->refs, 1);
    return memtable;
}

void memtable_ref(struct memtable *memtable)
{
    uint32_t old = atomic_fetch_add_explicit(&memtable->refs, 1, memory_order_relaxed);
    PRE(old > 0);
}

void memtable_unref(struct memtable *memtable)
{
    if (memtable == NULL) {
        return;
    }
    /* Release what this owner did; acquire what the others did before the memory goes. */
    uint32_t old = atomic_fetch_sub_explicit(&memtable->refs, 1, memory_order_acq_rel);
    PRE(old > 0);
    if (old == 1) {
        memtable_hash_deinit(&memtable->hash);
        arena_deinit(&memtable->arena);
        mem_free(memtable);
    }
}

/* The single writer's way to count: no locked instruction. */
static inline void counter_add(_Atomic uint64_t *counter, uint64_t value)
{
    uint64_t old = atomic_load_explicit(counter, memory_order_relaxed);
    atomic_store_explicit(counter, old + value, memory_order_relaxed);
}

/* Links a node between two neighbours. The forward link publishes it. */
static void
node_link(struct memtable_node *node, struct memtable_node *before, struct memtable_node *after)
{
    atomic_init(&node->next, after);
    atomic_init(&node->prev, before);
    atomic_store_explicit(&before->next, node, memory_order_release);
    if (after != NULL) {
        atomic_store_explicit(&after->prev, node, memory_order_release);
    }
}

/* Completes what the index said of a place: exact unless it misses nodes. */
static void
place_settle(const struct memtable *memtable, const struct entry *entry, struct index_place *place)
{
    if (place->before == NULL) {
        place->before = memtable->head;
    }
    if (place->after == NULL || UNLIKELY(memtable->index.is_partial)) {
        place->after = node_next(place->before);
    }
    while (UNLIKELY(memtable->index.is_partial) && place->after != NULL &&
           node_cmp(place->after, entry->key, entry->seq) < 0) {
        place->before = place->after;
        place->after = node_next(place->before);
    }
    ASSERT_SLOW(node_next(place->before) == place->after);
}

static void writer_count(struct memtable *memtable, const struct entry *entry)
{
    counter_add(&memtable->count, 1);
    if (entry->kind == ENTRY_DELETE) {
        counter_add(&memtable->delete_count, 1);
    }
    if (entry->seq > memtable_seq_max(memtable)) {
        atomic_store_explicit(&memtable->seq_max, entry->seq, memory_order_relaxed);
    }
    struct arena *arena = &memtable->arena;
    size_t taken = arena_bytes(arena) - arena->left;
    atomic_store_explicit(&memtable->bytes, taken + memtable_hash_bytes(&memtable->hash),
                          memory_order_relaxed);
    if (arena->chunk_size < CHUNK_SIZE_MAX && taken > CHUNKS_PER_SIZE * arena->chunk_size) {
        arena->chunk_size *= 2;
    }
}

static int insert_at(struct memtable *memtable,
                     const struct entry *entry,
                     uint64_t key_hash,
                     struct index_place *place,
                     struct loam_error *err)
{
    PRE(entry->key.size <= STORED_KEY_SIZE_MAX);
    PRE(entry->value.size <= VALUE_SIZE_MAX);
    PRE(entry->seq <= SEQ_MAX);
    PRE(entry->kind < NODE_EXPIRY_BIT && entry->content_type <= UINT16_MAX);
    if (memtable_hash_reserve(&memtable->hash) != LOAM_OK) {
        return mem_fail(err, memtable_hash_bytes(&memtable->hash) * 2);
    }
    struct memtable_node *node = node_new(&memtable->arena, entry);
    if (node == NULL) {
        return mem_fail(err, entry->key.size + entry->value.size);
    }
    place_settle(memtable, entry, place);
    node_link(node, place->before, place->after);
    memtable_index_add(&memtable->index, node, entry->key, place);
    memtable_hash_put(&memtable->hash, key_hash, entry->key, node);
    writer_count(memtable, entry);
    return LOAM_OK;
}

void memtable_send_for_leaf(struct memtable *memtable, const struct entry *entry)
{
    struct ahead *ahead = &memtable->ahead;
    ahead_begin(ahead, entry, memtable_count(memtable));
    memtable_hash_prefetch(&memtable->hash, ahead->key_hash);
    ahead->leaf = memtable_index_send_for(&memtable->index, entry->key, entry->seq);
}

void memtable_send_for_rows(struct memtable *memtable, const struct entry *entry)
{
    if (ahead_holds(&memtable->ahead, entry, memtable_count(memtable))) {
        ahead_place(&memtable->ahead, &memtable->index, entry);
    }
}

int memtable_insert(struct memtable *memtable, const struct entry *entry, struct loam_error *err)
{
    struct ahead *ahead = &memtable->ahead;
    if (ahead->is_placed && ahead_holds(ahead, entry, memtable_count(memtable))) {
        ahead->is_placed = false;
        return insert_at(memtable, entry, ahead->key_hash, &ahead->place, err);
    }
    uint64_t key_hash = table_key_hash(entry->key);
    memtable_hash_prefetch(&memtable->hash, key_hash);
    struct index_place place;
    memtable_index_place(&memtable->index, entry->key, entry->seq, NULL, &place);
    return insert_at(memtable, entry, key_hash, &place, err);
}

int memtable_insert_abreast(struct memtable *memtable,
                            const struct entry *entries,
                            size_t count,
                            struct loam_error *err)
{
    if (count == 1) {
        return memtable_insert(memtable, entries, err);
    }
    PRE(count <= MEMTABLE_ABREAST);
    uint64_t key_hash[MEMTABLE_ABREAST];
    for (size_t i = 0; i < count; i++) {
        key_hash[i] = table_key_hash(entries[i].key);
        memtable_hash_prefetch(&memtable->hash, key_hash[i]);
    }
    struct index_ahead ahead;
    memtable_index_look_ahead(&memtable->index, entries, count, &ahead);
    for (size_t i = 0; i < count; i++) {
        bool is_known = ahead.split_count == memtable->index.split_count;
        struct index_node *leaf = is_known ? ahead.leaf[i] : NULL;
        struct index_place place;
        memtable_index_place(&memtable->index, entries[i].key, entries[i].seq, leaf, &place);
        TRY(insert_at(memtable, &entries[i], key_hash[i], &place, err));
    }
    return LOAM_OK;
}

void memtable_prefetch(const struct memtable *memtable, uint64_t hash)
{
    memtable_hash_prefetch(&memtable->hash, hash);
}

bool memtable_get(const struct memtable *memtable,
                  struct slice key,
                  uint64_t hash,
                  uint64_t snapshot_seq,
                  struct entry *out)
{
    const struct memtable_node *node = memtable_hash_find(&memtable->hash, hash, key);
    if (node == NULL) {
        return false;
    }
    for (unsigned steps = 0; node_seq(node) > snapshot_seq; steps++) {
        const struct memtable_node *before = NULL;
        node = steps < VERSION_STEP_MAX ? node_next(node)
                                        : memtable_find_place(memtable, key, snapshot_seq, &before);
        if (node == NULL || !slice_equal(node_key(node), key)) {
            return false;
        }
    }
    node_entry(node, out);
    return true;
}

size_t memtable_bytes(const struct memtable *memtable)
{
    return atomic_load_explicit(&memtable->bytes, memory_order_relaxed);
}

uint64_t memtable_count(const struct memtable *memtable)
{
    return atomic_load_explicit(&memtable->count, memory_order_relaxed);
}

uint64_t memtable_delete_count(const struct memtable *memtable)
{
    return atomic_load_explicit(&memtable->delete_count, memory_order_relaxed);
}

uint64_t memtable_log_number(const struct memtable *memtable)
{
    return memtable->log_number;
}

uint64_t memtable_seq_max(const struct memtable *memtable)
{
    return atomic_load_explicit(&memtable->seq_max, memory_order_relaxed);
}

/* One node and the link to its predecessor; what the index and the hash table say of it. */
static int check_node(const struct memtable *memtable,
                      const struct memtable_node *before,
                      const struct memtable_node *node,
                      struct loam_error *err)
{
    struct slice key = node_key(node);
    bool is_first = before == memtable->head;
    bool is_newest = is_first || !slice_equal(node_key(before), key);
    if (!is_first && node_cmp(before, key, node_seq(node)) >= 0) {
        return fail(err, LOAM_CORRUPT, "memtable: row %" PRIu64 " is out of order", node_seq(node));
    }
    if (node_prev(node) != before) {
        return fail(err, LOAM_CORRUPT, "memtable: row %" PRIu64 " has a wrong back link",
                    node_seq(node));
    }
    const struct memtable_node *hint = memtable_index_find(&memtable->index, key, node_seq(node));
    if (!memtable->index.is_partial && hint != (is_first ? NULL : before)) {
        return fail(err, LOAM_CORRUPT, "memtable: row %" PRIu64 " is misplaced in the index",
                    node_seq(node));
    }
    uint64_t hash = table_key_hash(key);
    if (is_newest && memtable_hash_find(&memtable->hash, hash, key) != node) {
        return fail(err, LOAM_CORRUPT, "memtable: row %" PRIu64 " is misplaced in the hash table",
                    node_seq(node));
    }
    return LOAM_OK;
}

int memtable_check(const struct memtable *memtable, struct loam_error *err)
{
    uint64_t count = 0;
    uint64_t delete_count = 0;
    uint64_t seq_max = 0;
    const struct memtable_node *before = memtable->head;
    for (const struct memtable_node *node = node_next(before); node != NULL;
         node = node_next(node)) {
        TRY(check_node(memtable, before, node, err));
        struct entry entry;
        node_entry(node, &entry);
        count++;
        delete_count += entry.kind == ENTRY_DELETE;
        seq_max = entry.seq > seq_max ? entry.seq : seq_max;
        before = node;
    }
    if (count != memtable_count(memtable) || delete_count != memtable_delete_count(memtable) ||
        seq_max != memtable_seq_max(memtable)) {
        return fail(err, LOAM_CORRUPT,
                    "memtable: %" PRIu64 " rows, %" PRIu64 " deletes, last sequence %" PRIu64
                    " found; counted were %" PRIu64 ", %" PRIu64 ", %" PRIu64,
                    count, delete_count, seq_max, memtable_count(memtable),
                    memtable_delete_count(memtable), memtable_seq_max(memtable));
    }
    return LOAM_OK;
}
