/* SPDX-License-Identifier: MIT */
/*
 * state.h - what a reader needs, as one immutable object: memtables and version. Floor 4.
 *
 * db->state points at the current one. A reader inside an epoch bracket uses it without a
 * reference; scans take one. Writers publish a new state under db->mu and retire the old one. The
 * order for a read at the newest sequence: load the state first, then the sequence - a state never
 * lacks a row that was visible before it was loaded.
 */
#ifndef LOAM_DB_STATE_H
#define LOAM_DB_STATE_H

#include "base/epoch.h"
#include "lsm/memtable.h"
#include "lsm/version.h"

enum { IMMUTABLE_COUNT_MAX = 4 };

struct read_state {
    struct epoch_item epoch_item;
    _Atomic uint32_t refs;
    size_t immutable_count;
    struct memtable *active;
    struct memtable *immutable[IMMUTABLE_COUNT_MAX]; /* Newest first. */
    struct version *version;
};

struct loam_db;

/* A new state with references of its own on everything it names; refs = 1. Errors: NO_MEMORY. */
NODISCARD int state_new(struct memtable *active,
                        struct memtable *const *immutable,
                        size_t immutable_count,
                        struct version *version,
                        struct read_state **out,
                        struct loam_error *err);
/* The same in two steps, for whom must not fail at the second. A state that was not filled is
 * released with mem_free(). NULL when out of memory. */
struct read_state *state_alloc(void);
void state_fill(struct read_state *state,
                struct memtable *active,
                struct memtable *const *immutable,
                size_t immutable_count,
                struct version *version);
void state_ref(struct read_state *state);
void state_unref(struct read_state *state);
/* Makes `state` current (its reference is given) and retires the old one. Needs db->mu. */
void state_publish(struct loam_db *db, struct read_state *state);
/* The current state; valid until the caller's epoch bracket ends. */
struct read_state *state_get(struct loam_db *db);
/* The current state with a reference, and a sequence whose every row it holds. */
struct read_state *state_get_at_newest(struct loam_db *db, uint64_t *seq);
/* Whether `state`, referenced by the caller, is still the current one; *seq as above then. */
bool state_is_newest(struct loam_db *db, const struct read_state *state, uint64_t *seq);

/* The wanted version, wherever it is; as table_get(): inside an epoch bracket. */
NODISCARD int state_lookup(const struct read_state *state,
                           const struct lookup *wanted,
                           struct entry *out,
                           struct block **pin,
                           struct loam_error *err);

#endif
