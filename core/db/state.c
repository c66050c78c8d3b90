/* SPDX-License-Identifier: MIT */
/* state.c - publishing and looking through memtables and version. */
#include "db/state.h"

#include "base/check.h"
#include "base/memory.h"
#include "db/db.h"

struct read_state *state_alloc(void)
{
    return mem_zalloc(1, sizeof(struct read_state));
}

void state_fill(struct read_state *state,
                struct memtable *active,
                struct memtable *const *immutable,
                size_t immutable_count,
                struct version *version)
{
    PRE(immutable_count <= IMMUTABLE_COUNT_MAX);
    PRE(state->active == NULL);
    atomic_init(&state->refs, 1);
    state->active = active;
    memtable_ref(active);
    for (size_t i = 0; i < immutable_count; i++) {
        state->immutable[i] = immutable[i];
        memtable_ref(immutable[i]);
    }
    state->immutable_count = immutable_count;
    state->version = version;
    version_ref(version);
}

int state_new(struct memtable *active,
              struct memtable *const *immutable,
              size_t immutable_count,
              struct version *version,
              struct read_state **out,
              struct loam_error *err)
{
    struct read_state *state = state_alloc();
    if (state == NULL) {
        return mem_fail(err, sizeof(*state));
    }
    state_fill(state, active, immutable, immutable_count, version);
    *out = state;
    return LOAM_OK;
}

void state_ref(struct read_state *state)
{
    uint32_t before = atomic_fetch_add_explicit(&state->refs, 1, memory_order_relaxed);
    INV(before > 0);
}

void state_unref(struct read_state *state)
{
    if (state == NULL || atomic_fetch_sub_explicit(&state->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    memtable_unref(state->active);
    for (size_t i = 0; i < state->immutable_count; i++) {
        memtable_unref(state->immutable[i]);
    }
    version_unref(state->version);
    mem_free(state);
}

static void state_release(struct epoch_item *item)
{
    state_unref((struct read_state *)item);
}

_Static_assert(offsetof(struct read_state, epoch_item) == 0, "state_release casts");

void state_publish(struct loam_db *db, struct read_state *state)
{
    atomic_store_explicit(&db->is_paced,
                          state->immutable_count > 0 || state->version->run_count > RUNS_SOFT,
                          memory_order_relaxed);
    atomic_store_explicit(&db->is_flush_urgent, state->immutable_count > 1, memory_order_relaxed);
    atomic_store_explicit(&db->is_merge_urgent, state->version->run_count > RUNS_URGENT,
                          memory_order_relaxed);
    /* Release: pairs with the acquire in state_get(). */
    struct read_state *old = atomic_exchange_explicit(&db->state, state, memory_order_acq_rel);
    if (old != NULL) {
        epoch_retire(&old->epoch_item, state_release);
    }
}

struct read_state *state_get(struct loam_db *db)
{
    return atomic_load_explicit(&db->state, memory_order_acquire);
}

struct read_state *state_get_at_newest(struct loam_db *db, uint64_t *seq)
{
    epoch_enter();
    for (;;) {
        struct read_state *state = state_get(db);
        *seq = atomic_load_explicit(&db->visible_seq, memory_order_acquire);
        /* Unchanged around the load: every row up to seq went into memtables of this state. */
        if (state == atomic_load_explicit(&db->state, memory_order_acquire)) {
            state_ref(state);
            epoch_exit();
            return state;
        }
    }
}

bool state_is_newest(struct loam_db *db, const struct read_state *state, uint64_t *seq)
{
    if (state_get(db) != state) {
        return false;
    }
    *seq = atomic_load_explicit(&db->visible_seq, memory_order_acquire);
    /* The caller's reference keeps the address from being given to another state in between. */
    return state_get(db) == state;
}

/* Each place that is asked is a cache miss: all of them are on their way before the first is looked
 * at. */
static inline void
look_ahead(const struct read_state *state, const struct lookup *wanted, struct version_ahead *out)
{
    memtable_prefetch(state->active, wanted->hash);
    for (size_t i = 0; i < state->immutable_count; i++) {
        memtable_prefetch(state->immutable[i], wanted->hash);
    }
    version_look_ahead(state->version, wanted, out);
}

static inline bool
memtable_has(const struct memtable *memtable, const struct lookup *wanted, struct entry *out)
{
    return memtable_get(memtable, wanted->key, wanted->hash, wanted->seq, out);
}

int state_lookup(const struct read_state *state,
                 const struct lookup *wanted,
                 struct entry *out,
                 struct block **pin,
                 struct loam_error *err)
{
    struct version_ahead ahead;
    look_ahead(state, wanted, &ahead);
    if (memtable_has(state->active, wanted, out)) {
        return LOAM_OK;
    }
    for (size_t i = 0; i < state->immutable_count; i++) {
        if (memtable_has(state->immutable[i], wanted, out)) {
            return LOAM_OK;
        }
    }
    return version_get(state->version, wanted, &ahead, out, pin, err);
}
