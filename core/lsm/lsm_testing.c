/* SPDX-License-Identifier: MIT */
/* lsm_testing.c - see lsm_testing.h. */
#include "lsm/lsm_testing.h"

#include <inttypes.h>
#include <stdatomic.h>

#include "base/check.h"
#include "base/coding.h"
#include "base/epoch.h"
#include "base/limits.h"
#include "base/memory.h"
#include "base/thread.h"
#include "disk/table_reader.h"
#include "lsm/memtable_impl.h"
#include "lsm/memtable_tree.h"

#define RACE_KEY_SIZE   16u
#define RACE_THREAD_MAX 16
#define RACE_STEPS      40 /* Moves of an iterator between two seeks. */

struct iter *testing_memtable_iter_new(const struct memtable *memtable)
{
    struct memtable_iter *it = mem_alloc(sizeof(*it));
    if (it == NULL) {
        return NULL;
    }
    memtable_iter_init(it, memtable);
    return &it->iter;
}

void testing_memtable_iter_free(struct iter *iter)
{
    mem_free(iter);
}

struct failing_iter {
    struct iter iter;
    struct iter *source;
    uint64_t moves_left;
};

static struct iter *failing_source(struct iter *iter)
{
    return ((struct failing_iter *)iter)->source;
}

/* Takes over where the source stands, or fails. */
static void failing_settle(struct iter *iter)
{
    struct failing_iter *it = (struct failing_iter *)iter;
    if (iter->status != LOAM_OK || it->moves_left == 0) {
        iter->status = LOAM_CORRUPT;
        iter->is_valid = false;
        return;
    }
    it->moves_left--;
    iter->is_valid = it->source->is_valid;
    iter->entry = it->source->entry;
}

static void failing_first(struct iter *iter)
{
    iter_first(failing_source(iter));
    failing_settle(iter);
}

static void failing_last(struct iter *iter)
{
    iter_last(failing_source(iter));
    failing_settle(iter);
}

static void failing_seek(struct iter *iter, struct slice key, uint64_t seq)
{
    iter_seek(failing_source(iter), key, seq);
    failing_settle(iter);
}

static void failing_seek_before(struct iter *iter, struct slice key, uint64_t seq)
{
    iter_seek_before(failing_source(iter), key, seq);
    failing_settle(iter);
}

static void failing_next(struct iter *iter)
{
    iter_next(failing_source(iter));
    failing_settle(iter);
}

static void failing_prev(struct iter *iter)
{
    iter_prev(failing_source(iter));
    failing_settle(iter);
}

static void failing_free(struct iter *iter)
{
    iter->is_valid = false;
}

static const struct iter_ops failing_ops = {
    .first = failing_first,
    .last = failing_last,
    .seek = failing_seek,
    .seek_before = failing_seek_before,
    .next = failing_next,
    .prev = failing_prev,
    .free = failing_free,
};

struct iter *testing_failing_iter_new(struct iter *source, uint64_t moves)
{
    struct failing_iter *it = mem_zalloc(1, sizeof(*it));
    if (it == NULL) {
        return NULL;
    }
    it->iter.ops = &failing_ops;
    it->source = source;
    it->moves_left = moves;
    return &it->iter;
}

void testing_failing_iter_free(struct iter *iter)
{
    mem_free(iter);
}

struct race {
    struct memtable *memtable;
    uint64_t row_count;
    uint64_t key_count;
    uint64_t seed;
    _Atomic uint64_t published; /* Release after each insert, as the commit leader does. */
    _Atomic int rc;
};

struct race_reader {
    struct race *race;
    struct loam_thread thread;
    struct loam_error err;
    uint64_t state;
};

static uint64_t race_mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
    return x ^ (x >> 31);
}

/* Row `seq` is of a key that follows from it, so that a reader knows what must be there. */
static uint64_t race_key_number(const struct race *race, uint64_t seq)
{
    return race_mix(race->seed + seq) % race->key_count;
}

static struct slice race_key(uint64_t number, char *out)
{
    put_u32_be(out, 1);
    put_u32_be(out + 4, (uint32_t)(race_mix(number) & 3));
    put_u32_be(out + 8, (uint32_t)(number >> 32));
    put_u32_be(out + 12, (uint32_t)number);
    return slice_make(out, RACE_KEY_SIZE);
}

static bool race_value_is_right(const struct race *race, const struct entry *entry)
{
    uint64_t seq = 0;
    char bytes[RACE_KEY_SIZE];
    if (entry->value.size != sizeof(seq)) {
        return false;
    }
    memcpy(&seq, entry->value.data, sizeof(seq));
    return seq == entry->seq &&
           slice_equal(entry->key, race_key(race_key_number(race, seq), bytes));
}

/* A row that was published is found, at a snapshot and at its own sequence. */
static int race_get(struct race_reader *reader, uint64_t published)
{
    struct race *race = reader->race;
    uint64_t seq = 1 + race_mix(reader->state++) % published;
    char bytes[RACE_KEY_SIZE];
    struct slice key = race_key(race_key_number(race, seq), bytes);
    uint64_t hash = table_key_hash(key);
    struct entry now;
    struct entry then;
    bool has_now = memtable_get(race->memtable, key, hash, published, &now);
    bool has_then = memtable_get(race->memtable, key, hash, seq, &then);
    if (!has_now || !has_then || now.seq < seq || now.seq > published || then.seq != seq) {
        return fail(&reader->err, LOAM_CORRUPT, "row %" PRIu64 " is not seen at %" PRIu64, seq,
                    published);
    }
    if (!race_value_is_right(race, &now) || !race_value_is_right(race, &then)) {
        return fail(&reader->err, LOAM_CORRUPT, "row %" PRIu64 " has wrong bytes", seq);
    }
    return LOAM_OK;
}

/* Seeks a published row, then walks at random and compares neighbours. */
static int race_walk(struct race_reader *reader, uint64_t published)
{
    struct race *race = reader->race;
    uint64_t seq = 1 + race_mix(reader->state++) % published;
    char bytes[RACE_KEY_SIZE];
    struct memtable_iter it;
    memtable_iter_init(&it, race->memtable);
    iter_seek(&it.iter, race_key(race_key_number(race, seq), bytes), seq);
    if (!it.iter.is_valid || it.iter.entry.seq != seq) {
        return fail(&reader->err, LOAM_CORRUPT, "seek misses row %" PRIu64, seq);
    }
    for (int step = 0; step < RACE_STEPS && it.iter.is_valid; step++) {
        struct entry from = it.iter.entry;
        bool is_back = (race_mix(reader->state++) & 1) != 0;
        (is_back ? iter_prev : iter_next)(&it.iter);
        if (!it.iter.is_valid) {
            break;
        }
        const struct entry *to = &it.iter.entry;
        int order = entry_position_cmp(from.key, from.seq, to->key, to->seq);
        if ((is_back ? order <= 0 : order >= 0) || !race_value_is_right(race, to)) {
            return fail(&reader->err, LOAM_CORRUPT, "rows %" PRIu64 " and %" PRIu64 " stand wrong",
                        from.seq, to->seq);
        }
    }
    iter_free(&it.iter);
    return LOAM_OK;
}

/* Goes from key to key: each must show its newest published version first. */
static int race_leave(struct race_reader *reader, uint64_t published)
{
    struct race *race = reader->race;
    struct memtable_iter it;
    memtable_iter_init(&it, race->memtable);
    char from[RACE_KEY_SIZE];
    uint64_t seq = 1 + race_mix(reader->state++) % published;
    iter_seek(&it.iter, race_key(race_key_number(race, seq), from), published);
    for (int step = 0; step < RACE_STEPS && it.iter.is_valid; step++) {
        char bytes[RACE_KEY_SIZE];
        struct slice key = slice_make(bytes, it.iter.entry.key.size);
        INV(key.size <= RACE_KEY_SIZE);
        memcpy(bytes, it.iter.entry.key.data, key.size);
        iter_next_key(&it.iter, key);
        while (it.iter.is_valid && it.iter.entry.seq > published) {
            iter_next(&it.iter);
        }
        if (!it.iter.is_valid) {
            break;
        }
        struct entry shown = it.iter.entry;
        struct entry newest;
        uint64_t hash = table_key_hash(shown.key);
        if (!memtable_get(race->memtable, shown.key, hash, published, &newest) ||
            newest.seq != shown.seq) {
            return fail(&reader->err, LOAM_CORRUPT, "row %" PRIu64 " hides a newer one", shown.seq);
        }
    }
    iter_free(&it.iter);
    return LOAM_OK;
}

static void *race_read(void *argument)
{
    struct race_reader *reader = argument;
    struct race *race = reader->race;
    uint64_t published = 0;
    int rc = LOAM_OK;
    while (rc == LOAM_OK && published < race->row_count) {
        published = atomic_load_explicit(&race->published, memory_order_acquire);
        if (published == 0) {
            continue;
        }
        epoch_enter();
        rc = race_get(reader, published);
        if (rc == LOAM_OK) {
            rc = race_walk(reader, published);
        }
        if (rc == LOAM_OK) {
            rc = race_leave(reader, published);
        }
        epoch_exit();
    }
    if (rc != LOAM_OK) {
        atomic_store(&race->rc, rc);
    }
    return NULL;
}

static int race_write(struct race *race, struct loam_error *err)
{
    for (uint64_t seq = 1; seq <= race->row_count && atomic_load(&race->rc) == LOAM_OK; seq++) {
        char bytes[RACE_KEY_SIZE];
        struct entry entry = {.key = race_key(race_key_number(race, seq), bytes),
                              .value = slice_make(&seq, sizeof(seq)),
                              .seq = seq,
                              .kind = ENTRY_PUT};
        TRY(memtable_insert(race->memtable, &entry, err));
        atomic_store_explicit(&race->published, seq, memory_order_release);
    }
    return LOAM_OK;
}

uint64_t testing_memtable_torn(struct memtable *memtable, uint32_t at)
{
    struct index_node *leaf = root_of(&memtable->index);
    PRE(leaf->level == 0 && at > 0 && at < count_of(leaf));
    uint64_t prefix = prefix_of(leaf, at);
    struct memtable_iter it;
    memtable_iter_init(&it, memtable);
    iter_first(&it.iter);
    PRE(it.iter.is_valid);
    struct slice key = it.iter.entry.key; /* A row stays where it is. */
    atomic_store_explicit(&leaf->prefix[at], prefix_of(leaf, at - 1), memory_order_relaxed);
    iter_next_key(&it.iter, key);
    atomic_store_explicit(&leaf->prefix[at], prefix, memory_order_relaxed);
    uint64_t seq = it.iter.is_valid ? it.iter.entry.seq : 0;
    iter_free(&it.iter);
    return seq;
}

int testing_memtable_race(
    uint64_t row_count, uint64_t key_count, int reader_count, uint64_t seed, struct loam_error *err)
{
    PRE(reader_count <= RACE_THREAD_MAX);
    struct race race = {.memtable = memtable_new(1),
                        .row_count = row_count,
                        .key_count = key_count,
                        .seed = race_mix(seed)};
    struct race_reader readers[RACE_THREAD_MAX] = {0};
    if (race.memtable == NULL) {
        return mem_fail(err, 1);
    }
    int rc = LOAM_OK;
    for (int i = 0; i < reader_count; i++) {
        readers[i].race = &race;
        readers[i].state = race_mix(seed + (uint64_t)i) | 1;
        KEEP_FIRST(rc, thread_start(&readers[i].thread, "reader", race_read, &readers[i], err));
    }
    KEEP_FIRST(rc, race_write(&race, err));
    /* Whatever happened, the readers end. */
    atomic_store_explicit(&race.published, row_count, memory_order_release);
    for (int i = 0; i < reader_count; i++) {
        thread_join(&readers[i].thread);
        if (rc == LOAM_OK && readers[i].err.code != LOAM_OK) {
            rc = fail(err, readers[i].err.code, "%s", readers[i].err.text);
        }
    }
    if (rc == LOAM_OK) {
        rc = memtable_check(race.memtable, err);
    }
    memtable_unref(race.memtable);
    return rc;
}
