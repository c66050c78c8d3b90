/* SPDX-License-Identifier: MIT */
/*
 * version_state.h - all that the manifest says, as lists, and what an edit does to them. Floor 3.
 * Called by version_set only; no I/O. Thread: owner.
 */
#ifndef LOAM_LSM_VERSION_STATE_H
#define LOAM_LSM_VERSION_STATE_H

#include "base/arena.h"
#include "lsm/version.h"

struct version_state {
    struct loam_buffer tables;        /* struct version_entry by number, one reference each. */
    struct loam_buffer logs;          /* uint64_t, ascending. */
    struct loam_buffer buckets;       /* struct bucket_meta by name. */
    struct loam_buffer content_types; /* struct bucket_meta by id (id and name only). */
    uint64_t next_file;               /* Numbers from here on were never used. */
    uint64_t last_seq;
    uint32_t next_bucket;
};

/* A zeroed state is empty and valid. */
void version_state_deinit(struct version_state *state);
/* Makes `to`, not initialised, a copy. Errors: NO_MEMORY. */
NODISCARD int version_state_clone(const struct version_state *from,
                                  struct version_state *to,
                                  struct loam_error *err);
/* Applies an edit; names are copied to `names` with a NUL behind. Objects of added tables are those
 * in `made` (NULL: none) or new. Errors: CORRUPT, TOO_LARGE (a limit), NO_MEMORY: the state is then
 * half changed, but can be released. */
NODISCARD int version_state_apply(struct version_state *state,
                                  const struct table_context *context,
                                  const struct manifest_edit_view *view,
                                  const struct table_list *made,
                                  struct arena *names,
                                  struct loam_error *err);
/* Adds the whole state to an empty edit. Errors: NO_MEMORY. */
NODISCARD int version_state_snapshot(const struct version_state *state,
                                     struct manifest_edit *edit,
                                     struct loam_error *err);

/* NULL when absent. */
const struct version_entry *version_state_table(const struct version_state *state, uint64_t number);
bool version_state_has_log(const struct version_state *state, uint64_t number);
const struct bucket_meta *version_state_bucket(const struct version_state *state,
                                               struct slice name);

static inline const struct version_entry *version_state_tables(const struct version_state *state,
                                                               size_t *count)
{
    *count = state->tables.size / sizeof(struct version_entry);
    return (const void *)state->tables.data;
}

static inline const struct bucket_meta *version_state_buckets(const struct version_state *state,
                                                              size_t *count)
{
    *count = state->buckets.size / sizeof(struct bucket_meta);
    return (const void *)state->buckets.data;
}

#endif
