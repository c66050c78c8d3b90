/* SPDX-License-Identifier: MIT */
/*
 * version_set_impl.h - what version_set.c, version_set_open.c and version_set_names.c share.
 * Floor 3.
 *
 * Locks: apply_mu, then state_mu. What apply_mu protects is changed with both held, so either is
 * enough to read it.
 */
#ifndef LOAM_LSM_VERSION_SET_IMPL_H
#define LOAM_LSM_VERSION_SET_IMPL_H

#include "base/limits.h"
#include "base/thread.h"
#include "disk/manifest_log.h"
#include "lsm/version_set.h"
#include "lsm/version_state.h"

#define FILE_NUMBER_STEP 100 /* Numbers reserved at once. */

/* The buckets by id, replaced as a whole. */
struct bucket_map {
    struct epoch_item epoch_item; /* First, so that the item is the map. */
    size_t count;
    struct bucket_meta buckets[]; /* Ascending ids. */
};

struct version_set {
    /* Constant after open. */
    struct env_dir *dir;
    const struct table_context *context;

    struct loam_mutex apply_mu; /* Serialises changes; held over I/O. */
    struct loam_mutex state_mu; /* Held for moments. */

    /* Protected by apply_mu. */
    struct manifest_writer *writer; /* NULL before the first roll. */
    struct arena names;             /* Of buckets and content types; only grows. */

    /* Protected by apply_mu and state_mu. */
    struct version_state state; /* next_file: all below are reserved in the manifest. */
    struct version *current;
    uint64_t manifest_number;
    int failed_code; /* LOAM_OK, or the poison. */
    struct loam_error failed;

    /* Protected by state_mu. */
    uint64_t next_number; /* The next file number to give out. */

    /* Atomic: published with release, read with acquire inside an epoch bracket. */
    _Atomic(struct bucket_map *) bucket_map;
    /* Atomic: a name, once set, stays; the release store of a name pairs with the acquire load. */
    _Atomic(const char *) content_types[CONTENT_TYPE_MAX + 1];
};

/* What a change replaces: released outside the locks, as it may call back to the owner. */
struct version_set_change {
    struct version_state old_state;
    struct version *old_version;
    struct bucket_map *old_map;
};

/* version_set_apply_made() with apply_mu held by the caller, who calls version_set_release()
 * without it.
 */
NODISCARD int version_set_apply_locked(struct version_set *set,
                                       const struct manifest_edit *edit,
                                       const struct table_list *made,
                                       struct version_set_change *change,
                                       struct loam_error *err) REQUIRES(set->apply_mu);
void version_set_release(struct version_set_change *change);
/* version_set_open.c: version_set_roll() with apply_mu held. */
NODISCARD int version_set_roll_locked(struct version_set *set, struct loam_error *err)
    REQUIRES(set->apply_mu);
/* Errors: READ_ONLY. */
NODISCARD int version_set_check_writable(const struct version_set *set, struct loam_error *err)
    REQUIRES(set->apply_mu);

/* version_set_names.c: a map of the state's buckets. Errors: NO_MEMORY. */
NODISCARD int
bucket_map_new(const struct version_state *state, struct bucket_map **out, struct loam_error *err);
/* Releases after a grace period; NULL is fine. */
void bucket_map_retire(struct bucket_map *map);
/* Makes the content types of the state visible. */
void version_set_publish_types(struct version_set *set);

#endif
