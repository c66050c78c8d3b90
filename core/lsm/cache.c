/* SPDX-License-Identifier: MIT */
/*
 * cache.c - byte counts, counters, and the clock hand. See cache.h.
 *
 * The mutex protects the ring of members and the hand. Blocks are unlinked only under it (by a
 * sweep or at unregistration), so a sweep may look at any block it finds; they are retired after
 * the mutex is released, because collecting may run releases that take it. Counters of hits and
 * misses are split over lines by thread and written without locked instructions: a shared line
 * would cost a hit more than everything else.
 */
#include "lsm/cache.h"

#include "base/check.h"
#include "base/thread.h"
#include "disk/block.h"

#define SHARD_COUNT      64u
#define SWEEP_STEPS      2048u        /* Slots one sweep looks at, so that no reader stands long. */
#define SWEEP_BELOW      (256u << 10) /* A sweep frees so much more than needed... */
#define SWEEP_BELOW_PART 64u          /* ...but at most this part of the capacity. */
#define COLLECT_BYTES    (1u << 20)   /* Retired bytes after which the epoch is asked at once. */

struct CACHE_ALIGNED cache_shard {
    _Atomic uint64_t hits; /* Atomic: relaxed load and store; two threads of one shard may lose. */
    _Atomic uint64_t misses;
};

struct cache {
    _Atomic uint64_t capacity; /* Atomic: relaxed. */
    /* Atomic: relaxed sums. */
    CACHE_ALIGNED _Atomic uint64_t block_bytes;
    _Atomic uint64_t index_bytes;
    _Atomic uint64_t evictions;

    struct loam_mutex mu;
    struct cache_member *hand; /* Protected by mu. NULL: no members. */
    uint32_t hand_slot;        /* Protected by mu. Next slot of hand to look at. */

    struct cache_shard shards[SHARD_COUNT];
};

/* Which shard a thread counts in; threads take turns. */
static _Atomic unsigned shard_next;
static _Thread_local unsigned shard_mine; /* Plus one; 0 = not chosen. */

struct cache *cache_new(uint64_t capacity)
{
    struct cache *cache = mem_aligned(CACHE_LINE, sizeof(*cache));
    if (cache == NULL) {
        return NULL;
    }
    memset(cache, 0, sizeof(*cache));
    atomic_init(&cache->capacity, capacity);
    mutex_init(&cache->mu);
    return cache;
}

void cache_free(struct cache *cache)
{
    if (cache != NULL) {
        PRE(cache->hand == NULL);
        mutex_deinit(&cache->mu);
        mem_free(cache);
    }
}

/* Sweeping. */

static uint64_t used(const struct cache *cache)
{
    return atomic_load_explicit(&cache->block_bytes, memory_order_relaxed) +
           atomic_load_explicit(&cache->index_bytes, memory_order_relaxed);
}

bool cache_has_room(const struct cache *cache, uint64_t bytes)
{
    uint64_t capacity = atomic_load_explicit(&cache->capacity, memory_order_relaxed);
    return used(cache) + bytes <= capacity - capacity / 8;
}

static uint64_t excess(const struct cache *cache)
{
    uint64_t bytes = used(cache);
    uint64_t capacity = atomic_load_explicit(&cache->capacity, memory_order_relaxed);
    return bytes > capacity ? bytes - capacity : 0;
}

static void release_block(struct epoch_item *item)
{
    block_unref((struct block *)item); /* It is the first member. */
}

_Static_assert(offsetof(struct block, epoch_item) == 0, "release_block() casts");

/* Empties a slot. The block joins the list of victims, linked by its epoch item. Returns its bytes.
 */
static uint64_t slot_empty(struct cache *cache,
                           _Atomic(struct block *) *slot,
                           struct epoch_item **victims) REQUIRES(cache->mu)
{
    struct block *block = atomic_exchange_explicit(slot, NULL, memory_order_acq_rel);
    INV(block != NULL);
    uint64_t bytes = block_memory(block);
    cache_uncharge(cache, bytes);
    block->epoch_item.next = *victims;
    *victims = &block->epoch_item;
    return bytes;
}

/* Outside the mutex. */
static void retire_all(struct epoch_item *victims, uint64_t bytes)
{
    while (victims != NULL) {
        struct epoch_item *next = victims->next;
        epoch_retire(victims, release_block);
        victims = next;
    }
    if (bytes >= COLLECT_BYTES) {
        epoch_collect();
    }
}

/* Moves the hand over at most `steps` slots until `wanted` bytes are freed. Returns bytes freed. */
static uint64_t
hand_move(struct cache *cache, uint64_t steps, uint64_t wanted, struct epoch_item **victims)
    REQUIRES(cache->mu)
{
    uint64_t freed = 0;
    uint64_t evicted = 0;
    for (; steps > 0 && freed < wanted && cache->hand != NULL; steps--) {
        struct cache_member *member = cache->hand;
        if (cache->hand_slot >= member->slot_count) {
            cache->hand = member->next;
            cache->hand_slot = 0;
            continue;
        }
        _Atomic(struct block *) *slot = &member->slots[cache->hand_slot++];
        struct block *block = atomic_load_explicit(slot, memory_order_acquire);
        if (block == NULL) {
            continue;
        }
        if (atomic_load_explicit(&block->is_hot, memory_order_relaxed) != 0) {
            atomic_store_explicit(&block->is_hot, 0, memory_order_relaxed);
            continue;
        }
        freed += slot_empty(cache, slot, victims);
        evicted++;
    }
    atomic_fetch_add_explicit(&cache->evictions, evicted, memory_order_relaxed);
    return freed;
}

static NOINLINE void sweep(struct cache *cache)
{
    if (!mutex_try_lock(&cache->mu)) {
        return;
    }
    struct epoch_item *victims = NULL;
    uint64_t below =
        atomic_load_explicit(&cache->capacity, memory_order_relaxed) / SWEEP_BELOW_PART;
    below = below < SWEEP_BELOW ? below : SWEEP_BELOW;
    uint64_t over = excess(cache);
    uint64_t freed = over == 0 ? 0 : hand_move(cache, SWEEP_STEPS, over + below, &victims);
    mutex_unlock(&cache->mu);
    retire_all(victims, freed);
}

void cache_set_capacity(struct cache *cache, uint64_t capacity)
{
    atomic_store_explicit(&cache->capacity, capacity, memory_order_relaxed);
    struct epoch_item *victims = NULL;
    uint64_t freed = 0;
    mutex_lock(&cache->mu);
    uint64_t slots = 0;
    struct cache_member *member = cache->hand;
    if (member != NULL) {
        do {
            slots += (uint64_t)member->slot_count + 1;
            member = member->next;
        } while (member != cache->hand);
        /* Twice around: the first time takes the hot bits. */
        freed = hand_move(cache, 2 * slots + 2, excess(cache), &victims);
    }
    mutex_unlock(&cache->mu);
    retire_all(victims, freed);
}

/* Members. */

void cache_register(struct cache *cache, struct cache_member *member)
{
    atomic_fetch_add_explicit(&cache->index_bytes, member->index_bytes, memory_order_relaxed);
    mutex_lock(&cache->mu);
    if (cache->hand == NULL) {
        member->next = member;
        member->prev = member;
        cache->hand = member;
        cache->hand_slot = 0;
    } else {
        /* Behind the hand: the last to be swept. */
        member->next = cache->hand;
        member->prev = cache->hand->prev;
        member->prev->next = member;
        member->next->prev = member;
    }
    mutex_unlock(&cache->mu);
    if (excess(cache) > 0) {
        sweep(cache);
    }
}

void cache_unregister(struct cache *cache, struct cache_member *member)
{
    struct epoch_item *victims = NULL;
    uint64_t freed = 0;
    mutex_lock(&cache->mu);
    if (cache->hand == member) {
        cache->hand = member->next == member ? NULL : member->next;
        cache->hand_slot = 0;
    }
    member->prev->next = member->next;
    member->next->prev = member->prev;
    for (uint32_t i = 0; i < member->slot_count; i++) {
        if (atomic_load_explicit(&member->slots[i], memory_order_relaxed) != NULL) {
            freed += slot_empty(cache, &member->slots[i], &victims);
        }
    }
    mutex_unlock(&cache->mu);
    atomic_fetch_sub_explicit(&cache->index_bytes, member->index_bytes, memory_order_relaxed);
    retire_all(victims, freed);
}

void cache_charge(struct cache *cache, uint64_t bytes)
{
    atomic_fetch_add_explicit(&cache->block_bytes, bytes, memory_order_relaxed);
    if (excess(cache) > 0) {
        sweep(cache);
    }
}

void cache_uncharge(struct cache *cache, uint64_t bytes)
{
    uint64_t before = atomic_fetch_sub_explicit(&cache->block_bytes, bytes, memory_order_relaxed);
    INV(before >= bytes);
}

/* Counters. */

static struct cache_shard *shard_of(struct cache *cache)
{
    if (UNLIKELY(shard_mine == 0)) {
        shard_mine =
            atomic_fetch_add_explicit(&shard_next, 1, memory_order_relaxed) % SHARD_COUNT + 1;
    }
    return &cache->shards[shard_mine - 1];
}

static inline void count(_Atomic uint64_t *counter)
{
    uint64_t value = atomic_load_explicit(counter, memory_order_relaxed);
    atomic_store_explicit(counter, value + 1, memory_order_relaxed);
}

void cache_note_hit(struct cache *cache)
{
    count(&shard_of(cache)->hits);
}

void cache_note_miss(struct cache *cache)
{
    count(&shard_of(cache)->misses);
}

void cache_counts(const struct cache *cache, struct cache_counts *out)
{
    struct cache_counts counts = {
        .capacity = atomic_load_explicit(&cache->capacity, memory_order_relaxed),
        .block_bytes = atomic_load_explicit(&cache->block_bytes, memory_order_relaxed),
        .index_bytes = atomic_load_explicit(&cache->index_bytes, memory_order_relaxed),
        .evictions = atomic_load_explicit(&cache->evictions, memory_order_relaxed),
    };
    for (size_t i = 0; i < SHARD_COUNT; i++) {
        counts.hits += atomic_load_explicit(&cache->shards[i].hits, memory_order_relaxed);
        counts.misses += atomic_load_explicit(&cache->shards[i].misses, memory_order_relaxed);
    }
    *out = counts;
}
